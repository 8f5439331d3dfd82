package judge

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// RetentionFacts are what is known of a policy.
type RetentionFacts struct {
	Policy    *v1alpha1.RetentionPolicy
	Outcome   error
	Accepted  bool
	Scheduled bool
	// Shared are the categories that other policies bound too, with their names.
	Shared []string
	// Last is the newest run that left a receipt, nil when there is none.
	Last *v1alpha1.RetentionRun
	// Plan is the newest plan of a run, nil when there is none.
	Plan *v1alpha1.RetentionPlan
	// Broken is why a receipt was not countersigned: it contradicts the ledger.
	Broken string
	// Failed is why the newest run left none, if it is newer than Last.
	Failed   string
	FailedAt time.Time
	// MissedSince is when a run was due that has not begun; zero when none is missing.
	MissedSince time.Time
}

// Retention judges a policy. A policy that never ran yet is Ready: what has expired
// is unreadable already, and the schedule stands.
func Retention(f RetentionFacts) []metav1.Condition {
	step := func(condition string, ok bool, message string) metav1.Condition {
		if c, says := told(condition, f.Outcome); says {
			return c
		}
		if ok {
			return is(condition, true, v1alpha1.ReasonReady, message)
		}
		return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
	}
	accepted := "the rules agree with the Region's bounds"
	if len(f.Shared) > 0 {
		accepted += "; of several policies for one category the shortest counts: " + strings.Join(f.Shared, ", ")
	}
	required := []metav1.Condition{
		step(v1alpha1.ConditionAccepted, f.Accepted, accepted),
		step(v1alpha1.ConditionScheduled, f.Scheduled, "the CronJob stands as asked for"),
	}
	enforced := enforced(f)
	if enforced.Status == metav1.ConditionUnknown && enforced.Reason == v1alpha1.ReasonNeverRun {
		return append(summarise(required, f.Outcome, "the policy is in force; its first run is still to come"), enforced)
	}
	return summarise(append(required, enforced), f.Outcome, "the policy is enforced")
}

func enforced(f RetentionFacts) metav1.Condition {
	const condition = v1alpha1.ConditionEnforced
	switch {
	case f.Broken != "":
		return is(condition, false, v1alpha1.ReasonEvidenceBroken, f.Broken)
	case f.Failed != "" && (f.Last == nil || f.FailedAt.After(f.Last.FinishedAt.Time)):
		return is(condition, false, v1alpha1.ReasonRunFailed, "the last run failed: "+f.Failed+f.lastKnown())
	case !f.MissedSince.IsZero():
		return is(condition, false, v1alpha1.ReasonOverdue, "the run due at "+f.MissedSince.UTC().Format(time.RFC3339)+" has not begun; see the CronJob's events"+f.lastKnown())
	case f.Last == nil:
		return unknown(condition, v1alpha1.ReasonNeverRun, "no run has finished yet")
	case f.Last.Outcome == contract.OutcomeDryRun:
		return is(condition, false, v1alpha1.ReasonDryRun, fmt.Sprintf("run %d planned and deleted nothing: see status.plan, and set spec.mode to Enforce when you agree", f.Last.Sequence))
	case f.Last.Outcome == contract.OutcomeBlocked:
		return is(condition, false, v1alpha1.ReasonBlocked, f.blocked())
	}
	overdue := int64(0)
	for _, c := range f.Last.Categories {
		if c.Overdue == nil {
			return is(condition, false, v1alpha1.ReasonNotChecked, fmt.Sprintf("run %d could not count what is overdue in %s", f.Last.Sequence, c.Category))
		}
		overdue += *c.Overdue
	}
	if overdue > 0 {
		return is(condition, false, v1alpha1.ReasonOverdue, fmt.Sprintf("run %d left %d expired rows; the next run goes on", f.Last.Sequence, overdue))
	}
	if files := f.Last.Files; files != nil && files.Pending > 0 {
		return is(condition, false, v1alpha1.ReasonFilesPending, pending(f.Last.Sequence, files))
	}
	return is(condition, true, v1alpha1.ReasonReady, fmt.Sprintf("run %d left nothing overdue", f.Last.Sequence))
}

// pending tells what the object store has still to remove.
func pending(run int64, files *v1alpha1.StoredFiles) string {
	since := ""
	if files.Since != nil {
		since = ", the oldest since " + files.Since.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("run %d left nothing overdue in the database; the object store (%s) has not removed %d deleted files%s, which nobody can read any more; the next run goes on",
		run, files.Class, files.Pending, since)
}

// lastKnown tells how many expired rows the newest run that counted has left.
func (f RetentionFacts) lastKnown() string {
	if f.Last == nil {
		return ""
	}
	overdue := int64(0)
	for _, c := range f.Last.Categories {
		if c.Overdue == nil {
			return ""
		}
		overdue += *c.Overdue
	}
	return fmt.Sprintf("; run %d had left %d expired rows", f.Last.Sequence, overdue)
}

// blocked tells what the guard stopped, and how to let it pass.
func (f RetentionFacts) blocked() string {
	message := fmt.Sprintf("the guard stopped run %d", f.Last.Sequence)
	if f.Plan == nil {
		return message + ": nothing was deleted"
	}
	var would []string
	for _, c := range f.Plan.Categories {
		if c.Expired > 0 {
			would = append(would, fmt.Sprintf("%d of %d %s", c.Expired, c.Total, c.Category))
		}
	}
	message += ", which would have deleted " + strings.Join(would, ", ") + ": nothing was deleted"
	if f.Policy != nil && f.Policy.Spec.ApprovedPlan == f.Plan.Digest {
		return message + "; the plan is approved, and the next run carries it out"
	}
	namespace, name := "NAMESPACE", "NAME"
	if f.Policy != nil {
		namespace, name = f.Policy.Namespace, f.Policy.Name
	}
	return message + fmt.Sprintf(`; correct the rules, or let the next run pass: kubectl -n %s patch retentionpolicy %s --type=merge -p '{"spec":{"approvedPlan":"%s"}}'`,
		namespace, name, f.Plan.Digest)
}
