package observe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Jobs reads Jobs, and what their pods told.
type Jobs struct {
	Cache client.Reader // the operator's
	Live  client.Reader // asked for the pods that the cache does not have yet, though it has the end of their Job
	Now   func() time.Time
}

// catchesUp is how long after a Job's end its pods may come to the cache. Those that are not there by then are taken to be gone.
const catchesUp = 5 * time.Minute

// Attempt is what is known of one Job.
type Attempt struct {
	Job          *batchv1.Job // nil when there is none
	Done, Failed bool
	Result       contract.Result
}

// Read reads a Job of an owner's.
func (j Jobs) Read(ctx context.Context, owner client.Object, key client.ObjectKey) (Attempt, error) {
	job := &batchv1.Job{}
	if err := j.Cache.Get(ctx, key, job); err != nil {
		return Attempt{}, wrap("reading Job "+key.Name, client.IgnoreNotFound(err))
	}
	if !metav1.IsControlledBy(job, owner) || !job.DeletionTimestamp.IsZero() {
		return Attempt{}, nil
	}
	a := Attempt{Job: job, Done: finished(job, batchv1.JobComplete), Failed: finished(job, batchv1.JobFailed)}
	if !a.Done && job.Status.Failed == 0 {
		return a, nil
	}
	var err error
	a.Result, err = j.result(ctx, job)
	return a, err
}

func finished(job *batchv1.Job, condition batchv1.JobConditionType) bool {
	return endOf(job, condition) != nil
}

// endOf gives a condition of a Job that is true.
func endOf(job *batchv1.Job, condition batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range job.Status.Conditions {
		if c := &job.Status.Conditions[i]; c.Type == condition && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// result is what the newest finished pod of a Job said; empty when none said anything. Jobs and pods come to the cache by watches of their
// own, so that a Job's end may be there before its pod's: to believe the cache then would take what a pod said for nothing.
func (j Jobs) result(ctx context.Context, job *batchv1.Job) (contract.Result, error) {
	pods, err := podsOf(ctx, j.Cache, job)
	if end := cmp.Or(endOf(job, batchv1.JobComplete), endOf(job, batchv1.JobFailed)); err == nil && end != nil && j.Now().Sub(end.LastTransitionTime.Time) < catchesUp && !counted(pods, job) {
		pods, err = podsOf(ctx, j.Live, job)
	}
	if err != nil {
		return contract.Result{}, err
	}
	for i := range pods {
		for _, c := range pods[i].Status.ContainerStatuses {
			if t := c.State.Terminated; t != nil && t.Message != "" {
				result, err := contract.DecodeResult(t.Message)
				if err != nil {
					// Not worth a retry: the message will not change.
					return contract.Result{Error: "the Job's result can't be read"}, nil //nolint:nilerr // told in the result
				}
				return result, nil
			}
		}
	}
	return contract.Result{}, nil
}

// podsOf gives a Job's pods, newest first.
func podsOf(ctx context.Context, r client.Reader, job *batchv1.Job) ([]corev1.Pod, error) {
	var pods corev1.PodList
	if err := r.List(ctx, &pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
		return nil, fmt.Errorf("reading the pods of Job %s: %w", job.Name, err)
	}
	own := slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return !metav1.IsControlledBy(&p, job) }) // labels are anyone's to set
	slices.SortFunc(own, func(a, b corev1.Pod) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	return own, nil
}

// counted says that the pods are all that a Job has counted.
func counted(pods []corev1.Pod, job *batchv1.Job) bool {
	ended := map[corev1.PodPhase]int32{}
	for i := range pods {
		ended[pods[i].Status.Phase]++
	}
	return ended[corev1.PodSucceeded] >= job.Status.Succeeded && ended[corev1.PodFailed] >= job.Status.Failed
}
