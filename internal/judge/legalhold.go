package judge

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// LegalHoldFacts are what is known of a hold.
type LegalHoldFacts struct {
	Outcome  error
	Accepted bool
	// Expired is when its time was over; zero when it is not.
	Expired time.Time
	// InForce: the database has it. Current: it has it as it is asked for now.
	InForce, Current bool
	// Matched is what it matched; nil when that is not known.
	Matched *v1alpha1.HoldMatched
}

// LegalHold judges a hold. One that matches nothing is Ready all the same: it is in
// force, and what comes later may agree with it. Matches and the message say so.
func LegalHold(f LegalHoldFacts) []metav1.Condition {
	accepted, says := told(v1alpha1.ConditionAccepted, f.Outcome)
	switch {
	case says:
	case f.Accepted:
		accepted = is(v1alpha1.ConditionAccepted, true, v1alpha1.ReasonReady, "the hold can be put in force")
	default:
		accepted = unknown(v1alpha1.ConditionAccepted, v1alpha1.ReasonWaiting, "not come to yet")
	}
	inForce, matches := inForce(f), matches(f)
	ready := "nothing that it matches is deleted"
	if matches.Status == metav1.ConditionFalse {
		ready = "it is in force; " + matches.Message
	}
	return append(summarise([]metav1.Condition{accepted, inForce}, f.Outcome, ready), matches)
}

func inForce(f LegalHoldFacts) metav1.Condition {
	const condition = v1alpha1.ConditionInForce
	switch {
	case !f.Expired.IsZero():
		return is(condition, false, v1alpha1.ReasonExpired, "it holds nothing since "+f.Expired.UTC().Format(time.RFC3339))
	case f.InForce && f.Current:
		return is(condition, true, v1alpha1.ReasonReady, "nothing that it matches is deleted")
	case f.InForce && !f.Accepted:
		return is(condition, true, v1alpha1.ReasonReady, "what it matched before stays held")
	}
	if c, says := told(condition, f.Outcome); says {
		return c
	}
	return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
}

func matches(f LegalHoldFacts) metav1.Condition {
	const condition = v1alpha1.ConditionMatches
	switch m := f.Matched; {
	case !f.Expired.IsZero():
		return unknown(condition, v1alpha1.ReasonExpired, "it holds nothing any more")
	case !f.InForce:
		return unknown(condition, v1alpha1.ReasonWaiting, "it is not in force yet")
	case m == nil:
		return unknown(condition, v1alpha1.ReasonNotChecked, "the migration that put it in force did not say what it matches")
	case m.Contacts+m.Conversations+m.Messages == 0:
		return is(condition, false, v1alpha1.ReasonNothingMatches, "it matches nothing that the tenant has: see whether its addresses, conversation, channel and times are right; what comes later is held")
	default:
		return is(condition, true, v1alpha1.ReasonReady, fmt.Sprintf("%d contacts, %d conversations, %d messages when it was put in force", m.Contacts, m.Conversations, m.Messages))
	}
}
