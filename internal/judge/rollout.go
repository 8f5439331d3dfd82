package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/rollout"
)

// Rollout is what is known of the image that a tenant's pods run.
type Rollout struct {
	Status  *v1alpha1.InstanceStatus // nil while it is not known
	Wanted  string                   // the image that the operator was told to run
	Turn    rollout.Turn             // why it does not run another yet
	Overdue bool                     // it has not become ready with it in time
}

// upToDate is not part of Ready: a tenant is served by the image that it has.
func upToDate(f Rollout) metav1.Condition {
	const condition = v1alpha1.ConditionUpToDate
	switch i := f.Status; {
	case i == nil:
		return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
	case i.Rollout != nil && f.Overdue:
		return is(condition, false, v1alpha1.ReasonRolloutOverdue, fmt.Sprintf(
			"not every pod is available with %s, to which the tenant's turn came at %s; the other tenants wait. See kubectl describe pods in the tenant's namespace, and mend it, or start the operator with %s",
			i.Rollout.To, i.Rollout.Since.UTC().Format(time.RFC3339), i.Rollout.From))
	case i.Rollout != nil:
		return is(condition, false, v1alpha1.ReasonRollingOut, fmt.Sprintf("on the way from %s to %s", i.Rollout.From, i.Rollout.To))
	case f.Turn.Reason != "":
		return is(condition, false, f.Turn.Reason, "runs "+i.Image+without(i)+"; "+f.Turn.Message)
	case i.Image != f.Wanted:
		return is(condition, false, v1alpha1.ReasonWaitingForTurn, fmt.Sprintf("runs %s%s; %s waits until nothing else of the tenant is under way", i.Image, without(i), f.Wanted))
	case len(i.Lacks) > 0:
		return is(condition, false, v1alpha1.ReasonImageTooOld, fmt.Sprintf("runs %s%s: start the operator with an image of its own release, or take that out of spec", i.Image, without(i)))
	default:
		return is(condition, true, v1alpha1.ReasonReady, "runs "+i.Image)
	}
}

func without(i *v1alpha1.InstanceStatus) string {
	if len(i.Lacks) == 0 {
		return ""
	}
	return ", which does not know spec." + strings.Join(i.Lacks, ", spec.")
}

// lacked judges a part of what is asked for that the image does not know.
func (f Rollout) lacked(condition string, parts ...string) (metav1.Condition, bool) {
	if f.Status == nil {
		return metav1.Condition{}, false
	}
	var lacked []string
	for _, p := range f.Status.Lacks {
		if slices.Contains(parts, p) {
			lacked = append(lacked, "spec."+p)
		}
	}
	if len(lacked) == 0 {
		return metav1.Condition{}, false
	}
	return is(condition, false, v1alpha1.ReasonImageTooOld, fmt.Sprintf(
		"%s is not in force: %s, which the tenant's pods run, does not know it, and the tenant's turn at another image brings it; see condition UpToDate",
		strings.Join(lacked, ", "), f.Status.Image)), true
}
