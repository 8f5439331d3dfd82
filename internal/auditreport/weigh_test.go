package auditreport_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/auditreport"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

type evidenceReceipt = evidence.Receipt

// six runs in October delete 1, 10, 100 … messages, so that a sum says which were counted.
func six() []evidence.Receipt {
	var all []evidence.Receipt
	n := int64(1)
	for day := range 6 {
		r := run(utc(time.October, 10+day, 2, 30), 1, 90, n)
		r.Categories[0].Deleted = 0
		all, n = append(all, r), n*10
	}
	return all
}

func october() auditreport.Period {
	return auditreport.Period{From: utc(time.October, 1, 0, 0), To: utc(time.October, 31, 0, 0)}
}

func codes(r auditreport.Report, weight string) []string {
	var found []string
	for _, f := range r.Findings {
		if f.Weight == weight && !slices.Contains(found, f.Code) {
			found = append(found, f.Code)
		}
	}
	return found
}

// TestWhatDoesNotVerifyIsNotCounted lets each of those who could tamper do it: the sum says what was counted all the same.
func TestWhatDoesNotVerifyIsNotCounted(t *testing.T) {
	for name, c := range map[string]struct {
		lost     []int
		tamper   func(*testing.T, *history, *auditreport.Sources)
		sum      int64
		problems []string
		notes    []string
	}{
		"nobody did anything":          {nil, nil, 111111, nil, nil},
		"a result was lost":            {[]int{2}, nil, 111111, nil, nil},
		"the newest is not signed yet": {nil, func(_ *testing.T, h *history, s *auditreport.Sources) { s.Evidence.Entries = h.entries[:5] }, 11111, nil, []string{"AnchorOlder", "NotCounted"}},
		"nothing is signed":            {nil, func(_ *testing.T, _ *history, s *auditreport.Sources) { s.Evidence.Entries = nil }, 0, nil, []string{"LedgerEmpty", "NotCounted", "NoRun"}},
		"there is nothing":             {nil, func(_ *testing.T, h *history, s *auditreport.Sources) { s.Evidence.Entries, h.sealed = nil, nil }, 0, nil, []string{"LedgerEmpty", "Empty"}},
		"a receipt is edited": {nil, func(_ *testing.T, h *history, _ *auditreport.Sources) {
			h.sealed[3].Body = strings.Replace(h.sealed[3].Body, `"deleted":1000,`, `"deleted":9000,`, 1)
		}, 110111, []string{"Edited", "NotCounted"}, nil},
		"a receipt is edited, and its digest too": {nil, func(t *testing.T, h *history, _ *auditreport.Sources) {
			h.sealed[3].Body = strings.Replace(h.sealed[3].Body, `"deleted":1000,`, `"deleted":9000,`, 1)
			digest, err := evidence.Digest(h.sealed[3].Previous, []byte(h.sealed[3].Body))
			if err != nil {
				t.Fatal(err)
			}
			h.sealed[3].Digest = digest
		}, 110111, []string{"Replaced", "Resealed", "NotCounted"}, nil},
		"one that only a link tells of is edited": {[]int{2}, func(_ *testing.T, h *history, _ *auditreport.Sources) {
			h.sealed[2].Body = strings.Replace(h.sealed[2].Body, `"deleted":100,`, `"deleted":900,`, 1)
		}, 111011, []string{"Edited", "NotCounted"}, nil},
		"the newest receipts are gone": {nil, func(_ *testing.T, h *history, _ *auditreport.Sources) { h.sealed = h.sealed[:4] }, 111111, []string{"HeadTruncated"}, []string{"StatementAlone"}},
		"no receipts are given":        {nil, func(_ *testing.T, _ *history, s *auditreport.Sources) { s.Evidence.Receipts = nil }, 111111, nil, []string{"NoReceipts", "StatementAlone"}},
		"a statement by a key of their own": {nil, func(t *testing.T, h *history, _ *auditreport.Sources) {
			h.sign(t, 5, fixedKey(t, 'x'))
		}, 11111, []string{"UnknownKey"}, []string{"AnchorOlder", "NotCounted"}},
		"all statements by a key of their own": {nil, func(t *testing.T, h *history, _ *auditreport.Sources) {
			for i := range h.entries {
				h.sign(t, i, fixedKey(t, 'x'))
			}
		}, 0, []string{"UnknownKey"}, []string{"NotCounted", "NoRun"}},
		"a statement is changed": {nil, func(_ *testing.T, h *history, _ *auditreport.Sources) {
			h.entries[5].Envelope = strings.Replace(h.entries[5].Envelope, `"payload":"ey`, `"payload":"fy`, 1)
		}, 11111, []string{"BadSignature"}, []string{"AnchorOlder", "NotCounted"}},
		"the run told something else": {nil, func(t *testing.T, h *history, _ *auditreport.Sources) {
			h.signed[3].Counts[1].Done = 9
			h.sign(t, 3, h.key)
		}, 110111, []string{"ToldOtherwise", "NotCounted"}, nil},
		"rules are signed that are not those of the digest": {nil, func(t *testing.T, h *history, s *auditreport.Sources) {
			s.Evidence.Receipts = nil
			h.signed[3].Rules = rules(9000)
			h.sign(t, 3, h.key)
		}, 110111, []string{"RulesDiffer", "NotCounted"}, []string{"NoReceipts", "StatementAlone"}},
		"the ledger is another's than status shows": {nil, func(_ *testing.T, _ *history, s *auditreport.Sources) {
			s.Evidence.Status = &contract.ChainLink{Sequence: 9, Digest: strings.Repeat("ab", 32)}
		}, 111111, []string{"LedgerTruncated"}, nil},
		"the ledger ends before what the certificate names": {nil, func(t *testing.T, h *history, s *auditreport.Sources) {
			s.Evidence.Receipts, s.Objects = nil, &auditreport.Objects{}
			s.Certificates = []v1alpha1.ErasureCertificate{certificate(t, h.key, linkOf(9, strings.Repeat("ab", 32)), utc(time.October, 20, 8, 0))}
		}, 111111, []string{"LedgerTruncated"}, []string{"Erased", "NoReceipts", "StatementAlone"}},
		"a certificate by a key of their own": {nil, func(t *testing.T, _ *history, s *auditreport.Sources) {
			s.Objects = &auditreport.Objects{}
			s.Certificates = []v1alpha1.ErasureCertificate{certificate(t, fixedKey(t, 'x'), linkOf(6, strings.Repeat("ab", 32)), utc(time.October, 20, 8, 0))}
		}, 111111, []string{"UnknownKey"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t, six(), c.lost...)
			s := sources(h, october())
			s.Objects = &auditreport.Objects{}
			s.Evidence.Receipts = func(add func(evidence.Sealed) error) error { return h.evidence().Receipts(add) }
			s.Evidence.Entries = h.entries
			if c.tamper != nil {
				c.tamper(t, h, &s)
			}
			r := build(t, s)
			if r.Deletions.Total != c.sum {
				t.Errorf("counted %d, want %d; %+v", r.Deletions.Total, c.sum, r.Findings)
			}
			if got := codes(r, auditreport.WeightProblem); !same(got, c.problems) || r.Verified != (len(c.problems) == 0) {
				t.Errorf("problems %v, want %v", got, c.problems)
			}
			for _, n := range c.notes {
				if !slices.Contains(codes(r, auditreport.WeightNote), n) && n != "NoRun" {
					t.Errorf("no note %s in %v", n, codes(r, auditreport.WeightNote))
				}
			}
			for _, x := range r.Certificates {
				if !x.Genuine && x.Says != nil {
					t.Errorf("what a certificate that is not genuine says is told: %+v", x)
				}
			}
		})
	}
}

func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// TestWhatWasPromisedIsWeighed holds what is relied upon against what was promised.
func TestWhatWasPromisedIsWeighed(t *testing.T) {
	at := func(t time.Time) *metav1.Time { m := metav1.NewTime(t); return &m }
	request := func(kind v1alpha1.RequestType, due time.Time, done *metav1.Time) func([]evidence.Receipt, *auditreport.Objects) []evidence.Receipt {
		return func(all []evidence.Receipt, o *auditreport.Objects) []evidence.Receipt {
			o.Requests = []v1alpha1.DataSubjectRequest{{
				ObjectMeta: metav1.ObjectMeta{Name: "request-1", UID: "7d1c4e0a-0000-4000-8000-000000000009"},
				Spec:       v1alpha1.DataSubjectRequestSpec{Type: kind, ReceivedAt: *at(utc(time.September, 1, 0, 0))},
				Status:     v1alpha1.DataSubjectRequestStatus{DueAt: at(due), CompletedAt: done},
			}}
			return all
		}
	}
	newest := func(change func(*evidence.Receipt)) func([]evidence.Receipt, *auditreport.Objects) []evidence.Receipt {
		return func(all []evidence.Receipt, _ *auditreport.Objects) []evidence.Receipt {
			change(&all[len(all)-1])
			return all
		}
	}
	for name, c := range map[string]struct {
		change   func([]evidence.Receipt, *auditreport.Objects) []evidence.Receipt
		breaches []string
		problems []string
		notes    []string
	}{
		"nothing":                  {nil, nil, nil, nil},
		"the newest run left rows": {newest(func(r *evidence.Receipt) { r.Categories[1].Overdue = count(7) }), []string{"Overdue"}, nil, []string{"OverdueRuns"}},
		"an older run left rows": {func(all []evidence.Receipt, _ *auditreport.Objects) []evidence.Receipt {
			all[2].Categories[1].Overdue = count(7)
			return all
		}, nil, nil, []string{"OverdueRuns"}},
		"the newest run could not count": {newest(func(r *evidence.Receipt) { r.Categories[1].Overdue = nil }), nil, nil, []string{"OverdueNotKnown"}},
		"the newest run was blocked":     {newest(func(r *evidence.Receipt) { r.Outcome, r.Categories[1].Overdue = contract.OutcomeBlocked, nil }), []string{"Blocked"}, nil, []string{"OverdueNotKnown"}},
		"it only plans":                  {newest(func(r *evidence.Receipt) { r.Outcome, r.Categories[1].Overdue = contract.OutcomeDryRun, count(7) }), nil, nil, []string{"DryRun"}},
		"no run": {func(all []evidence.Receipt, _ *auditreport.Objects) []evidence.Receipt {
			return []evidence.Receipt{run(utc(time.September, 30, 23, 0), 1, 90, 1)}
		}, nil, nil, []string{"NoRun"}},
		"a complaint is late":                               {request(v1alpha1.RequestComplaint, utc(time.October, 5, 0, 0), at(utc(time.October, 6, 0, 0))), []string{"RequestLate"}, nil, nil},
		"a complaint is past due":                           {request(v1alpha1.RequestComplaint, utc(time.October, 5, 0, 0), nil), []string{"RequestPastDue"}, nil, nil},
		"a complaint was past due when the period ended":    {request(v1alpha1.RequestComplaint, utc(time.October, 5, 0, 0), at(utc(time.November, 6, 0, 0))), []string{"RequestPastDue"}, nil, nil},
		"a complaint is due after the period":               {request(v1alpha1.RequestComplaint, utc(time.November, 5, 0, 0), nil), nil, nil, nil},
		"an erasure is said to be done, and has no receipt": {request(v1alpha1.RequestErasure, utc(time.November, 5, 0, 0), at(utc(time.October, 6, 0, 0))), nil, []string{"RequestNotProven"}, nil},
		"a node is outside": {func(all []evidence.Receipt, o *auditreport.Objects) []evidence.Receipt {
			o.Tenant = &v1alpha1.Tenant{Status: v1alpha1.TenantStatus{Residency: &v1alpha1.Residency{Violations: []v1alpha1.ResidencyViolation{{Kind: "Node", Name: "node-9", Since: *at(utc(time.October, 9, 0, 0))}}}}}
			return all
		}, []string{"OutsideOfRegion"}, nil, nil},
		"a transfer has no mechanism": {func(all []evidence.Receipt, o *auditreport.Objects) []evidence.Receipt {
			o.Transfers = &transfer.Report{Flows: []transfer.Flow{{Recipient: "bare", State: transfer.StateOpen, Finding: transfer.FindingNoMechanism}}}
			return all
		}, []string{"NoMechanism"}, nil, nil},
		"a transfer without a mechanism ended before": {func(all []evidence.Receipt, o *auditreport.Objects) []evidence.Receipt {
			until := utc(time.September, 30, 23, 59)
			o.Transfers = &transfer.Report{Flows: []transfer.Flow{{Recipient: "bare", State: transfer.StateOpen, Until: &until, Finding: transfer.FindingNoMechanism}}}
			return all
		}, nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := &auditreport.Objects{}
			all := six()
			if c.change != nil {
				all = c.change(all, o)
			}
			s := sources(newHistory(t, all), october())
			s.Objects = o
			r := build(t, s)
			for weight, want := range map[string][]string{auditreport.WeightBreach: c.breaches, auditreport.WeightProblem: c.problems, auditreport.WeightNote: c.notes} {
				if got := codes(r, weight); !same(got, want) {
					t.Errorf("%s: %v, want %v", weight, got, want)
				}
			}
		})
	}
}

// A former Tenant of the name has statements of its own.
func TestOneOfSeveralTenantsOfAName(t *testing.T) {
	s := sources(newHistory(t, six()), october())
	s.Evidence.UID = "another"
	if r := build(t, s); r.Deletions.Total != 0 || r.Tenant.UID != "another" {
		t.Errorf("another's deletions were counted: %+v", r.Deletions)
	}
	s.Evidence.UID = tenantUID
	if r := build(t, s); r.Deletions.Total != 111111 {
		t.Errorf("counted %+v", r.Deletions)
	}
}

// What came along from elsewhere is vouched for there.
func TestReceiptsFromElsewhereAreNotCounted(t *testing.T) {
	all := six()
	h := newHistory(t, all[:3])
	head := linkOf(3, h.sealed[2].Digest)
	at := utc(time.October, 20, 0, 0)
	adopted := evidence.Receipt{Kind: evidence.KindAdopted, Tenant: tenantName, StartedAt: at, FinishedAt: at, Adopted: &contract.Adopted{Tenant: tenantName, Head: head, SnapshotAt: at}}
	h = newHistory(t, append(all[:3:3], adopted, run(utc(time.October, 21, 0, 0), 1, 90, 7)), 0, 1, 2)
	r := build(t, sources(h, october()))
	if r.Deletions.Total != 7 || !r.Verified || !slices.ContainsFunc(r.Verification.NotCounted, func(d audit.Doubt) bool { return d.Code == evidence.Adopted && d.Count == 3 }) {
		t.Errorf("counted %d, %+v, %+v", r.Deletions.Total, r.Verification.NotCounted, r.Findings)
	}
}
