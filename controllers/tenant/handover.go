package tenant

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// handOver has the copy take the database's place when both are the same, or the database opened again. Until either
// is done the story ends here: a migration would write to a database that is being left.
func (r *Reconciler) handOver(ctx context.Context, s *scope) error {
	switch m := s.move; {
	case m != nil && m.Phase == v1alpha1.MoveAborting:
		return r.takeBack(ctx, s)
	case m == nil || m.Phase != v1alpha1.MoveQuiesced:
		return nil
	}
	job := plan.CutOverJob(s.in)
	attempt, err := r.once(ctx, s, job)
	if err != nil {
		return err
	}
	told := attempt.Result.CutOver
	switch {
	case attempt.Done && told != nil:
		s.move.QuiescedAt, s.move.SwitchedAt, s.move.Verified = timeOf(told.QuiescedAt), timeOf(told.OpenedAt), verified(*told)
		return s.enter(v1alpha1.MoveSwitched)
	case attempt.Done || attempt.Failed:
		return s.failMove("handing the database over: " + orNothing(attempt.Result.Error))
	}
	wait := moving(v1alpha1.ReasonMoveQuiesced, "Job %s compares the database with its copy in region %s, and has the copy take its place; providers are asked to send again later", job.Name, s.move.To)
	if attempt.Result.Error != "" {
		wait.Message += "; it tries again after: " + attempt.Result.Error
	}
	return wait
}

func timeOf(t time.Time) *metav1.Time {
	at := metav1.NewTime(t.UTC().Truncate(time.Second))
	return &at
}

func verified(told contract.CutOverResult) *v1alpha1.MoveVerified {
	v := &v1alpha1.MoveVerified{
		At: *timeOf(told.VerifiedAt), Tables: int32(told.Tables), Rows: told.Rows, Digest: told.Digest, //nolint:gosec // tables are few
		Sequence: told.Head.Sequence, ReceiptDigest: told.Head.Digest,
	}
	for _, c := range told.Counts {
		v.Counts = append(v.Counts, v1alpha1.CategoryCount{Category: c.Category, Rows: c.Rows})
	}
	return v
}

// takeBack removes the copy and opens the database again. Killed at any instant it is done again.
func (r *Reconciler) takeBack(ctx context.Context, s *scope) error {
	m := s.move
	there := name.DatabaseIn(m.To)
	for _, job := range []string{name.Copy(there), name.CutOver(there)} {
		if err := r.removeJob(ctx, s, job); err != nil {
			return err
		}
	}
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: there, Namespace: s.in.Namespace()}}
	if err := r.remove(ctx, set); err != nil {
		return err
	}
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace(s.in.Namespace()), client.MatchingLabels(plan.TenantLabels(s.tenant.Name))); err != nil {
		return fmt.Errorf("reading the tenant's pods: %w", err)
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		ended := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		if p.Name == there+"-0" || plan.IsMove(p) && !ended && p.Labels[batchv1.JobNameLabel] != name.Reopen(there) {
			return aborting("waiting for pod %s to end", p.Name) // it could go on with what is taken back
		}
	}
	if err := r.reopen(ctx, s, there); err != nil {
		return err
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name.DatabaseClaim(there), Namespace: s.in.Namespace()}}
	if err := r.remove(ctx, claim); err != nil {
		return err
	}
	left, err := r.volumesOf(ctx, s, claim.Name)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return volumeLeft(aborting(""), left[0])
	}
	// What else the move needed goes when status has it that this was done: the Job that opens the database would be made again.
	if m.Failure == "" {
		return s.enter(v1alpha1.MoveAborted)
	}
	m.Attempts++
	return s.enter(v1alpha1.MovePlanned)
}

func (r *Reconciler) removeDoors(ctx context.Context, s *scope) error {
	return r.Applier.Prune(ctx, s.in.Namespace(), plan.MoveLabels(s.tenant.Name), nil,
		&batchv1.JobList{}, &corev1.ServiceList{}, &networkingv1.NetworkPolicyList{})
}

func aborting(message string, args ...any) *step.Wait {
	wait := moving(v1alpha1.ReasonMoveAborting, "the move is being taken back: "+message, args...)
	wait.After = 2 * time.Second
	return wait
}

// reopen has the database take everybody in again, and forget the copy.
func (r *Reconciler) reopen(ctx context.Context, s *scope, there string) error {
	job := plan.ReopenJob(s.in, there)
	attempt, err := r.once(ctx, s, job)
	switch {
	case err != nil:
		return err
	case attempt.Done && attempt.Result.Reopen != nil:
		return nil
	case attempt.Done || attempt.Failed:
		wait := aborting("opening the database again failed, and is made again every minute: %s", orNothing(attempt.Result.Error))
		if wait.After = setupRetry - r.Now().Sub(failedAt(attempt.Job)); wait.After > 0 {
			return wait
		}
		wait.After = time.Second
		if err := r.removeJob(ctx, s, job.Name); err != nil {
			return err
		}
		return wait
	}
	return aborting("Job %s opens the database again", job.Name)
}

// remove deletes an object, and waits until it has gone.
func (r *Reconciler) remove(ctx context.Context, object client.Object) error {
	err := r.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", object.GetName(), err)
	}
	if object.GetDeletionTimestamp().IsZero() {
		uid := object.GetUID()
		err := r.Client.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &uid})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing %s: %w", object.GetName(), err)
		}
	}
	return &step.Wait{
		Condition: v1alpha1.ConditionMoved, Reason: v1alpha1.ReasonProgressing, After: time.Second,
		Message: fmt.Sprintf("waiting for %s %s to go", strings.TrimPrefix(fmt.Sprintf("%T", object), "*v1."), object.GetName()),
	}
}
