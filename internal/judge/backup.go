package judge

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Backup is what is known of a tenant's backups.
type Backup struct {
	Known, Wanted bool
	Problem       string       // with the schedule or the destination
	Reason        string       // of the problem
	Failed        string       // why the newest took none
	MissedSince   time.Time    // when one was due that has not begun; zero when none is missing
	TakenAt       *metav1.Time // the newest that status knows of
}

// backedUp is not part of Ready: a tenant without a fresh copy is served.
func backedUp(b Backup) metav1.Condition {
	const condition = v1alpha1.ConditionBackedUp
	switch {
	case !b.Known:
		return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
	case !b.Wanted:
		return is(condition, false, v1alpha1.ReasonNoBackup, "nobody asks for backups: set spec.backup, or spec.database.backup of the Region")
	case b.Problem != "":
		return is(condition, false, b.Reason, b.Problem)
	case b.Failed != "":
		return is(condition, false, v1alpha1.ReasonRunFailed, "the last backup failed: "+b.Failed)
	case !b.MissedSince.IsZero():
		return is(condition, false, v1alpha1.ReasonOverdue, "the backup due at "+b.MissedSince.UTC().Format(time.RFC3339)+" has not begun; see the events of CronJob backup")
	case b.TakenAt == nil:
		return unknown(condition, v1alpha1.ReasonNeverRun, "no backup has finished yet")
	default:
		return is(condition, true, v1alpha1.ReasonReady, "the newest backup is of "+b.TakenAt.UTC().Format(time.RFC3339))
	}
}
