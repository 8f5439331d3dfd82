package tenant

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// backUp has the database copied by schedule, and takes into account what the copies told.
func (r *Reconciler) backUp(ctx context.Context, s *scope) error {
	b := plan.BackupOf(s.in)
	s.facts.Backup.Known = true
	if why := plan.EngineOf(s.in.Region).NoBackups(); b != nil && why != "" {
		s.facts.Backup.Wanted, s.facts.Backup.Problem, s.facts.Backup.Reason = true, why, v1alpha1.ReasonNoBackup
		return nil
	}
	if s.leaving() { // the volume of backups is erased with all else there; the next is made where the tenant is then
		s.backup, s.facts.Backup.Wanted = s.tenant.Status.Backup, b != nil
		return r.Applier.Prune(ctx, s.in.Namespace(), plan.BackupLabels(s.tenant.Name), nil, &batchv1.CronJobList{}, &batchv1.JobList{})
	}
	if b == nil {
		// Copies stay in their volume, which nobody asked to be removed.
		return r.Applier.Prune(ctx, s.in.Namespace(), plan.BackupLabels(s.tenant.Name), nil, &batchv1.CronJobList{})
	}
	s.facts.Backup.Wanted = true
	if _, err := plan.BackupDue(b, r.Now()); err != nil {
		s.backup, s.facts.Backup.Problem, s.facts.Backup.Reason = s.tenant.Status.Backup, err.Error(), v1alpha1.ReasonInvalidSchedule
		return nil //nolint:nilerr // told in the condition; what is there goes on
	}
	away, refusal := plan.ToObjectStore(s.in, b)
	if refusal != nil {
		s.backup, s.facts.Backup.Problem, s.facts.Backup.Reason = s.tenant.Status.Backup, refusal.Message, refusal.Reason
		return nil
	}
	days, by := plan.KeepDays(b, s.limits)
	if s.in.Versions[contract.ComponentBackup] > 0 {
		objects := plan.Backups(s.in, b, days)
		// A volume that is there stays as it is: its size counts when it is made.
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.in.Namespace(), Name: name.Backups}, &corev1.PersistentVolumeClaim{})
		if apierrors.IsNotFound(err) && !away {
			objects = append([]client.Object{plan.BackupClaim(s.in, b)}, objects...)
		} else if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err := r.Applier.Apply(ctx, objects...); err != nil {
			return err
		}
	}
	told, err := r.Jobs.Backups(ctx, s.tenant.Name, s.in.Namespace())
	if err != nil {
		return err
	}
	s.facts.Backup.Failed = told.Failed
	if due, err := plan.BackupDue(b, told.Began); err == nil && !told.Began.IsZero() && r.Now().Sub(due) > lateBackup {
		s.facts.Backup.MissedSince = due
	}
	st := s.tenant.Status.Backup.DeepCopy()
	if st == nil {
		st = &v1alpha1.BackupStatus{}
	}
	st.KeepDays, st.BoundBy = days, by
	if last := told.Last; last != nil && (st.TakenAt == nil || !last.StartedAt.Before(st.TakenAt.Time)) {
		began := metav1.NewTime(last.StartedAt)
		st.File, st.Bytes, st.TakenAt, st.Sequence, st.Count = last.File, last.Bytes, &began, last.Head.Sequence, int32(last.Count) //nolint:gosec // files
		if last.Oldest != nil {
			oldest := metav1.NewTime(*last.Oldest)
			st.OldestAt = &oldest
		}
	}
	if st.TakenAt != nil {
		by, err := plan.CopiesExpireBy(b, st.TakenAt.Time, days)
		if err != nil {
			return err
		}
		expire := metav1.NewTime(by)
		st.CopiesExpireBy = &expire
	}
	s.backup, s.facts.Backup.TakenAt = st, st.TakenAt
	return nil
}

// lateBackup is how late a backup may begin before it counts as missing.
const lateBackup = time.Hour

// putBack puts a backup in the place of the database's data, when it is asked for by
// annotation: the database is stopped, a Job unpacks the backup, the database is started.
// What has happened since is replayed like after any restore.
func (r *Reconciler) putBack(ctx context.Context, s *scope) error {
	if observe.Copied(s.move) {
		return nil // one thing at a time: it is taken up when the move has ended
	}
	request := toPutBack(s.tenant)
	if request == "" {
		return nil
	}
	// The cache may not know yet that the last pass ended it, and the database would be stopped once more for nothing.
	now := &v1alpha1.Tenant{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(s.tenant), now); err != nil {
		return fmt.Errorf("reading whether a backup is put back: %w", err)
	}
	if toPutBack(now) != request {
		return nil // the change comes to the cache, and brings another pass
	}
	file, _, _ := strings.Cut(request, " ")
	s.restore = &v1alpha1.RestoreStatus{Request: request, Phase: v1alpha1.RestoreRestoring}
	if file == "" || len(request) > 256 {
		s.restore.Phase, s.restore.Request, s.restore.Message = v1alpha1.RestoreFailed, request[:min(len(request), 256)], "the annotation names no file: use kubectl switchboard restore"
		return nil
	}
	if plan.EngineOf(s.in.Region).NoBackups() != "" {
		s.restore.Phase, s.restore.Message = v1alpha1.RestoreFailed,
			"the operator has no backups of this database: have whoever runs it put one back; the instance recognises that, and what has happened since is replayed"
		return nil
	}
	s.in.DatabaseStopped = true
	if err := r.applyDatabase(ctx, s); err != nil {
		return err
	}
	wait := &step.Wait{Condition: v1alpha1.ConditionDatabaseReady, Reason: v1alpha1.ReasonRestoring, Message: "the database is stopped to put a backup back"}
	if plan.CloudNativePG(s.in.Region) != nil {
		wait.After = lookAgain
		wait.Message += "; CloudNativePG does that once it calls the Cluster healthy: see kubectl -n " + s.in.Namespace() + " describe clusters.postgresql.cnpg.io " + name.Postgres
	}
	claim, err := r.stopped(ctx, s)
	if err != nil {
		return err
	}
	if claim == "" {
		return wait
	}
	job := plan.RestoreJob(s.in, request, file, claim)
	attempt, err := r.Jobs.Read(ctx, s.tenant, client.ObjectKeyFromObject(job))
	switch {
	case err != nil:
		return err
	case attempt.Job == nil:
		if err := r.Client.Create(ctx, job, client.FieldOwner(apply.FieldOwner)); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("making Job %s: %w", job.Name, err)
		}
	case attempt.Done && attempt.Result.Restore != nil:
		gone, err := r.removeFollowers(ctx, s, claim)
		if err != nil {
			return err
		}
		if !gone {
			wait.Message = "a backup was put back; the copies that followed the database are removed, and made anew"
			return wait
		}
		s.restore.Phase, s.restore.File = v1alpha1.RestoreDone, attempt.Result.Restore.File
	case attempt.Done || attempt.Failed:
		s.restore.Phase, s.restore.Message = v1alpha1.RestoreFailed, orNothing(attempt.Result.Error)
	}
	if s.restore.Phase == v1alpha1.RestoreRestoring {
		wait.Message = "Job " + job.Name + " puts a backup back"
		return wait
	}
	s.in.DatabaseStopped = false
	return nil
}

// toPutBack gives the request for a backup to be put back that a tenant has not ended; empty without one. What is under way is
// ended, whatever is asked for by now.
func toPutBack(tenant *v1alpha1.Tenant) string {
	asked, st := tenant.Annotations[v1alpha1.AnnotationRestore], tenant.Status.Restore
	switch {
	case st == nil:
		return asked
	case st.Phase == v1alpha1.RestoreRestoring:
		return st.Request
	case st.Request == asked:
		return ""
	}
	return asked
}

// lookAgain is when pods and volumes are looked for again that are CloudNativePG's, and not watched.
const lookAgain = 2 * time.Second

// stopped gives the claim with the data of a database that does not run; empty while it does.
func (r *Reconciler) stopped(ctx context.Context, s *scope) (string, error) {
	if plan.CloudNativePG(s.in.Region) != nil {
		return observe.SleepingCluster(ctx, r.Client, s.in.Namespace())
	}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.in.Namespace(), Name: s.in.DatabaseName() + "-0"}, &corev1.Pod{})
	if apierrors.IsNotFound(err) {
		return name.DatabaseClaim(s.in.DatabaseName()), nil
	}
	return "", err
}
