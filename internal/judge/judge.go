// Package judge turns facts into conditions: pure functions that never look at what
// was judged before.
package judge

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// is makes a condition.
func is(condition string, good bool, reason, message string) metav1.Condition {
	status := metav1.ConditionFalse
	if good {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: condition, Status: status, Reason: reason, Message: message}
}

func unknown(condition, reason, message string) metav1.Condition {
	return metav1.Condition{Type: condition, Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// told is what the outcome of the steps says of one condition, and whether it says
// anything of it.
func told(condition string, outcome error) (metav1.Condition, bool) {
	var wait *step.Wait
	if errors.As(outcome, &wait) && wait.Condition == condition {
		return is(condition, false, wait.Reason, wait.Message), true
	}
	var stall *step.Stall
	if errors.As(outcome, &stall) && stall.Condition == condition {
		return is(condition, false, stall.Reason, stall.Message), true
	}
	return metav1.Condition{}, false
}

// summarise adds Ready, and Reconciling or Stalled, as kstatus reads them: Ready is
// the first of the given conditions that is not True.
func summarise(conditions []metav1.Condition, outcome error, ready string) []metav1.Condition {
	var stall *step.Stall
	stalled := errors.As(outcome, &stall)
	summary := is(v1alpha1.ConditionReady, true, v1alpha1.ReasonReady, ready)
	for _, c := range conditions {
		if c.Status != metav1.ConditionTrue {
			summary = is(v1alpha1.ConditionReady, false, c.Reason, c.Message)
			break
		}
	}
	var wait *step.Wait
	switch {
	case stalled:
		summary = is(v1alpha1.ConditionReady, false, stall.Reason, stall.Message)
	case errors.As(outcome, &wait) && summary.Status == metav1.ConditionTrue:
		summary = is(v1alpha1.ConditionReady, false, wait.Reason, wait.Message)
	case outcome != nil && wait == nil:
		summary = is(v1alpha1.ConditionReady, false, v1alpha1.ReasonFailed, outcome.Error())
	}
	all := append([]metav1.Condition{summary}, conditions...)
	switch {
	case stalled:
		all = append(all, is(v1alpha1.ConditionStalled, true, stall.Reason, stall.Message))
	case summary.Status != metav1.ConditionTrue:
		all = append(all, is(v1alpha1.ConditionReconciling, true, summary.Reason, summary.Message))
	}
	return all
}
