package observe

import (
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// scheduled reads a CronJob, nil when there is none, and the Jobs that it made, newest first. Labels
// are anyone's to set: what the CronJob does not control was not made by it.
func (j Jobs) scheduled(ctx context.Context, cronJob client.ObjectKey, labels map[string]string) (*batchv1.CronJob, []batchv1.Job, error) {
	cron := &batchv1.CronJob{}
	if err := j.Cache.Get(ctx, cronJob, cron); err != nil {
		return nil, nil, wrap("reading CronJob "+cronJob.Name, client.IgnoreNotFound(err))
	}
	var jobs batchv1.JobList
	if err := j.Cache.List(ctx, &jobs, client.InNamespace(cronJob.Namespace), client.MatchingLabels(labels)); err != nil {
		return nil, nil, fmt.Errorf("reading the Jobs of CronJob %s: %w", cronJob.Name, err)
	}
	made := slices.DeleteFunc(jobs.Items, func(j batchv1.Job) bool { return !metav1.IsControlledBy(&j, cron) })
	slices.SortFunc(made, func(a, b batchv1.Job) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	return cron, made, nil
}
