package tenant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// lookAtMove finds which database is the tenant's, and what a move has elsewhere. What is no longer asked for is taken
// back, until the switch.
func (r *Reconciler) lookAtMove(ctx context.Context, s *scope) error {
	boundary, err := observe.Boundary(ctx, r.Client, s.in.Namespace())
	if err != nil {
		return err
	}
	if boundary != nil {
		s.in.Database = boundary.Spec.Database
	}
	m := s.move
	if m == nil {
		return nil
	}
	if boundary != nil && m.Phase == v1alpha1.MoveSwitched && s.tenant.Spec.Region == m.To && boundary.Spec.Region == m.From {
		s.in.Database = name.DatabaseIn(m.To)
	}
	if (m.Phase == v1alpha1.MoveCopying || m.Phase == v1alpha1.MoveQuiesced) && !s.approved() {
		return s.enter(v1alpha1.MoveAborting)
	}
	if !observe.Copied(m) || s.tenant.Spec.Region == m.To {
		return nil
	}
	to := &v1alpha1.Region{}
	err = r.Client.Get(ctx, client.ObjectKey{Name: m.To}, to)
	switch {
	case apierrors.IsNotFound(err) && m.Phase == v1alpha1.MoveAborting:
		return nil
	case apierrors.IsNotFound(err) && m.Phase != v1alpha1.MoveSwitched:
		return s.failMove("Region " + m.To + " was deleted")
	}
	if err == nil {
		s.in.Incoming = to
	}
	return err
}

// approved says that the plan that is being carried out is still asked for.
func (s *scope) approved() bool {
	asked := s.tenant.Spec.Move
	return asked != nil && asked.To == s.move.To && asked.ApprovedPlan == s.move.Plan.Digest
}

// leaving says that the tenant was switched to another region, and something of it is left in the one before.
func (s *scope) leaving() bool {
	return s.move != nil && s.move.Phase == v1alpha1.MoveSwitched && s.tenant.Spec.Region == s.move.To
}

// enter goes on to a phase in the next pass, when status has it: whoever acts by it finds it there after a restart.
func (s *scope) enter(phase v1alpha1.MovePhase) error {
	s.move.Phase = phase
	return &step.Wait{Condition: v1alpha1.ConditionMoved, Reason: v1alpha1.ReasonProgressing, After: time.Millisecond, Message: "the move goes on: " + string(phase)}
}

func moving(reason, message string, args ...any) *step.Wait {
	return &step.Wait{Condition: v1alpha1.ConditionMoved, Reason: reason, Message: fmt.Sprintf(message, args...)}
}

// moveOn plans a move, copies the database while the tenant is served, and empties the region that it left.
func (r *Reconciler) moveOn(ctx context.Context, s *scope) error {
	asked, m := s.tenant.Spec.Move, s.move
	if m != nil && !observe.Copied(m) {
		if err := r.clear(ctx, s); err != nil {
			return err
		}
	}
	switch {
	case m != nil && m.Phase == v1alpha1.MoveCopying:
		return r.copyDatabase(ctx, s)
	case s.leaving():
		return r.leave(ctx, s)
	case asked == nil || asked.To == s.tenant.Spec.Region:
		if m != nil && m.Phase == v1alpha1.MovePlanned {
			s.move = nil // what was never begun leaves no history
		}
		return nil
	case m == nil || m.Phase == v1alpha1.MoveSourceErased || m.Phase == v1alpha1.MoveAborted || m.To != asked.To || m.From != s.tenant.Spec.Region:
		s.move = &v1alpha1.MoveStatus{From: s.tenant.Spec.Region, To: asked.To, Phase: v1alpha1.MovePlanned}
	}
	return r.planMove(ctx, s)
}

// clear removes what an attempt before needed: none of its Jobs may be taken for one of the next.
func (r *Reconciler) clear(ctx context.Context, s *scope) error {
	if err := r.removeDoors(ctx, s); err != nil {
		return err
	}
	var jobs batchv1.JobList
	if err := r.Client.List(ctx, &jobs, client.InNamespace(s.in.Namespace()), client.MatchingLabels(plan.MoveLabels(s.tenant.Name))); err != nil {
		return fmt.Errorf("looking for what is left of a move: %w", err)
	}
	if len(jobs.Items) > 0 {
		wait := moving(v1alpha1.ReasonProgressing, "waiting for Jobs of the attempt before to go: %s", jobNames(jobs.Items))
		wait.After = time.Second
		return wait
	}
	return nil
}

func (r *Reconciler) planMove(ctx context.Context, s *scope) error {
	m, asked := s.move, s.tenant.Spec.Move
	facts := plan.MoveFacts{Attempts: m.Attempts, Channels: s.channels, NotServed: !r.Regions.Serve(asked.To)}
	to := &v1alpha1.Region{}
	err := r.Client.Get(ctx, client.ObjectKey{Name: asked.To}, to)
	switch {
	case err == nil:
		seen, err := observe.ReadRegion(ctx, r.Client, to)
		if err != nil {
			return err
		}
		facts.To, facts.Nodes, facts.Class = to, len(seen.Nodes), seen.Class
	case !apierrors.IsNotFound(err):
		return err
	}
	var policies v1alpha1.RetentionPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(s.in.Namespace())); err != nil {
		return fmt.Errorf("reading the tenant's policies: %w", err)
	}
	facts.Policies = slices.DeleteFunc(policies.Items, func(p v1alpha1.RetentionPolicy) bool {
		return !p.DeletionTimestamp.IsZero() || plan.IsRegionDefault(&p)
	})
	slices.SortFunc(facts.Policies, func(a, b v1alpha1.RetentionPolicy) int { return cmp.Compare(a.Name, b.Name) })
	m.Plan, m.TransferMechanism = plan.MovePlan(s.in, facts), asked.TransferMechanism
	if len(m.Plan.Refusals) > 0 || !s.approved() {
		return nil
	}
	now := metav1.NewTime(r.Now().UTC().Truncate(time.Second))
	m.StartedAt, m.Failure, m.Source = &now, "", s.in.DatabaseName()
	m.QuiescedAt, m.SwitchedAt, m.FinishedAt, m.Verified, m.Volumes, m.Certificate = nil, nil, nil, nil, nil, ""
	return s.enter(v1alpha1.MoveCopying)
}

// copyDatabase makes a standby in the other region. When it follows and no Job of the tenant's runs, nothing more is
// written.
func (r *Reconciler) copyDatabase(ctx context.Context, s *scope) error {
	if err := r.Applier.Apply(ctx, plan.MoveDoors(s.in)...); err != nil {
		return err
	}
	claim := plan.MoveClaim(s.in)
	err := r.Client.Get(ctx, client.ObjectKeyFromObject(claim), &corev1.PersistentVolumeClaim{})
	if apierrors.IsNotFound(err) {
		err = r.Applier.Apply(ctx, claim)
	}
	if err != nil {
		return err
	}
	copying := plan.CopyJob(s.in)
	attempt, err := r.once(ctx, s, copying)
	switch {
	case err != nil:
		return err
	case attempt.Failed || attempt.Done && attempt.Result.Standby == nil:
		return s.failMove("copying the database: " + orNothing(attempt.Result.Error))
	case !attempt.Done:
		wait := moving(v1alpha1.ReasonMoveCopying, "Job %s copies the database to region %s while the tenant is served", copying.Name, s.move.To)
		if attempt.Result.Error != "" {
			wait.Message += "; it tries again after: " + attempt.Result.Error
		}
		return wait
	}
	if err := r.Applier.Apply(ctx, plan.MoveDatabase(s.in)); err != nil {
		return err
	}
	there := name.DatabaseIn(s.move.To)
	standby, err := observe.Database(ctx, r.Client, s.in.Namespace(), there)
	if err != nil {
		return err
	}
	if !standby.Settled {
		return moving(v1alpha1.ReasonMoveCopying, "the database in region %s is not ready; see kubectl -n %s describe pod %s-0 if this lasts", s.move.To, s.in.Namespace(), there)
	}
	busy, err := observe.Busy(ctx, r.Client, s.tenant.Name, s.in.Namespace())
	if err != nil {
		return err
	}
	if len(busy) > 0 {
		return moving(v1alpha1.ReasonMoveCopying, "the copy follows the database; before it takes its place, these Jobs must end: %s", jobNames(busy))
	}
	return s.enter(v1alpha1.MoveQuiesced)
}

func jobNames(jobs []batchv1.Job) string {
	var names []string
	for i := range jobs {
		names = append(names, jobs[i].Name)
	}
	slices.Sort(names)
	return strings.Join(names[:min(len(names), 10)], ", ")
}

// once makes a Job unless it is there, and reads what became of it.
func (r *Reconciler) once(ctx context.Context, s *scope, job *batchv1.Job) (observe.Attempt, error) {
	attempt, err := r.Jobs.Read(ctx, s.tenant, client.ObjectKeyFromObject(job))
	if err != nil || attempt.Job != nil {
		return attempt, err
	}
	// Created, not applied: what is under way stays as it was begun.
	if err := r.Client.Create(ctx, job, client.FieldOwner(apply.FieldOwner)); err != nil && !apierrors.IsAlreadyExists(err) {
		return attempt, fmt.Errorf("making Job %s: %w", job.Name, err)
	}
	return attempt, nil
}

// maxFailure bounds what status tells of a failure, in bytes.
const maxFailure = 1100

// failMove has the move taken back.
func (s *scope) failMove(why string) error {
	s.move.Failure = why[:min(len(why), maxFailure)]
	return s.enter(v1alpha1.MoveAborting)
}

// switchRegion leads the tenant to the region where its database was opened. All else follows from that.
func (r *Reconciler) switchRegion(ctx context.Context, s *scope) error {
	m := s.move
	if m == nil || m.Phase != v1alpha1.MoveSwitched || s.tenant.Spec.Region != m.From {
		return nil
	}
	before := s.tenant.DeepCopy()
	s.tenant.Spec.Region = m.To
	if err := r.Client.Patch(ctx, s.tenant, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("leading the tenant to region %s: %w", m.To, err)
	}
	return nil
}
