package judge

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// RequestFacts are what is known of a request of a person.
type RequestFacts struct {
	Outcome  error
	Accepted bool
	Now, Due time.Time
	// Answered is when the person could be told first: what was done, or what had to be
	// kept and why. Zero when that is still to come.
	Answered time.Time
	// Completed is when all was done; zero when it is not.
	Completed time.Time
	// Files are the person's in an object store, when it was carried out; nil when there is nothing to tell.
	Files *v1alpha1.StoredFiles
	// BroughtBack names the subject's Secret when somebody made it again after the end.
	BroughtBack string
}

// dueSoon is how long before it is due a request is told to be.
const dueSoon = 7 * 24 * time.Hour

// Clock is what the clock says of a request: open, due_soon or past_due, and when it
// says something else next; zero when never. One that was answered stays what it was.
func Clock(now, due, answered time.Time) (state string, next time.Time) {
	switch {
	case !answered.IsZero() && !answered.After(due):
		return Open, time.Time{}
	case !answered.IsZero(), !now.Before(due):
		return PastDue, time.Time{}
	case !now.Before(due.Add(-dueSoon)):
		return DueSoon, due
	default:
		return Open, due.Add(-dueSoon)
	}
}

// States of a request's clock, as the metric has them.
const (
	Open    = "open"
	DueSoon = "due_soon"
	PastDue = "past_due"
)

// Request judges a request.
func Request(f RequestFacts) []metav1.Condition {
	step := func(condition string, ok bool, message string) metav1.Condition {
		if c, says := told(condition, f.Outcome); says {
			return c
		}
		if ok {
			return is(condition, true, v1alpha1.ReasonReady, message)
		}
		return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
	}
	done := "it was carried out at " + f.Completed.UTC().Format(time.RFC3339)
	if f.Files != nil && f.Files.Pending > 0 {
		done += fmt.Sprintf("; the object store (%s) had still to remove %d of its files, which nobody can read any more: the next retention run goes on, and tells", f.Files.Class, f.Files.Pending)
	}
	if f.Files != nil && f.Files.Missing > 0 {
		done += fmt.Sprintf("; the object store had %d of the files no more", f.Files.Missing)
	}
	ready := done
	if f.BroughtBack != "" {
		ready += fmt.Sprintf("; Secret %s was made again since and is removed again: Secrets of persons don't belong in Git, take it out there", f.BroughtBack)
	}
	return append(summarise([]metav1.Condition{
		step(v1alpha1.ConditionAccepted, f.Accepted, "the request can be carried out"),
		step(v1alpha1.ConditionCompleted, !f.Completed.IsZero(), done),
	}, f.Outcome, ready), onTime(f))
}

func onTime(f RequestFacts) metav1.Condition {
	const condition = v1alpha1.ConditionOnTime
	due := f.Due.UTC().Format(time.RFC3339)
	state, _ := Clock(f.Now, f.Due, f.Answered)
	switch {
	case state == PastDue && !f.Answered.IsZero():
		return is(condition, false, v1alpha1.ReasonPastDue, fmt.Sprintf("it was due at %s and answered at %s", due, f.Answered.UTC().Format(time.RFC3339)))
	case state == PastDue:
		return is(condition, false, v1alpha1.ReasonPastDue, "it was due at "+due)
	case state == DueSoon:
		return is(condition, false, v1alpha1.ReasonDueSoon, "it is due at "+due)
	case !f.Answered.IsZero():
		return is(condition, true, v1alpha1.ReasonReady, fmt.Sprintf("it was answered at %s, and due at %s", f.Answered.UTC().Format(time.RFC3339), due))
	default:
		return is(condition, true, v1alpha1.ReasonReady, "it is due at "+due)
	}
}
