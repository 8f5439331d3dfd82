package datasubjectrequest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// retryAfter is how long a failed attempt is left to be looked at before it is made again.
const retryAfter = time.Minute

// settle takes the result of the attempt under way into status, or waits for it.
func (r *Reconciler) settle(ctx context.Context, s *scope) error {
	q := s.request
	a, err := r.Jobs.Read(ctx, q, client.ObjectKey{Namespace: q.Namespace, Name: plan.SubjectJob(q, after(q))})
	if err != nil || a.Job == nil {
		return err
	}
	s.facts.Accepted = true
	told := a.Done && a.Result.Subject != nil && a.Result.Subject.Request == string(q.UID)
	switch {
	case a.Failed, a.Done && !told:
		return r.retry(ctx, a)
	case !a.Done:
		s.running = true
		wait := &step.Wait{
			Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonProgressing,
			Message: "Job " + a.Job.Name + " carries it out",
		}
		if a.Result.Error != "" {
			wait.Message += "; it tries again after: " + a.Result.Error
		}
		return wait
	}
	evidence, err := r.Ledger.Append(ctx, s.in.Tenant, ledger.OfSubject(*a.Result.Subject))
	var broken *ledger.BrokenError
	switch {
	case errors.As(err, &broken):
		s.running = true
		return &step.Stall{Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonEvidenceBroken, Message: broken.Message}
	case err != nil:
		return err
	case evidence.Sequence > 0:
		q.Status.Evidence = &evidence
	}
	take(s, *a.Result.Subject)
	return nil
}

// retry leaves an attempt that proves nothing to be looked at, then makes room for the
// next. It has the same name: one that was carried out halfway is ended by it.
func (r *Reconciler) retry(ctx context.Context, a observe.Attempt) error {
	if age := r.Now().Sub(endedAt(a.Job)); age < retryAfter {
		return &step.Wait{
			Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonFailed, After: retryAfter - age,
			Message: "the attempt failed and is made again every minute: " +
				cmp.Or(a.Result.Error, fmt.Sprintf("its pod left no result; see kubectl -n %s describe job %s", a.Job.Namespace, a.Job.Name)),
		}
	}
	if err := r.removeJob(ctx, a.Job); err != nil {
		return err
	}
	return &step.Wait{Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonProgressing, Message: "the attempt is made again"}
}

func endedAt(job *batchv1.Job) time.Time {
	for _, c := range job.Status.Conditions {
		if c.Type == batchv1.JobFailed || c.Type == batchv1.JobComplete {
			return c.LastTransitionTime.Time
		}
	}
	return job.CreationTimestamp.Time
}

func (r *Reconciler) removeJob(ctx context.Context, job *batchv1.Job) error {
	uid := job.UID
	err := r.Client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing Job %s: %w", job.Name, err)
	}
	return nil
}

// Bounds of what status shows.
const (
	maxReceipts = 10
	maxRefused  = 64
	// archiveDays is how long an archive waits to be fetched.
	archiveDays = 7
)

// take writes a result into status.
func take(s *scope, result contract.SubjectResult) {
	st, finished := &s.request.Status, metav1.NewTime(result.FinishedAt)
	st.Found = counts(nil, result.Found)
	if !slices.ContainsFunc(st.Receipts, func(known v1alpha1.RequestReceipt) bool { return known.Sequence == result.Sequence }) {
		st.Done = counts(st.Done, result.Done)
		st.Receipts = append([]v1alpha1.RequestReceipt{{Sequence: result.Sequence, Digest: result.Digest, FinishedAt: finished}}, st.Receipts...)
		st.Receipts = st.Receipts[:min(len(st.Receipts), maxReceipts)]
	}
	st.Files = nil
	if result.Files != nil {
		st.Files = status.StoredFiles(*result.Files)
	}
	st.Refused = nil
	for _, f := range result.Refused {
		st.Refused = append(st.Refused, v1alpha1.Refusal{Category: f.Category, Rows: f.Rows, Hold: f.Hold})
	}
	st.Refused = st.Refused[:min(len(st.Refused), maxRefused)]
	if result.ArchiveID != "" {
		st.Download = &v1alpha1.Download{
			URL: plan.ArchiveURL(s.in, result.ArchiveID), SecretName: plan.Download(s.in, s.request, "").Name,
			ExpiresAt: metav1.NewTime(result.FinishedAt.Add(archiveDays * 24 * time.Hour)),
		}
	}
	if len(st.Refused) == 0 {
		st.CompletedAt = &finished
	}
}

// counts adds counts to those that there are, by category.
func counts(before []v1alpha1.CategoryCount, more []contract.CategoryCount) []v1alpha1.CategoryCount {
	all := slices.Clone(before)
	for _, m := range more {
		i := slices.IndexFunc(all, func(c v1alpha1.CategoryCount) bool { return c.Category == m.Category })
		if i < 0 {
			all = append(all, v1alpha1.CategoryCount{Category: m.Category, Rows: m.Rows})
			continue
		}
		all[i].Rows += m.Rows
	}
	slices.SortFunc(all, func(a, b v1alpha1.CategoryCount) int { return cmp.Compare(a.Category, b.Category) })
	return all
}
