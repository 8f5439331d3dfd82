package statement

import (
	"context"
	"fmt"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
)

// ReceiptType is the predicate type of statements about receipts.
const ReceiptType = "https://switchboard.dev/attestations/receipt/v1"

// Receipt is the predicate of a statement about the head of a tenant's chain: the
// operator saw it then, and it joins what the operator had seen before. Its times
// are UTC; it has names of policies and categories, counts, times and digests alone.
type Receipt struct {
	Tenant         string `json:"tenant"`
	TenantUID      string `json:"tenantUID"`
	Sequence       int64  `json:"sequence"`
	Digest         string `json:"digest"`
	PreviousDigest string `json:"previousDigest"`
	Kind           string `json:"kind"` // evidence.Kind…
	// Policy, Generation, PolicyDigest and Outcome are those of a retention run. Rules
	// are there when the operator knew the rules of that digest.
	Policy       string                   `json:"policy,omitempty"`
	Generation   int64                    `json:"generation,omitempty"`
	PolicyDigest string                   `json:"policyDigest,omitempty"`
	Rules        []contract.RetentionRule `json:"rules,omitempty"`
	Outcome      string                   `json:"outcome,omitempty"`
	// Request is the UID of a DataSubjectRequest, RequestType its type, and Subjects the
	// keyed hashes by which it is carried out again after a restore.
	Request     string                 `json:"request,omitempty"`
	RequestType string                 `json:"requestType,omitempty"`
	Subjects    []contract.SubjectHash `json:"subjects,omitempty"`
	Counts      []Count                `json:"counts,omitempty"`
	// Restored tells how an older database that was put back was brought up to what is known.
	Restored *contract.Restored `json:"restored,omitempty"`
	// Anchor is the newest head that was countersigned before; nil in the first statement
	// about a chain. Links are the receipts between the two that the operator was told of,
	// oldest first.
	Anchor *contract.ChainLink  `json:"anchor,omitempty"`
	Links  []contract.ChainLink `json:"links,omitempty"`
	// Accepted takes the place of Anchor where the head does not join the one that was
	// countersigned before, and a person accepted that by an annotation on the Tenant.
	Accepted *contract.ChainLink `json:"accepted,omitempty"`
	// CoveredBy is set in a statement that came late: a newer head, countersigned before,
	// told of this receipt by a link. It adds what the digest alone doesn't say, and no
	// head joins it.
	CoveredBy  *contract.ChainLink `json:"coveredBy,omitempty"`
	FinishedAt time.Time           `json:"finishedAt"`
	SignedAt   time.Time           `json:"signedAt"`
}

// Count is what was done to one category.
type Count struct {
	Category string     `json:"category"`
	Cutoff   *time.Time `json:"cutoff,omitempty"` // of a retention run
	Found    int64      `json:"found,omitempty"`  // by a request
	Done     int64      `json:"done"`             // rows deleted, given out or put right
	HeldBack int64      `json:"heldBack,omitempty"`
	// Overdue counts what was left over by a retention run; nil means that it was not
	// counted, which is never to be read as none.
	Overdue *int64 `json:"overdue,omitempty"`
}

// subject names a receipt, within one cluster and all time.
func (r Receipt) subject() string {
	return fmt.Sprintf("tenant/%s/%s/receipt/%d", r.Tenant, r.TenantUID, r.Sequence)
}

// SignReceipt gives the signed envelope of a receipt's head, as JSON.
func SignReceipt(ctx context.Context, key PrivateKey, r Receipt) ([]byte, error) {
	s, err := New(r.subject(), r.Digest, ReceiptType, r)
	if err != nil {
		return nil, err
	}
	return Sign(ctx, key, s)
}

// OpenReceipt checks a signed envelope, and gives what it says and the ID of the
// key that signed it. It fails as Open does.
func OpenReceipt(ctx context.Context, envelope []byte, keys Keys) (Receipt, string, error) {
	var r Receipt
	s, id, err := Open(ctx, envelope, keys, ReceiptType)
	if err != nil {
		return r, id, err
	}
	if strict(s.Predicate, &r) != nil || !s.Is(r.subject(), r.Digest) || !r.sound() {
		return Receipt{}, id, ErrUnreadable
	}
	return r, id, nil
}

// sound says that a receipt's own members agree with each other.
func (r Receipt) sound() bool {
	if r.Tenant == "" || r.Sequence < 1 || !isDigest(r.Digest) || !isDigest(r.PreviousDigest) || !evidence.KnownKind(r.Kind) {
		return false
	}
	if r.Accepted != nil && (r.Anchor != nil || r.Accepted.Sequence < 1 || !isDigest(r.Accepted.Digest)) {
		return false
	}
	if c := r.CoveredBy; c != nil && (r.Anchor != nil || r.Accepted != nil || len(r.Links) > 0 || c.Sequence <= r.Sequence || !isDigest(c.Digest)) {
		return false
	}
	at := int64(0)
	if r.Anchor != nil {
		if r.Anchor.Sequence < 1 || !isDigest(r.Anchor.Digest) {
			return false
		}
		at = r.Anchor.Sequence
	}
	for _, l := range r.Links {
		if l.Sequence <= at || !isDigest(l.Digest) {
			return false
		}
		at = l.Sequence
	}
	return r.Sequence > at
}

func isDigest(s string) bool {
	_, err := evidence.Digest(s, nil)
	return err == nil
}
