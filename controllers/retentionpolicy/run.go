package retentionpolicy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/status"
)

// runOf is a run as status shows it.
func runOf(result contract.RetentionResult) v1alpha1.RetentionRun {
	run := v1alpha1.RetentionRun{
		Sequence: result.Sequence, Generation: result.Generation, PolicyDigest: result.PolicyDigest,
		StartedAt: metav1.NewTime(result.StartedAt), FinishedAt: metav1.NewTime(result.FinishedAt),
		Digest: result.Digest, PreviousDigest: result.PreviousDigest, Outcome: result.Outcome,
	}
	if result.Files != nil {
		run.Files = status.StoredFiles(*result.Files)
	}
	for _, h := range result.Holds {
		run.Holds = append(run.Holds, v1alpha1.HoldCount{Hold: h.Hold, Rows: h.Rows})
	}
	for _, c := range result.Categories {
		category := v1alpha1.CategoryRun{
			Category: v1alpha1.Category(c.Category), Cutoff: metav1.NewMicroTime(c.Cutoff),
			Deleted: c.Deleted, Anonymized: c.Anonymized, HeldBack: c.HeldBack, Overdue: c.Overdue,
		}
		if c.VacuumedAt != nil {
			vacuumed := metav1.NewTime(*c.VacuumedAt)
			category.VacuumedAt = &vacuumed
		}
		if c.OldestLeft != nil {
			oldest := metav1.NewMicroTime(*c.OldestLeft)
			category.OldestLeft = &oldest
		}
		run.Categories = append(run.Categories, category)
	}
	return run
}

// summary sums a run up. What was not counted in one category is not known in sum.
func summary(run *v1alpha1.RetentionRun) *v1alpha1.RunSummary {
	s := &v1alpha1.RunSummary{Sequence: run.Sequence, FinishedAt: run.FinishedAt, Outcome: run.Outcome, Overdue: new(int64)}
	if run.Files != nil {
		s.FilesPending = run.Files.Pending
	}
	for _, c := range run.Categories {
		s.Deleted += c.Deleted
		s.HeldBack += c.HeldBack
		if c.Overdue == nil || s.Overdue == nil {
			s.Overdue = nil
			continue
		}
		*s.Overdue += *c.Overdue
	}
	return s
}

// planOf is a plan as status shows it.
func planOf(p contract.Plan) *v1alpha1.RetentionPlan {
	plan := &v1alpha1.RetentionPlan{Digest: p.Digest, PolicyDigest: p.PolicyDigest, PlannedAt: metav1.NewTime(p.PlannedAt), Estimated: p.Estimated}
	for _, c := range p.Categories {
		plan.Categories = append(plan.Categories, v1alpha1.PlannedCategory{
			Category: v1alpha1.Category(c.Category), Cutoff: metav1.NewMicroTime(c.Cutoff),
			Expired: c.Expired, HeldBack: c.HeldBack, Total: c.Total,
		})
	}
	return plan
}
