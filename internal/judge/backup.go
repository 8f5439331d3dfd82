package judge

import (
	"time"

	"github.com/robfig/cron/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// Backup is what is known of a tenant's backups.
type Backup struct {
	Known, Wanted bool
	Told          observe.Backups
	TakenAt       *metav1.Time // the newest that status knows of
	Schedule      string
	Now           time.Time
}

// lateBackup is how late a backup may begin.
const lateBackup = time.Hour

// backedUp is not part of Ready: a tenant without a fresh copy is served.
func backedUp(b Backup) metav1.Condition {
	const condition = v1alpha1.ConditionBackedUp
	switch {
	case !b.Known:
		return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
	case !b.Wanted:
		return is(condition, false, v1alpha1.ReasonNoBackup, "nobody asks for backups: set spec.backup, or spec.database.backup of the Region")
	case b.Told.Failed != "":
		return is(condition, false, v1alpha1.ReasonRunFailed, "the last backup failed: "+b.Told.Failed)
	}
	began := b.Told.Since
	if b.Told.Started.After(began) {
		began = b.Told.Started
	}
	if schedule, err := cron.ParseStandard(b.Schedule); err != nil {
		return is(condition, false, v1alpha1.ReasonInvalidSchedule, "the schedule of backups can't be read: use five fields (minute hour day month weekday) such as \"30 1 * * *\"")
	} else if due := schedule.Next(began.UTC()); b.Told.Exists && b.Now.Sub(due) > lateBackup {
		return is(condition, false, v1alpha1.ReasonOverdue, "the backup due at "+due.Format(time.RFC3339)+" has not begun; see the events of CronJob backup")
	}
	if b.TakenAt == nil {
		return unknown(condition, v1alpha1.ReasonNeverRun, "no backup has finished yet")
	}
	return is(condition, true, v1alpha1.ReasonReady, "the newest backup is of "+b.TakenAt.UTC().Format(time.RFC3339))
}
