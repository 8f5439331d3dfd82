package judge

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// window is not part of Ready: staff are served while automated messages wait. Nothing is said of a tenant that has none.
func window(f TenantFacts) []metav1.Condition {
	const condition = v1alpha1.ConditionSendWindowInForce
	w := f.SendWindow
	if w == nil {
		return nil
	}
	if _, refusal := plan.SendWindow(w); refusal != nil {
		return []metav1.Condition{is(condition, false, refusal.Reason, refusal.Message)}
	}
	if !f.Setup.Done {
		return []metav1.Condition{unknown(condition, v1alpha1.ReasonWaiting, "the database does not know it yet as it is asked for now")}
	}
	if c, lacks := f.Rollout.lacked(condition, contract.PartSendWindow); lacks {
		return []metav1.Condition{c}
	}
	return []metav1.Condition{is(condition, true, v1alpha1.ReasonReady, fmt.Sprintf(
		"automated messages go from %s to %s by the recipient's clock, which is that of %s where it is not known", w.Start, w.End, w.TimeZone))}
}
