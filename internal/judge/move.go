package judge

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Move is what is known of a tenant's move; Wanted is the Region that spec.move names, empty for none.
type Move struct {
	Wanted string
	Status *v1alpha1.MoveStatus
}

// handsOver says that nothing may be written, or that the database is being opened again.
func handsOver(m *v1alpha1.MoveStatus) bool {
	return m != nil && (m.Phase == v1alpha1.MoveQuiesced || m.Phase == v1alpha1.MoveAborting)
}

// moved is part of Ready only while the database is handed over: a tenant that waits to be moved is served. It is there while a move is asked for or under way.
func moved(f TenantFacts) []metav1.Condition {
	const condition = v1alpha1.ConditionMoved
	m := f.Move.Status
	if f.Move.Wanted == "" && (m == nil || m.Phase == v1alpha1.MoveSourceErased || m.Phase == v1alpha1.MoveAborted) {
		return nil
	}
	if c, says := told(condition, f.Outcome); says {
		return []metav1.Condition{c}
	}
	not := func(reason, message string) []metav1.Condition {
		return []metav1.Condition{is(condition, false, reason, message)}
	}
	switch {
	case m == nil || m.Phase == v1alpha1.MoveSourceErased:
		if f.Move.Wanted == f.Region {
			return []metav1.Condition{is(condition, true, v1alpha1.ReasonReady, "the tenant is in region "+f.Region+", and nothing of it is left elsewhere")}
		}
		return []metav1.Condition{unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")}
	case m.Phase == v1alpha1.MovePlanned && len(m.Plan.Refusals) > 0:
		return not(v1alpha1.ReasonMoveRefused, fmt.Sprintf("%d things are in the way, listed in status.move.plan.refusals; the first: %s", len(m.Plan.Refusals), m.Plan.Refusals[0]))
	case m.Phase == v1alpha1.MovePlanned && m.Failure != "":
		return not(v1alpha1.ReasonMoveFailed, fmt.Sprintf("the last attempt was taken back, and the tenant is served in region %s: %s. To try again, set spec.move.approvedPlan to %s",
			m.From, m.Failure, m.Plan.Digest))
	case m.Phase == v1alpha1.MovePlanned:
		return not(v1alpha1.ReasonMovePlanned, "read status.move.plan.flows; to begin, set spec.move.approvedPlan to "+m.Plan.Digest)
	case m.Phase == v1alpha1.MoveCopying:
		return not(v1alpha1.ReasonMoveCopying, "the database is copied to region "+m.To+" while the tenant is served")
	case m.Phase == v1alpha1.MoveQuiesced:
		return not(v1alpha1.ReasonMoveQuiesced, "nothing is written, and both databases are compared")
	case m.Phase == v1alpha1.MoveSwitched:
		return not(v1alpha1.ReasonMoveSwitched, "the tenant is served from region "+m.To+"; what is left in "+m.From+" is being erased")
	default:
		return not(v1alpha1.ReasonMoveAborting, "the move is being taken back")
	}
}
