// Package evidence is the proof of deletion: receipts of retention runs, the
// hash chain that binds them, and its verification, which needs nothing but the
// receipts and, to notice that the newest ones were cut off, an anchor kept
// elsewhere (the status of the tenant's objects).
//
// A receipt holds names of policies and categories, times, counts and digests;
// never anything about a person.
package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Version of the receipt's form. It is part of the body and of the digest.
const Version = 1

// domain keeps a receipt's digest from ever being the digest of anything else.
const domain = "switchboard/receipt/v1\x00"

// Genesis stands for the digest before the first receipt.
const Genesis = "0000000000000000000000000000000000000000000000000000000000000000"

// MaxBody bounds a receipt's body, in bytes. Real ones have about one thousand.
const MaxBody = 64 << 10

// Receipt tells what one run deleted. Its canonical form, which the digest
// covers, is what Encode gives: JSON in UTF-8, members in the order of the
// fields below, no white space, times in RFC 3339 in UTC with as many decimals
// (at most six) as they need, integers without exponent.
type Receipt struct {
	Version  int    `json:"version"`
	Kind     string `json:"kind"` // a Kind…
	Tenant   string `json:"tenant"`
	Sequence int64  `json:"sequence"` // 1, 2, 3 … within a tenant
	// Policy, Generation, PolicyDigest (contract.Digest of the rules) and Outcome are
	// those of a run; empty in a receipt of a request.
	Policy       string `json:"policy,omitempty"`
	Generation   int64  `json:"generation,omitempty"`
	PolicyDigest string `json:"policyDigest,omitempty"`
	Outcome      string `json:"outcome,omitempty"` // contract.Outcome…
	// PlanDigest is that of the plan which the run made or carried out; empty when it made none.
	PlanDigest string `json:"planDigest,omitempty"`
	// Request is set in a receipt of a request of a person.
	Request *Request `json:"request,omitempty"`
	// Restored is set in a receipt of a database that was put back, and brought up to what is known.
	Restored *contract.Restored `json:"restored,omitempty"`
	// Adopted is set in a receipt of a tenant that was brought in from elsewhere.
	Adopted *contract.Adopted `json:"adopted,omitempty"`
	// StartedAt is the instant from which the cutoffs are counted back.
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	// Resumed tells of runs of the same rules that were interrupted before this one;
	// the counts include what they had deleted.
	Resumed *Resumed `json:"resumed,omitempty"`
	// Interrupted is set in a receipt written for a run that can't be taken up again,
	// because its rules are no longer in force. Nothing was read back for it.
	Interrupted bool                      `json:"interrupted,omitempty"`
	Categories  []contract.CategoryResult `json:"categories,omitempty"`
	// Holds counts the expired rows that each hold keeps, sorted by name.
	Holds []contract.HoldCount `json:"holds,omitempty"`
	// Followed counts rows without personal data that went because nothing refers to
	// them any more; kinds without any are left out.
	Followed []Followed `json:"followed,omitempty"`
}

// Kinds of receipts.
const (
	KindRetention = "retention"
	KindRequest   = "request"
	KindRestore   = "restore"
	KindAdopted   = "adopted"
)

// KnownKind says whether a kind of receipts is known here.
func KnownKind(kind string) bool {
	return kind == KindRetention || kind == KindRequest || kind == KindRestore || kind == KindAdopted
}

// Request tells how a request of a person was carried out, without naming anyone.
type Request struct {
	UID     string                   `json:"uid"`               // the DataSubjectRequest's
	After   string                   `json:"after,omitempty"`   // digest of the receipt of the attempt before
	Archive string                   `json:"archive,omitempty"` // id of the archive that was made
	Type    string                   `json:"type"`
	Found   []contract.CategoryCount `json:"found,omitempty"`
	Done    []contract.CategoryCount `json:"done,omitempty"`
	Refused []contract.Refusal       `json:"refused,omitempty"`
}

// Resumed tells of interrupted runs.
type Resumed struct {
	Attempts int       `json:"attempts"` // how many were interrupted
	Since    time.Time `json:"since"`    // when the first of them began
}

// Followed counts rows of one kind: Conversations, Files, ProviderIDs or ReplyKeys.
type Followed struct {
	Kind    string `json:"kind"`
	Deleted int64  `json:"deleted"`
	// Pending counts objects of files that are gone, of this run or before, which the object store
	// has not confirmed to be removed.
	Pending int64 `json:"pending,omitempty"`
}

// Encode gives the receipt's canonical bytes.
func (r Receipt) Encode() ([]byte, error) {
	r.StartedAt, r.FinishedAt = r.StartedAt.UTC(), r.FinishedAt.UTC()
	if r.Resumed != nil {
		resumed := *r.Resumed
		resumed.Since = resumed.Since.UTC()
		r.Resumed = &resumed
	}
	if r.Adopted != nil {
		adopted := *r.Adopted
		adopted.SnapshotAt = adopted.SnapshotAt.UTC()
		r.Adopted = &adopted
	}
	categories := make([]contract.CategoryResult, len(r.Categories))
	copy(categories, r.Categories)
	for i := range categories {
		c := &categories[i]
		c.Cutoff = c.Cutoff.UTC()
		if c.OldestLeft != nil {
			oldest := c.OldestLeft.UTC()
			c.OldestLeft = &oldest
		}
		if c.VacuumedAt != nil {
			vacuumed := c.VacuumedAt.UTC()
			c.VacuumedAt = &vacuumed
		}
	}
	r.Categories = categories
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding receipt %d: %w", r.Sequence, err)
	}
	if len(b) > MaxBody {
		return nil, fmt.Errorf("encoding receipt %d: %d bytes, at most %d are allowed", r.Sequence, len(b), MaxBody)
	}
	return b, nil
}

// Decode reads a receipt's body. It takes the canonical bytes and nothing else:
// for one receipt there is one body, hence one digest.
func Decode(body []byte) (Receipt, error) {
	var r Receipt
	if len(body) > MaxBody {
		return r, fmt.Errorf("decoding a receipt: %d bytes, at most %d are allowed", len(body), MaxBody)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("decoding a receipt: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, errors.New("decoding a receipt: something follows it")
	}
	if r.Version != Version {
		return r, fmt.Errorf("decoding a receipt: version %d, this program reads version %d", r.Version, Version)
	}
	if !KnownKind(r.Kind) {
		return r, errors.New("decoding a receipt: it is of a kind that this program doesn't know")
	}
	canonical, err := r.Encode()
	if err != nil {
		return r, fmt.Errorf("decoding a receipt: %w", err)
	}
	if !bytes.Equal(canonical, body) {
		return r, errors.New("decoding a receipt: it is not in canonical form")
	}
	return r, nil
}

// Sealed is a receipt as stored: its canonical bytes, and its link to the one before.
type Sealed struct {
	Sequence int64  `json:"sequence"`
	Body     string `json:"body"`
	Previous string `json:"previous"` // Digest of the receipt before, or Genesis
	Digest   string `json:"digest"`
}

// Seal appends a receipt to the chain whose newest link is head; the zero
// ChainLink is the empty chain. It sets the receipt's Version and Sequence; the
// caller sets its Kind.
func Seal(r Receipt, head contract.ChainLink) (Sealed, error) {
	if !KnownKind(r.Kind) {
		return Sealed{}, fmt.Errorf("sealing a receipt: there is no kind %q", r.Kind)
	}
	previous := head.Digest
	if head == (contract.ChainLink{}) {
		previous = Genesis
	}
	r.Version, r.Sequence = Version, head.Sequence+1
	body, err := r.Encode()
	if err != nil {
		return Sealed{}, err
	}
	digest, err := Digest(previous, body)
	if err != nil {
		return Sealed{}, fmt.Errorf("sealing receipt %d: %w", r.Sequence, err)
	}
	return Sealed{Sequence: r.Sequence, Body: string(body), Previous: previous, Digest: digest}, nil
}

// Digest is the hex SHA-256 of the domain ("switchboard/receipt/v1" and a zero
// byte), the 32 bytes of the digest before, and the body.
func Digest(previous string, body []byte) (string, error) {
	p, err := hex.DecodeString(previous)
	if err != nil || len(p) != sha256.Size || hex.EncodeToString(p) != previous {
		return "", errors.New("the digest before is not 64 lower-case hexadecimal digits")
	}
	h := sha256.New()
	h.Write([]byte(domain))
	h.Write(p)
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)), nil
}
