package audit_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

// kept is the evidence of a tenant: nine receipts, and a ledger that was told of all
// but the third by itself.
type kept struct {
	tenant   string
	receipts []evidence.Sealed
	entries  []audit.Entry
	key      statement.PrivateKey
	keys     statement.Keys
	status   *contract.ChainLink
	signed   []statement.Receipt
}

func newKey(t testing.TB) statement.PrivateKey {
	t.Helper()
	key, err := statement.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rules() []contract.RetentionRule {
	return []contract.RetentionRule{{Category: contract.CategoryMessages, RetainDays: 90, Action: contract.ActionDelete}}
}

func newKept(t testing.TB) *kept {
	t.Helper()
	key := newKey(t)
	k := &kept{tenant: "hotel-berlin", key: key, keys: statement.Keys{key.Public().ID(): key.Public()}}
	var head, anchor contract.ChainLink
	for i := range 9 {
		r := receipt(i)
		s, err := evidence.Seal(r, head)
		if err != nil {
			t.Fatal(err)
		}
		k.receipts = append(k.receipts, s)
		previous := head
		head = contract.ChainLink{Sequence: s.Sequence, Digest: s.Digest}
		if i == 2 {
			continue // its pod was lost
		}
		told := statement.Receipt{
			Tenant: k.tenant, TenantUID: "3f9b1c64-0000-4000-8000-000000000001", Sequence: s.Sequence, Digest: s.Digest, PreviousDigest: s.Previous,
			Kind: r.Kind, Policy: r.Policy, Generation: r.Generation, PolicyDigest: r.PolicyDigest, Outcome: r.Outcome, FinishedAt: r.FinishedAt, SignedAt: r.FinishedAt.Add(time.Second),
		}
		if r.Kind == evidence.KindRetention {
			c := r.Categories[0]
			told.Rules = rules()
			told.Counts = []statement.Count{{Category: c.Category, Cutoff: &c.Cutoff, Done: c.Deleted, Overdue: c.Overdue}}
		} else {
			told.Request, told.RequestType = r.Request.UID, r.Request.Type
		}
		if anchor != (contract.ChainLink{}) {
			told.Anchor = &contract.ChainLink{Sequence: anchor.Sequence, Digest: anchor.Digest}
		}
		if previous != anchor {
			told.Links = []contract.ChainLink{previous}
		}
		anchor = head
		k.signed = append(k.signed, told)
		k.entries = append(k.entries, audit.Entry{Ledger: "ledger-hotel-berlin-2026", Key: fmt.Sprintf("%012d", s.Sequence)})
		k.sign(t, len(k.entries)-1, func(*statement.Receipt) {})
	}
	return k
}

// receipt is one of a run, but for the seventh, which is of a request.
func receipt(i int) evidence.Receipt {
	at, overdue := time.Date(2026, 3, 1+i, 2, 30, 0, 0, time.UTC), int64(0)
	r := evidence.Receipt{Kind: evidence.KindRetention, Tenant: "hotel-berlin", StartedAt: at, FinishedAt: at.Add(time.Second)}
	if i == 6 {
		r.Kind, r.Request = evidence.KindRequest, &evidence.Request{UID: "7d1c4e0a-0000-4000-8000-000000000003", Type: contract.RequestErasure}
		return r
	}
	r.Policy, r.Generation, r.PolicyDigest, r.Outcome = "guests", 1, contract.Digest(rules()), contract.OutcomeEnforced
	r.Categories = []contract.CategoryResult{{Category: contract.CategoryMessages, Cutoff: at.AddDate(0, 0, -90), Deleted: int64(i), Overdue: &overdue}}
	return r
}

// sign signs an entry again, changed.
func (k *kept) sign(t testing.TB, i int, change func(*statement.Receipt)) {
	t.Helper()
	r := k.signed[i]
	change(&r)
	envelope, err := statement.SignReceipt(t.Context(), k.key, r)
	if err != nil {
		t.Fatal(err)
	}
	k.entries[i].Envelope = string(envelope)
}

// anew seals everything from a receipt on, changed, as whoever has the database can.
func (k *kept) anew(t testing.TB, from int, change func(*evidence.Receipt)) {
	t.Helper()
	for i := from; i < len(k.receipts); i++ {
		r, err := evidence.Decode([]byte(k.receipts[i].Body))
		if err != nil {
			t.Fatal(err)
		}
		if i == from {
			change(&r)
		}
		var head contract.ChainLink
		if i > 0 {
			head = contract.ChainLink{Sequence: int64(i), Digest: k.receipts[i-1].Digest}
		}
		if k.receipts[i], err = evidence.Seal(r, head); err != nil {
			t.Fatal(err)
		}
	}
}

func (k *kept) verify(t testing.TB) audit.Report {
	t.Helper()
	report, err := audit.Verify(t.Context(), audit.Evidence{
		Tenant: k.tenant, Entries: k.entries, Keys: k.keys, Status: k.status,
		Receipts: func(add func(evidence.Sealed) error) error {
			for _, s := range k.receipts {
				if err := add(s); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// countersign signs the chain as it is now, with the key as it is now.
func (k *kept) countersign(t testing.TB) {
	t.Helper()
	digest := func(sequence int64) string { return k.receipts[sequence-1].Digest }
	for i := range k.entries {
		k.sign(t, i, func(r *statement.Receipt) {
			told, err := evidence.Decode([]byte(k.receipts[r.Sequence-1].Body))
			if err != nil {
				t.Fatal(err)
			}
			r.Generation, r.Digest, r.PreviousDigest = told.Generation, digest(r.Sequence), k.receipts[r.Sequence-1].Previous
			if r.Anchor != nil {
				r.Anchor.Digest = digest(r.Anchor.Sequence)
			}
			for j := range r.Links {
				r.Links[j].Digest = digest(r.Links[j].Sequence)
			}
		})
	}
}

// late adds the statement about the third receipt, whose run's result was seen after all.
func (k *kept) late(t testing.TB, change func(*statement.Receipt)) {
	t.Helper()
	r := k.signed[1]
	s := k.receipts[2]
	at := time.Date(2026, 3, 3, 2, 30, 0, 0, time.UTC)
	cutoff, overdue := at.AddDate(0, 0, -90), int64(0)
	r.Sequence, r.Digest, r.PreviousDigest, r.Anchor, r.Links, r.FinishedAt = s.Sequence, s.Digest, s.Previous, nil, nil, at.Add(time.Second)
	r.Counts = []statement.Count{{Category: contract.CategoryMessages, Cutoff: &cutoff, Done: 2, Overdue: &overdue}}
	r.CoveredBy = &contract.ChainLink{Sequence: 4, Digest: k.receipts[3].Digest}
	k.signed = slices.Insert(k.signed, 2, r)
	k.entries = slices.Insert(k.entries, 2, audit.Entry{Ledger: "ledger-hotel-berlin-2026", Key: "000000000003"})
	k.sign(t, 2, change)
}
