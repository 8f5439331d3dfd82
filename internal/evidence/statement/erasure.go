package statement

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// ErasureType is the predicate type of statements about tenants that were erased.
const ErasureType = "https://switchboard.dev/attestations/erasure/v1"

// Erasure is the predicate of a statement about a tenant that was erased: what there was
// of it, and what the operator saw go. Its times are UTC.
type Erasure struct {
	Tenant      string    `json:"tenant"`
	TenantUID   string    `json:"tenantUID"`
	Region      string    `json:"region"`
	RequestedAt time.Time `json:"requestedAt"`
	FinishedAt  time.Time `json:"finishedAt"`
	// Counted: Counts are the rows that there were; else Unchecked says why they are not.
	Counted   bool                     `json:"counted"`
	Counts    []contract.CategoryCount `json:"counts,omitempty"`
	Destroyed []string                 `json:"destroyed,omitempty"` // KIND NAME
	Unchecked []string                 `json:"unchecked,omitempty"`
	// Moved says where the tenant lives by now, when what was erased is what it left behind; nil when all of it was.
	Moved *Moved `json:"moved,omitempty"`
	// Export is the file that the tenant was taken out as before; nil for none.
	Export *Exported `json:"export,omitempty"`
	// Head is the newest receipt, which the ledger keeps; nil for none.
	Head *contract.ChainLink `json:"head,omitempty"`
}

// Moved tells where a tenant lives that left its former region, and what was the same in both when it did.
type Moved struct {
	To                string `json:"to"`
	TransferMechanism string `json:"transferMechanism,omitempty"`
	Plan              string `json:"plan"` // digest of what was approved
	Tables            int32  `json:"tables"`
	Rows              int64  `json:"rows"`
	Digest            string `json:"digest"` // hex SHA-256
}

// Exported tells of a file that a tenant was taken out as.
type Exported struct {
	Object     string                   `json:"object"`
	Endpoint   string                   `json:"endpoint"`
	Bucket     string                   `json:"bucket"`
	Recipient  string                   `json:"recipient"` // an age public key
	SHA256     string                   `json:"sha256"`    // hex, of the file as it was read back
	Bytes      int64                    `json:"bytes"`
	SnapshotAt time.Time                `json:"snapshotAt"`
	Sequence   int64                    `json:"sequence"` // of the newest receipt in it; 0 for none
	Counts     []contract.CategoryCount `json:"counts,omitempty"`
}

func (e Erasure) subject() string {
	subject := fmt.Sprintf("tenant/%s/%s", e.Tenant, e.TenantUID)
	if e.Moved != nil {
		subject += "/region/" + e.Region
	}
	return subject
}

// digest is the hex SHA-256 of the tenant's uid: what was erased has no bytes any more.
func (e Erasure) digest() string {
	sum := sha256.Sum256([]byte(e.TenantUID))
	return hex.EncodeToString(sum[:])
}

// SignErasure gives the signed envelope, as JSON.
func SignErasure(ctx context.Context, key PrivateKey, e Erasure) ([]byte, error) {
	s, err := New(e.subject(), e.digest(), ErasureType, e)
	if err != nil {
		return nil, err
	}
	return Sign(ctx, key, s)
}

// OpenErasure checks a signed envelope, and gives what it says and the ID of the key
// that signed it. It fails as Open does.
func OpenErasure(ctx context.Context, envelope []byte, keys Keys) (Erasure, string, error) {
	var e Erasure
	s, id, err := Open(ctx, envelope, keys, ErasureType)
	if err != nil {
		return e, id, err
	}
	if strict(s.Predicate, &e) != nil || !s.Is(e.subject(), e.digest()) || e.Tenant == "" || e.TenantUID == "" {
		return Erasure{}, id, ErrUnreadable
	}
	return e, id, nil
}

// Same says whether two erasures say the same.
func (e Erasure) Same(other Erasure) bool { return len(e.Differs(other)) == 0 }

// Differs names the members, as JSON does, in which two erasures differ.
func (e Erasure) Differs(other Erasure) []string {
	a, b := members(e), members(other)
	different := map[string]bool{}
	for name, value := range a {
		different[name] = !bytes.Equal(value, b[name])
	}
	for name, value := range b {
		different[name] = !bytes.Equal(value, a[name])
	}
	maps.DeleteFunc(different, func(_ string, differs bool) bool { return !differs })
	return slices.Sorted(maps.Keys(different))
}

func members(e Erasure) map[string]json.RawMessage {
	var all map[string]json.RawMessage
	b, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		panic(err) // strings, numbers and times of this century: cannot happen
	}
	return all
}
