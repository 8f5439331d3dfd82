package judge_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/judge"
)

// What a receiver does not take is told with what to do about it, and is no part of Ready.
func TestWebhooks(t *testing.T) {
	since := time.Now()
	for name, c := range map[string]struct {
		state           contract.WebhookState
		told            bool
		reason, message string
	}{
		"not told yet":  {contract.WebhookState{}, false, v1alpha1.ReasonWaiting, ""},
		"taken":         {contract.WebhookState{}, true, v1alpha1.ReasonReady, ""},
		"given up":      {contract.WebhookState{Dead: 2}, true, v1alpha1.ReasonEventsGivenUp, "webhook pms: "},
		"gone":          {contract.WebhookState{Problem: "status-410", Ended: true, Since: &since}, true, v1alpha1.ReasonReceiverGone, "resume"},
		"refused":       {contract.WebhookState{Problem: "status-401", Since: &since}, true, v1alpha1.ReasonReceiverRefuses, "secretRefs"},
		"failing":       {contract.WebhookState{Problem: "status-503", Since: &since}, true, v1alpha1.ReasonReceiverRefuses, "status-503"},
		"not listed":    {contract.WebhookState{Problem: "forbidden", Since: &since}, true, v1alpha1.ReasonReceiverUnreachable, "egress.cidrs"},
		"not trusted":   {contract.WebhookState{Problem: "untrusted", Since: &since}, true, v1alpha1.ReasonReceiverUnreachable, "caBundle"},
		"another place": {contract.WebhookState{Problem: "redirects", Since: &since}, true, v1alpha1.ReasonReceiverRefuses, "url"},
	} {
		t.Run(name, func(t *testing.T) {
			f := judge.TenantFacts{Webhooks: judge.Webhooks{Told: c.told, All: []judge.Webhook{{Name: "pms", State: c.state}}}}
			var found *metav1.Condition
			for _, condition := range judge.Tenant(f) {
				if condition.Type == v1alpha1.ConditionWebhooksDelivered {
					found = &condition
				}
			}
			if found == nil || found.Reason != c.reason || !strings.Contains(found.Message, c.message) {
				t.Errorf("it says %+v", found)
			}
		})
	}
}
