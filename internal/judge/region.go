package judge

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Region judges a region by the number of its nodes.
func Region(nodes int32, outcome error) []metav1.Condition {
	c := is(v1alpha1.ConditionNodesAvailable, nodes > 0, v1alpha1.ReasonReady, fmt.Sprintf("%d nodes bear the region's labels", nodes))
	if nodes == 0 {
		c.Reason, c.Message = v1alpha1.ReasonNoNodes, "no node bears the region's labels: label one, or change spec.nodeSelector"
	}
	return summarise([]metav1.Condition{c}, outcome, "tenants can be placed here")
}
