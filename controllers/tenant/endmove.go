package tenant

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// endMove ends a move before its tenant goes: one that was not switched is taken back, so that what is kept, counted or
// exported is one open database. What is left in the region before is erased, unless all of the tenant is.
func (r *Reconciler) endMove(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil || !ns.DeletionTimestamp.IsZero() || !observe.Copied(s.move) || s.tenant.Status.Erasure != nil {
		return err
	}
	err = r.endCopied(ctx, s)
	s.tenant.Status.Move = s.move
	var wait *step.Wait
	if errors.As(err, &wait) {
		wait.Condition = v1alpha1.ConditionTerminating
	}
	return err
}

func (r *Reconciler) endCopied(ctx context.Context, s *scope) error {
	if err := r.loadRegion(ctx, s); err != nil {
		return err
	}
	boundary, err := observe.Boundary(ctx, r.Client, s.in.Namespace())
	if err != nil {
		return err
	}
	if boundary != nil {
		s.in.Region, s.in.Database = plan.InForce(s.in.Region, boundary), boundary.Spec.Database
	}
	switch {
	case !s.leaving() && s.move.Phase != v1alpha1.MoveAborting:
		s.move.Failure = ""
		return s.enter(v1alpha1.MoveAborting) // also when the copy was opened: nobody was led to it yet
	case !s.leaving():
		return r.takeBack(ctx, s)
	case s.tenant.Spec.DeletionPolicy == v1alpha1.DeletionErase:
		return nil
	}
	// They would go with the Tenant anyhow, and may still stand in the region before.
	if err := r.Applier.Prune(ctx, s.in.Namespace(), plan.TenantLabels(s.tenant.Name), nil, &batchv1.CronJobList{}, &appsv1.DeploymentList{}); err != nil {
		return err
	}
	return r.leave(ctx, s)
}
