package auditreport_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/auditreport"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

const (
	tenantName = "hotel-berlin"
	tenantUID  = "3f9b1c64-0000-4000-8000-000000000001"
	requestUID = "7d1c4e0a-0000-4000-8000-000000000003"
)

// marker stands where personal data could be: none of it may reach a report.
const marker = "Ada-Lovelace-4915112345678"

func utc(month time.Month, day, hour, minute int) time.Time {
	return time.Date(2026, month, day, hour, minute, 0, 0, time.UTC)
}

func count(n int64) *int64 { return &n }

// fixedKey is the same in every run, so that golden files can be.
func fixedKey(t testing.TB, seed byte) statement.PrivateKey {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize))))
	if err != nil {
		t.Fatal(err)
	}
	key, err := statement.ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rules(days int32) []contract.RetentionRule {
	return []contract.RetentionRule{
		{Category: contract.CategoryContacts, RetainDays: 365, Action: contract.ActionDelete},
		{Category: contract.CategoryMessages, RetainDays: days, Action: contract.ActionDelete, LegalBasis: "Art. 6(1)(b) GDPR"},
	}
}

// run is a receipt of one by rules of so many days.
func run(at time.Time, generation int64, days int32, deleted int64) evidence.Receipt {
	r := evidence.Receipt{
		Kind: evidence.KindRetention, Tenant: tenantName, Policy: "guests", Generation: generation, PolicyDigest: contract.Digest(rules(days)),
		Outcome: contract.OutcomeEnforced, StartedAt: at.Add(-2 * time.Second), FinishedAt: at,
	}
	oldest := at.AddDate(0, 0, -int(days)).Add(time.Hour)
	r.Categories = []contract.CategoryResult{
		{Category: contract.CategoryContacts, Cutoff: at.AddDate(0, 0, -365), Deleted: deleted / 10, Overdue: count(0)},
		{Category: contract.CategoryMessages, Cutoff: at.AddDate(0, 0, -int(days)), Deleted: deleted, OldestLeft: &oldest, Overdue: count(0)},
	}
	return r
}

// request is a receipt of an erasure.
func request(at time.Time) evidence.Receipt {
	return evidence.Receipt{
		Kind: evidence.KindRequest, Tenant: tenantName, StartedAt: at.Add(-time.Second), FinishedAt: at,
		Request: &evidence.Request{
			UID: requestUID, Type: contract.RequestErasure,
			Found:   []contract.CategoryCount{{Category: contract.CategoryContacts, Rows: 1}, {Category: contract.CategoryMessages, Rows: 14}},
			Done:    []contract.CategoryCount{{Category: contract.CategoryContacts, Rows: 1}, {Category: contract.CategoryMessages, Rows: 12}},
			Refused: []contract.Refusal{{Category: contract.CategoryMessages, Rows: 2, Hold: "case-2026-17"}},
		},
	}
}

// told is what the run told the operator.
func told(r evidence.Receipt) statement.Receipt {
	st := statement.Receipt{
		Tenant: r.Tenant, TenantUID: tenantUID, Kind: r.Kind, Policy: r.Policy, Generation: r.Generation, PolicyDigest: r.PolicyDigest, Outcome: r.Outcome,
		FinishedAt: r.FinishedAt, SignedAt: r.FinishedAt.Add(time.Second), Restored: r.Restored,
	}
	for _, days := range []int32{90, 60} {
		if contract.Digest(rules(days)) == r.PolicyDigest {
			st.Rules = rules(days)
		}
	}
	for _, c := range r.Categories {
		st.Counts = append(st.Counts, statement.Count{Category: c.Category, Cutoff: &c.Cutoff, Done: c.Deleted, HeldBack: c.HeldBack, Overdue: c.Overdue})
	}
	if r.Request != nil {
		st.Request, st.RequestType = r.Request.UID, r.Request.Type
		st.Subjects = []contract.SubjectHash{{Kind: contract.KindPhone, KeyVersion: 1, Hash: marker}}
		for i, f := range r.Request.Found {
			st.Counts = append(st.Counts, statement.Count{Category: f.Category, Found: f.Rows, Done: r.Request.Done[i].Rows})
		}
	}
	return st
}

// history is a tenant's evidence.
type history struct {
	sealed  []evidence.Sealed
	signed  []statement.Receipt
	entries []audit.Entry
	key     statement.PrivateKey
}

// newHistory seals the receipts, and countersigns each but those of lost, which only links tell of.
func newHistory(t testing.TB, receipts []evidence.Receipt, lost ...int) *history {
	t.Helper()
	h := &history{key: fixedKey(t, 'k')}
	var head contract.ChainLink
	var anchor *contract.ChainLink
	var links []contract.ChainLink
	for i, r := range receipts {
		s, err := evidence.Seal(r, head)
		if err != nil {
			t.Fatal(err)
		}
		h.sealed, head = append(h.sealed, s), contract.ChainLink{Sequence: s.Sequence, Digest: s.Digest}
		if contains(lost, i) {
			links = append(links, head)
			continue
		}
		st := told(r)
		st.Sequence, st.Digest, st.PreviousDigest, st.Anchor, st.Links = s.Sequence, s.Digest, s.Previous, anchor, links
		at := head
		anchor, links = &at, nil
		h.signed = append(h.signed, st)
		h.entries = append(h.entries, audit.Entry{Ledger: fmt.Sprintf("ledger-%s-2026", tenantName), Key: fmt.Sprintf("%012d", s.Sequence)})
		h.sign(t, len(h.entries)-1, h.key)
	}
	return h
}

func contains(all []int, i int) bool {
	for _, x := range all {
		if x == i {
			return true
		}
	}
	return false
}

func (h *history) sign(t testing.TB, i int, key statement.PrivateKey) {
	t.Helper()
	envelope, err := statement.SignReceipt(t.Context(), key, h.signed[i])
	if err != nil {
		t.Fatal(err)
	}
	h.entries[i].Envelope = string(envelope)
}

func (h *history) evidence() audit.Evidence {
	return audit.Evidence{
		Tenant: tenantName, Entries: h.entries, Keys: statement.Keys{h.key.Public().ID(): h.key.Public()},
		Receipts: func(add func(evidence.Sealed) error) error {
			for _, s := range h.sealed {
				if err := add(s); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// autumn is a history from July to November: a limit that was made shorter, runs that were blocked, could not count, or left
// rows, a request, a hold, and a restore.
func autumn() []evidence.Receipt {
	var all []evidence.Receipt
	for day := utc(time.July, 30, 2, 30); day.Before(utc(time.November, 3, 0, 0)); day = day.AddDate(0, 0, 4) {
		generation, days := int64(1), int32(90)
		if !day.Before(utc(time.September, 4, 0, 0)) {
			generation, days = 2, 60
		}
		r := run(day, generation, days, int64(day.Day()*37%211)*10)
		messages := &r.Categories[1]
		switch {
		case day.Month() == time.September && day.Day() < 9: // the guard
			r.Outcome, messages.Deleted, r.Categories[0].Deleted, messages.Overdue = contract.OutcomeBlocked, 0, 0, count(5210)
		case day.Month() == time.September && day.Day() == 20:
			messages.Overdue = nil
		case day.Month() == time.October:
			messages.HeldBack = 2
			r.Holds = []contract.HoldCount{{Hold: "case-2026-17", Rows: 2}}
			r.Followed = []evidence.Followed{{Kind: "Conversations", Deleted: 3}}
		}
		all = append(all, r)
		if day.Month() == time.October && day.Day() == 6 {
			all = append(all, request(utc(time.October, 6, 9, 0)))
		}
	}
	return all
}

// objects are the cluster's, with a marker wherever it could hold something personal.
func objects() *auditreport.Objects {
	at := func(t time.Time) *metav1.Time { m := metav1.NewTime(t); return &m }
	march := at(utc(time.March, 1, 8, 0))
	namespace := "tenant-" + tenantName
	tenant := &v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: tenantName, UID: types.UID(tenantUID), Annotations: map[string]string{"note": marker}},
		Spec:       v1alpha1.TenantSpec{Region: "eu-central", Hostname: marker + ".example", DisplayName: marker},
		Status: v1alpha1.TenantStatus{
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionResidencyCompliant, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, Message: marker, LastTransitionTime: *march}},
			Residency: &v1alpha1.Residency{
				Nodes:   []v1alpha1.ObservedNode{{Name: "node-1", Region: "eu-central", InRegion: true, FirstSeen: march}, {Name: "node-0", Region: "eu-central", InRegion: true, FirstSeen: march, LastSeen: at(utc(time.May, 1, 0, 0))}},
				Volumes: []v1alpha1.ObservedVolume{{Name: "pv-1", Claim: "data-postgres-0", Region: "eu-central", InRegion: true, FirstSeen: march}},
				SubProcessors: []v1alpha1.ObservedSubProcessor{
					{Channel: "front-desk", Name: "twilio", Location: "US", TransferMechanism: "EU-US Data Privacy Framework", Allowed: true, FirstSeen: march},
				},
			},
		},
	}
	region := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}, Spec: v1alpha1.RegionSpec{Jurisdiction: "EU", SubProcessors: []v1alpha1.SubProcessor{
		{Name: "twilio", Purpose: "delivery of text messages", Location: "US", TransferMechanism: "EU-US Data Privacy Framework"},
	}}}
	desk := v1alpha1.Channel{ObjectMeta: metav1.ObjectMeta{Name: "front-desk", Namespace: namespace}, Spec: v1alpha1.ChannelSpec{
		Type: v1alpha1.TypeTwilioSMS, SubProcessor: "twilio", TwilioSMS: &v1alpha1.TwilioSMS{AccountSID: marker, From: marker},
	}}
	transfers := &transfer.Report{}
	transfers.Add(tenant, region, []v1alpha1.Channel{desk})
	policy := v1alpha1.RetentionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "guests", Namespace: namespace, Generation: 2, CreationTimestamp: *march}, Spec: v1alpha1.RetentionPolicySpec{Schedule: "30 2 * * *"}}
	for _, r := range rules(60) {
		policy.Spec.Rules = append(policy.Spec.Rules, v1alpha1.RetentionRule{Category: v1alpha1.Category(r.Category), RetainDays: r.RetainDays, LegalBasis: r.LegalBasis})
	}
	hold := v1alpha1.LegalHold{
		ObjectMeta: metav1.ObjectMeta{Name: "case-2026-17", Namespace: namespace, CreationTimestamp: *at(utc(time.September, 28, 10, 0))},
		Spec:       v1alpha1.LegalHoldSpec{Reason: "court order 12 O 345/26", Match: v1alpha1.HoldMatch{Subject: &v1alpha1.SubjectReference{SecretName: marker}, Conversation: marker}},
		Status: v1alpha1.LegalHoldStatus{
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionInForce, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, Message: marker}},
			Matched:    &v1alpha1.HoldMatched{Contacts: 1, Conversations: 1, Messages: 2},
		},
	}
	asked := func(name, uid string, kind v1alpha1.RequestType, received, due time.Time, done *metav1.Time) v1alpha1.DataSubjectRequest {
		return v1alpha1.DataSubjectRequest{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(uid)},
			Spec:       v1alpha1.DataSubjectRequestSpec{Type: kind, Subject: &v1alpha1.SubjectReference{SecretName: marker}, ReceivedAt: metav1.NewTime(received)},
			Status: v1alpha1.DataSubjectRequestStatus{
				DueAt: at(due), CompletedAt: done, Download: &v1alpha1.Download{URL: "https://" + marker, SecretName: marker},
				Conditions: []metav1.Condition{{Type: v1alpha1.ConditionOnTime, Message: marker}},
			},
		}
	}
	return &auditreport.Objects{
		Tenant: tenant, Policies: []v1alpha1.RetentionPolicy{policy}, Holds: []v1alpha1.LegalHold{hold}, Transfers: transfers,
		Requests: []v1alpha1.DataSubjectRequest{
			asked("request-2026-41", requestUID, v1alpha1.RequestErasure, utc(time.October, 2, 9, 0), utc(time.November, 16, 9, 0), at(utc(time.October, 6, 9, 0))),
			asked("complaint-2026-7", "7d1c4e0a-0000-4000-8000-000000000007", v1alpha1.RequestComplaint, utc(time.August, 3, 9, 0), utc(time.September, 17, 9, 0), at(utc(time.September, 20, 9, 0))),
			asked("request-2026-52", "7d1c4e0a-0000-4000-8000-000000000052", v1alpha1.RequestAccess, utc(time.November, 2, 9, 0), utc(time.December, 17, 9, 0), nil),
		},
	}
}

func linkOf(sequence int64, digest string) contract.ChainLink {
	return contract.ChainLink{Sequence: sequence, Digest: digest}
}

// certificate is of this tenant, signed by the key.
func certificate(t testing.TB, key statement.PrivateKey, head contract.ChainLink, finished time.Time) v1alpha1.ErasureCertificate {
	t.Helper()
	asked := metav1.NewTime(finished.Add(-time.Hour))
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: tenantName, UID: types.UID(tenantUID), DeletionTimestamp: &asked}, Spec: v1alpha1.TenantSpec{Region: "eu-central"}}
	c := plan.Certificate(plan.Tenant{Tenant: tenant, OperatorNamespace: "switchboard-system"}, v1alpha1.Erasure{
		Counted: true, Counts: []v1alpha1.CategoryCount{{Category: "Contacts", Rows: 311}, {Category: "Messages", Rows: 2750}}, Volumes: []string{"pv-1"},
	}, &v1alpha1.Evidence{Sequence: head.Sequence, Digest: head.Digest}, finished)
	envelope, err := statement.SignErasure(t.Context(), key, plan.ErasureOf(c.Spec))
	if err != nil {
		t.Fatal(err)
	}
	c.Spec.Envelope = string(envelope)
	return *c
}

func quarter() auditreport.Period {
	return auditreport.Period{From: utc(time.August, 1, 0, 0), To: utc(time.October, 31, 0, 0)}
}

func sources(h *history, p auditreport.Period) auditreport.Sources {
	return auditreport.Sources{Version: "v0.0.0-test", MadeAt: utc(time.November, 30, 8, 0), Period: p, Evidence: h.evidence(), CheckAgain: []auditreport.Command{
		{Does: "Verify chain, signatures and policies", Run: "kubectl switchboard audit verify hotel-berlin"},
		{Does: "Make the report again", Run: "kubectl switchboard audit report hotel-berlin --from 2026-08-01 --to 2026-10-31 -o json --out again.json"},
	}}
}

func build(t testing.TB, s auditreport.Sources) auditreport.Report {
	t.Helper()
	r, err := auditreport.Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
