package observe

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Backups are what a tenant's backup Jobs told.
type Backups struct {
	Exists  bool                   // there is a CronJob
	Since   time.Time              // when it was made
	Started time.Time              // when the newest Job began
	Last    *contract.BackupResult // the newest that took a backup; nil when none is known
	// Failed is why the newest finished Job took none; empty when it did.
	Failed string
}

// ReadBackups reads the Jobs that a tenant's backup CronJob made.
func ReadBackups(ctx context.Context, r client.Reader, tenant, namespace string) (Backups, error) {
	var b Backups
	cron := &batchv1.CronJob{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name.Backup}, cron); err != nil {
		return b, wrap("reading CronJob "+name.Backup, client.IgnoreNotFound(err))
	}
	b.Exists, b.Since = true, cron.CreationTimestamp.Time
	var jobs batchv1.JobList
	if err := r.List(ctx, &jobs, client.InNamespace(namespace), client.MatchingLabels(plan.BackupLabels(tenant))); err != nil {
		return b, fmt.Errorf("reading the backup Jobs: %w", err)
	}
	jobs.Items = slices.DeleteFunc(jobs.Items, func(j batchv1.Job) bool { return !metav1.IsControlledBy(&j, cron) })
	slices.SortFunc(jobs.Items, func(a, b batchv1.Job) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	judged := false
	for i := range jobs.Items {
		job := &jobs.Items[i]
		b.Started = latest(b.Started, job.CreationTimestamp.Time)
		complete, failed := finished(job, batchv1.JobComplete), finished(job, batchv1.JobFailed)
		if !complete && !failed {
			continue
		}
		result, err := Result(ctx, r, job)
		if err != nil {
			return b, err
		}
		told := complete && result.Backup != nil && result.Backup.File != ""
		if !judged && !told {
			b.Failed = result.Error
			if b.Failed == "" {
				b.Failed = "its pod left no result; see kubectl -n " + namespace + " describe job " + job.Name
			}
		}
		judged = true
		if told && b.Last == nil {
			b.Last = result.Backup
		}
	}
	return b, nil
}
