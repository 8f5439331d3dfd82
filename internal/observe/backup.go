package observe

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Backups are what a tenant's backup Jobs told.
type Backups struct {
	// Began is when the newest Job began, or the CronJob was made; zero when there is none.
	Began time.Time
	Last  *contract.BackupResult // the newest that took a backup; nil when none is known
	// Failed is why the newest finished Job took none; empty when it did.
	Failed string
}

// Backups reads the Jobs that a tenant's backup CronJob made.
func (j Jobs) Backups(ctx context.Context, tenant, namespace string) (Backups, error) {
	var b Backups
	cron, jobs, err := j.scheduled(ctx, client.ObjectKey{Namespace: namespace, Name: name.Backup}, plan.BackupLabels(tenant))
	if err != nil || cron == nil {
		return b, err
	}
	b.Began = cron.CreationTimestamp.Time
	judged := false
	for i := range jobs {
		job := &jobs[i]
		b.Began = latest(b.Began, job.CreationTimestamp.Time)
		complete, failed := finished(job, batchv1.JobComplete), finished(job, batchv1.JobFailed)
		if !complete && !failed {
			continue
		}
		result, err := j.result(ctx, job)
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
