package auditreport

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

// Sources are all that a report is made of.
type Sources struct {
	Version  string // of the program
	MadeAt   time.Time
	Period   Period
	Evidence audit.Evidence
	// Objects are what the cluster says; nil when it was not asked.
	Objects *Objects
	// Certificates are those of the tenant's name; checked here by Evidence.Keys.
	Certificates []v1alpha1.ErasureCertificate
	CheckAgain   []Command
}

// Objects are custom resources as the cluster has them. No signature covers them.
type Objects struct {
	Tenant    *v1alpha1.Tenant // nil when it is not there any more
	Policies  []v1alpha1.RetentionPolicy
	Holds     []v1alpha1.LegalHold
	Requests  []v1alpha1.DataSubjectRequest
	Transfers *transfer.Report // nil without Tenant
}

// builder makes a report of what was weighed.
type builder struct {
	Sources
	weighed audit.Weighed
	report  Report
}

// Build verifies the evidence, as `audit verify` does, and makes the report of what holds. It fails only when the receipts
// can't be read.
func Build(ctx context.Context, s Sources) (Report, error) {
	checked, weighed, err := audit.Weigh(ctx, s.Evidence)
	if err != nil {
		return Report{}, err
	}
	b := &builder{Sources: s, weighed: weighed}
	b.report = Report{
		Format: Format, Generator: Generator{Name: "kubectl-switchboard", Version: s.Version}, MadeAt: s.MadeAt.UTC().Truncate(time.Second),
		Tenant: Tenant{Name: s.Evidence.Tenant, UID: cmp.Or(s.Evidence.UID, weighed.TenantUID), State: StateNotRead},
		Period: Days{
			From: s.Period.From.Format(time.DateOnly), To: s.Period.To.Format(time.DateOnly), Start: s.Period.From, End: s.Period.End(),
			Over: !s.MadeAt.Before(s.Period.End()),
		},
		Verification: Verification{
			Statements: checked.Statements, Receipts: checked.Receipts, Records: len(weighed.Records), Keys: checked.Keys,
			Countersigned: checked.Countersigned, Head: checked.Head, Anchor: s.Evidence.Status, NotCounted: list(weighed.Doubts),
		},
		CheckAgain: list(s.CheckAgain),
	}
	b.tenant()
	b.certificates(ctx)
	b.report.Runs = b.runs()
	b.report.Policies = b.policies()
	b.report.Deletions = b.deletions()
	b.report.Overdue = b.overdue()
	b.report.Holds = b.holds()
	b.report.Requests = b.requests()
	b.report.Restores = b.restores()
	b.residency()
	b.transfers()
	for _, f := range checked.Findings {
		weight := WeightNote
		if f.Problem {
			weight = WeightProblem
		}
		b.find(weight, string(f.Code), f.Sequence, "%s", f.Sentence)
	}
	b.weigh()
	slices.SortStableFunc(b.report.Findings, func(x, y Finding) int { return cmp.Compare(heaviness[x.Weight], heaviness[y.Weight]) })
	b.report.Findings = list(b.report.Findings)
	b.report.Verified = !slices.ContainsFunc(b.report.Findings, func(f Finding) bool { return f.Weight == WeightProblem })
	return b.report, nil
}

// tenant says what the cluster has of it.
func (b *builder) tenant() {
	if b.Objects == nil {
		return
	}
	b.report.Tenant.State = StateGone
	if t := b.Objects.Tenant; t != nil {
		b.report.Tenant.State, b.report.Tenant.Region = StatePresent, t.Spec.Region
	}
}

// in gives the records of a kind that finished in the period.
func (b *builder) in(kind string) []audit.Record {
	var found []audit.Record
	for _, r := range b.weighed.Records {
		if r.Kind() == kind && b.Period.Has(r.FinishedAt()) {
			found = append(found, r)
		}
	}
	return found
}

// asOf is the instant by which clocks are read.
func (b *builder) asOf() time.Time {
	if end := b.Period.End(); b.MadeAt.After(end) {
		return end
	}
	return b.MadeAt.UTC()
}

func (b *builder) restores() []Restore {
	restores := []Restore{}
	for _, r := range b.in(evidence.KindRestore) {
		told := r.Restored()
		if told == nil {
			continue
		}
		restores = append(restores, Restore{Sequence: r.Sequence, Digest: r.Digest, Basis: r.Basis, Key: r.Key, FinishedAt: r.FinishedAt().UTC(), Restored: *told})
	}
	return restores
}

// list is never null as JSON.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
