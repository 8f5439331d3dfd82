package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

// TestEveryTamperingIsFound lets each of those who could tamper do it, with real
// signatures, and holds the audit to the finding that names it.
func TestEveryTamperingIsFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		tamper func(*testing.T, *kept)
		want   []evidence.Code
		ok     bool
	}{
		{"nobody did anything", func(*testing.T, *kept) {}, nil, true},
		{"receipts are newer than the ledger", func(_ *testing.T, k *kept) { k.entries = k.entries[:4] }, []evidence.Code{evidence.AnchorOlder}, true},
		{"a statement came late", func(t *testing.T, k *kept) { k.late(t, func(*statement.Receipt) {}) }, nil, true},
		{"there is nothing yet", func(_ *testing.T, k *kept) { k.entries, k.receipts = nil, nil }, []evidence.Code{audit.LedgerEmpty, evidence.Empty}, true},

		// Whoever can write the tenant's database.
		{"the oldest receipts are cut off", func(_ *testing.T, k *kept) { k.receipts = k.receipts[3:] }, []evidence.Code{evidence.StartTruncated}, false},
		{"the newest receipts are cut off", func(_ *testing.T, k *kept) { k.receipts = k.receipts[:6] }, []evidence.Code{evidence.HeadTruncated}, false},
		{"all receipts are gone", func(_ *testing.T, k *kept) { k.receipts = nil }, []evidence.Code{evidence.HeadTruncated}, false},
		{"some in the middle are gone", func(_ *testing.T, k *kept) { k.receipts = slices.Delete(k.receipts, 3, 5) }, []evidence.Code{evidence.Missing}, false},
		{"a receipt is edited", func(_ *testing.T, k *kept) {
			k.receipts[4].Body = strings.Replace(k.receipts[4].Body, `"deleted":4`, `"deleted":5`, 1)
		}, []evidence.Code{evidence.Edited}, false},
		{"the policy is swapped, and all sealed anew from there", func(t *testing.T, k *kept) {
			k.anew(t, 4, func(r *evidence.Receipt) { r.PolicyDigest = strings.Repeat("99", 32) })
		}, []evidence.Code{evidence.SwappedPolicy, evidence.Resealed}, false},
		{"the whole chain is sealed anew", func(t *testing.T, k *kept) {
			k.anew(t, 0, func(r *evidence.Receipt) { r.Categories[0].Deleted = 1000 })
		}, []evidence.Code{evidence.Resealed}, false},
		{"the chain is sealed anew, with what only a link told of", func(t *testing.T, k *kept) {
			k.anew(t, 2, func(r *evidence.Receipt) { r.Categories[0].Deleted = 0 })
		}, []evidence.Code{evidence.Resealed}, false},
		{"another tenant's chain is put in its place", func(t *testing.T, k *kept) {
			k.anew(t, 0, func(r *evidence.Receipt) { r.Tenant = "hotel-boston" })
		}, []evidence.Code{evidence.OtherTenant, evidence.Resealed}, false},

		// Whoever can write what the pod of a run tells.
		{"the run told the operator something else", func(t *testing.T, k *kept) {
			k.sign(t, 7, func(r *statement.Receipt) { r.Counts[0].Done = 99 })
		}, []evidence.Code{audit.ToldOtherwise}, false},
		{"the operator did not know the rules, and the receipts name them", func(t *testing.T, k *kept) {
			for i := range k.entries {
				k.sign(t, i, func(r *statement.Receipt) { r.Rules = nil })
			}
		}, []evidence.Code{audit.RulesUnknown, evidence.SwappedPolicy}, false},

		// Whoever can write the operator's namespace, without its key.
		{"a statement is edited", func(_ *testing.T, k *kept) {
			k.entries[3].Envelope = strings.Replace(k.entries[3].Envelope, `"payload":"ey`, `"payload":"fy`, 1)
		}, []evidence.Code{audit.BadSignature}, false},
		{"a statement is signed by another key", func(t *testing.T, k *kept) {
			k.key = newKey(t)
			k.sign(t, 3, func(*statement.Receipt) {})
		}, []evidence.Code{audit.UnknownKey}, false},
		{"a whole ledger for a chain sealed anew, signed by a key of their own", func(t *testing.T, k *kept) {
			k.key = newKey(t)
			k.anew(t, 0, func(r *evidence.Receipt) { r.Generation = 9 })
			for i := range k.entries {
				k.sign(t, i, func(r *statement.Receipt) { r.Digest = k.receipts[r.Sequence-1].Digest })
			}
		}, []evidence.Code{audit.UnknownKey}, false},
		{"an older statement takes the place of a newer", func(_ *testing.T, k *kept) {
			k.entries[7].Envelope = k.entries[6].Envelope
		}, []evidence.Code{audit.BadStatement, evidence.AnchorOlder}, false},
		{"rubbish is in the ledger", func(_ *testing.T, k *kept) { k.entries[7].Envelope = "{" }, []evidence.Code{audit.BadStatement, evidence.AnchorOlder}, false},
		{"a statement is missing", func(_ *testing.T, k *kept) { k.entries = slices.Delete(k.entries, 3, 4) }, []evidence.Code{audit.LedgerGap}, false},
		{"the oldest statements are missing", func(_ *testing.T, k *kept) { k.entries = k.entries[2:] }, []evidence.Code{audit.LedgerGap}, false},
		{"the newest statements are missing, which status still shows", func(_ *testing.T, k *kept) {
			k.status = &contract.ChainLink{Sequence: 9, Digest: k.receipts[8].Digest}
			k.entries = k.entries[:4]
		}, []evidence.Code{audit.LedgerTruncated, evidence.AnchorOlder}, false},
		{"the whole ledger is missing, which status still shows", func(_ *testing.T, k *kept) {
			k.status = &contract.ChainLink{Sequence: 9, Digest: k.receipts[8].Digest}
			k.entries = nil
		}, []evidence.Code{audit.LedgerEmpty, audit.LedgerTruncated}, false},

		{"a late statement contradicts the one before it", func(t *testing.T, k *kept) {
			k.late(t, func(r *statement.Receipt) { r.Digest = strings.Repeat("99", 32) })
		}, []evidence.Code{audit.BadStatement}, false},
		{"ledger, keys and chain are all made anew, and an auditor has kept an old head", func(t *testing.T, k *kept) {
			k.status = &contract.ChainLink{Sequence: 5, Digest: k.receipts[4].Digest}
			k.key = newKey(t)
			k.keys = statement.Keys{k.key.Public().ID(): k.key.Public()}
			k.anew(t, 0, func(r *evidence.Receipt) { r.Generation = 9 })
			k.countersign(t)
		}, []evidence.Code{audit.LedgerReplaced}, false},

		// The operator itself.
		{"rules are signed that are not those of their digest", func(t *testing.T, k *kept) {
			k.sign(t, 7, func(r *statement.Receipt) { r.Rules[0].RetainDays = 9000 })
		}, []evidence.Code{audit.RulesDiffer}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKept(t)
			c.tamper(t, k)
			report := k.verify(t)
			var got []evidence.Code
			for _, f := range report.Findings {
				got = append(got, f.Code)
				if !strings.HasSuffix(f.Sentence, ".") {
					t.Errorf("not a sentence: %q", f.Sentence)
				}
			}
			if !slices.Equal(got, c.want) || report.OK != c.ok {
				t.Errorf("OK %t, found %+v\nwant OK %t, %v", report.OK, report.Findings, c.ok, c.want)
			}
		})
	}
}

func TestARotationLeavesTheEvidenceWhole(t *testing.T) {
	k := newKept(t)
	k.key = newKey(t)
	k.keys[k.key.Public().ID()] = k.key.Public()
	for i := 4; i < len(k.entries); i++ {
		k.sign(t, i, func(*statement.Receipt) {})
	}
	if report := k.verify(t); !report.OK || len(report.Findings) > 0 || len(report.Keys) != 2 || report.Statements != 8 || report.Receipts != 9 || report.Head.Sequence != 9 {
		t.Errorf("report %+v", report)
	}
}

// A Tenant that was erased leaves its statements; the next of its name begins anew.
func TestAFormerTenantsChainIsTold(t *testing.T) {
	k := newKept(t)
	former := k.entries
	fresh := newKept(t)
	fresh.anew(t, 0, func(r *evidence.Receipt) { r.Generation = 2 })
	fresh.key, fresh.keys = k.key, k.keys
	for i := range fresh.signed {
		fresh.signed[i].TenantUID = "another"
	}
	fresh.countersign(t)
	for i := range fresh.entries {
		fresh.entries[i].Ledger = "ledger-hotel-berlin-2026-2"
	}
	fresh.entries = append(former, fresh.entries...)
	report := fresh.verify(t)
	if !report.OK || len(report.Findings) != 1 || report.Findings[0].Code != audit.FormerChain {
		t.Errorf("OK %t, found %+v", report.OK, report.Findings)
	}
}

// After a restore the chain forks; what somebody accepted is told, and the rest still holds.
func TestAnAcceptedBreakIsTold(t *testing.T) {
	restored := func(t *testing.T, from int) *kept {
		k := newKept(t)
		old := len(k.entries)
		before := contract.ChainLink{Sequence: 9, Digest: k.receipts[8].Digest}
		k.receipts = k.receipts[:8]
		k.anew(t, from, func(r *evidence.Receipt) { r.Generation = 9 })
		r := k.signed[old-2] // about receipt 8
		r.Generation, r.Digest, r.PreviousDigest, r.Accepted, r.Anchor = 1, k.receipts[7].Digest, k.receipts[7].Previous, &before, nil
		if from == 7 {
			r.Generation = 9
		}
		r.Links = []contract.ChainLink{{Sequence: 7, Digest: k.receipts[6].Digest}}
		k.signed = append(k.signed, r)
		k.entries = append(k.entries, audit.Entry{Ledger: "ledger-hotel-berlin-2026-2", Key: "000000000008"})
		k.sign(t, old, func(*statement.Receipt) {})
		return k
	}
	report := restored(t, 7).verify(t)
	if !report.OK || len(report.Findings) != 1 || report.Findings[0].Code != audit.BreakAccepted {
		t.Errorf("a fork at the accepted receipt: OK %t, %+v", report.OK, report.Findings)
	}
	report = restored(t, 3).verify(t)
	if report.OK || len(report.Findings) != 2 || report.Findings[1].Code != evidence.Resealed {
		t.Errorf("a fork long before it: OK %t, %+v", report.OK, report.Findings)
	}
}

func TestWithoutReceiptsOnlyTheLedgerIsChecked(t *testing.T) {
	k := newKept(t)
	report, err := audit.Verify(t.Context(), audit.Evidence{Tenant: k.tenant, Entries: k.entries, Keys: k.keys})
	if err != nil || !report.OK || len(report.Findings) != 1 || report.Findings[0].Code != audit.NoReceipts || report.Countersigned.Sequence != 9 {
		t.Errorf("report %+v, %v", report, err)
	}
}

func TestReceiptsThatCantBeReadAreNotTakenForNone(t *testing.T) {
	k, gone := newKept(t), errors.New("the pod is gone")
	_, err := audit.Verify(t.Context(), audit.Evidence{Tenant: k.tenant, Entries: k.entries, Keys: k.keys, Receipts: func(func(evidence.Sealed) error) error { return gone }})
	if !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestAReportIsBounded(t *testing.T) {
	k := newKept(t)
	var many []audit.Entry
	for i := range 1000 {
		many = append(many, audit.Entry{Ledger: "ledger-hotel-berlin-2026", Key: fmt.Sprintf("%012d", i), Envelope: "{"})
	}
	k.entries = many
	if report := k.verify(t); report.OK || len(report.Findings) > 4*evidence.MaxFindings {
		t.Errorf("%d findings", len(report.Findings))
	}
}

func FuzzVerify(f *testing.F) {
	k := newKept(f)
	f.Add(k.entries[0].Key, k.entries[0].Envelope, k.receipts[0].Body, k.receipts[0].Digest)
	f.Fuzz(func(t *testing.T, key, envelope, body, digest string) {
		changed := *k
		changed.entries = slices.Clone(k.entries)
		changed.receipts = slices.Clone(k.receipts)
		changed.entries[0].Key, changed.entries[0].Envelope = key, envelope
		changed.receipts[0].Body, changed.receipts[0].Digest = body, digest
		same := changed.receipts[0] == k.receipts[0]
		if report := changed.verify(t); report.OK && !same {
			t.Fatalf("a changed receipt went unnoticed: %q %q", body, digest)
		}
	})
}
