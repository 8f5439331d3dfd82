package auditreport

import (
	"cmp"
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

func statusOf(conditions []metav1.Condition, kind string) string {
	if c := meta.FindStatusCondition(conditions, kind); c != nil {
		return string(c.Status)
	}
	return string(metav1.ConditionUnknown)
}

// residency tells where the operator saw things of the tenant in the period.
func (b *builder) residency() {
	if b.Objects == nil || b.Objects.Tenant == nil {
		return
	}
	t := b.Objects.Tenant
	r := &Residency{Region: t.Spec.Region, Compliant: statusOf(t.Status.Conditions, v1alpha1.ConditionResidencyCompliant), Places: []Place{}, Violations: []Violation{}}
	if c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionResidencyCompliant); c != nil {
		r.Reason, r.Since = c.Reason, instant(&c.LastTransitionTime)
	}
	b.report.Residency = r
	seen := t.Status.Residency
	if seen == nil {
		return
	}
	add := func(p Place) {
		if b.Period.overlaps(p.Since, p.Until) {
			r.Places = append(r.Places, p)
		}
	}
	for _, n := range seen.Nodes {
		add(Place{Kind: "Node", Name: n.Name, Region: n.Region, InRegion: n.InRegion, Moving: n.Moving, Since: instant(n.FirstSeen), Until: instant(n.LastSeen)})
	}
	for _, v := range seen.Volumes {
		add(Place{Kind: "Volume", Name: v.Name, Region: v.Region, InRegion: v.InRegion, Moving: v.Moving, Since: instant(v.FirstSeen), Until: instant(v.LastSeen)})
	}
	if d := seen.Database; d != nil {
		add(Place{Kind: "Database", Name: d.Provider, Region: d.Location, InRegion: d.Allowed, Claimed: true, Since: instant(d.FirstSeen)})
	}
	for _, v := range seen.Violations {
		if v.Since.Time.Before(b.Period.End()) {
			r.Violations = append(r.Violations, Violation{Kind: v.Kind, Name: v.Name, Since: v.Since.UTC()})
		}
	}
}

func instant(t *metav1.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	at := t.UTC()
	return &at
}

// transfers keeps the flows that there were in the period, as far as it is known when they began and ended.
func (b *builder) transfers() {
	if b.Objects == nil || b.Objects.Transfers == nil {
		return
	}
	told := &Transfers{Flows: []transfer.Flow{}, Notes: list(b.Objects.Transfers.Notes)}
	for _, f := range b.Objects.Transfers.Flows {
		if b.Period.overlaps(f.Since, f.Until) {
			told.Flows = append(told.Flows, f)
		}
	}
	b.report.Transfers = told
}

// certificates checks those of the tenant, and takes from them what the ledger must have.
func (b *builder) certificates(ctx context.Context) {
	b.report.Certificates = []Certificate{}
	for i := range b.Certificates {
		o := &b.Certificates[i]
		shown := plan.ErasureOf(o.Spec)
		key, findings := audit.Certificate(ctx, shown, []byte(o.Spec.Envelope), b.Evidence.Keys)
		if uid := b.report.Tenant.UID; uid != "" && shown.TenantUID != uid {
			continue // of another Tenant of that name
		}
		genuine := !slices.ContainsFunc(findings, func(f evidence.Finding) bool { return f.Problem })
		for _, f := range findings {
			if f.Problem {
				b.find(WeightProblem, string(f.Code), 0, "ErasureCertificate %s: %s", o.Name, f.Sentence)
			}
		}
		if genuine {
			b.erased(o.Name, shown.TenantUID, shown.Region, shown.FinishedAt, shown.Moved != nil)
			if h, at := shown.Head, b.report.Verification.Countersigned; h != nil && (at == nil || at.Sequence < h.Sequence) {
				b.find(WeightProblem, string(audit.LedgerTruncated), h.Sequence,
					"ErasureCertificate %s names receipt %d, and the ledger ends before it: its newest statements are missing.", o.Name, h.Sequence)
			}
		}
		if !b.Period.Has(shown.FinishedAt) {
			continue
		}
		c := Certificate{Name: o.Name, Genuine: genuine, Key: key}
		if genuine {
			c.Says = &CertificateSay{
				TenantUID: shown.TenantUID, Region: shown.Region, RequestedAt: shown.RequestedAt.UTC(), FinishedAt: shown.FinishedAt.UTC(), Counted: shown.Counted,
				Counts: list(shown.Counts), Destroyed: list(shown.Destroyed), Unchecked: list(shown.Unchecked), Head: shown.Head,
			}
			if shown.Moved != nil {
				c.Says.MovedTo = shown.Moved.To
			}
			if shown.Export != nil {
				c.Says.ExportSHA = shown.Export.SHA256
			}
		}
		b.report.Certificates = append(b.report.Certificates, c)
	}
	slices.SortFunc(b.report.Certificates, func(x, y Certificate) int { return cmp.Compare(x.Name, y.Name) })
}

// erased says by a genuine certificate that the tenant was.
func (b *builder) erased(name, uid, region string, at time.Time, moved bool) {
	t := &b.report.Tenant
	if moved || t.State == StatePresent {
		return
	}
	at = at.UTC()
	t.State, t.ErasedAt, t.UID, t.Region = StateErased, &at, uid, region
	b.find(WeightNote, "Erased", 0, "The tenant was erased at %s, says ErasureCertificate %s: what follows is told by its ledger.", at.Format(time.RFC3339), name)
}
