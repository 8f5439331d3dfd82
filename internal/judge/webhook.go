package judge

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Webhooks are what is known of a tenant's webhooks.
type Webhooks struct {
	All  []Webhook
	Told bool // the instance has told how they fare
}

// Webhook is what is known of one.
type Webhook struct {
	Name    string
	Refusal *plan.Refusal // it can't be carried out
	State   contract.WebhookState
}

// webhooks is not part of Ready: what others take or don't keeps up nothing here. Nothing is said of a tenant that has none.
func webhooks(f TenantFacts) []metav1.Condition {
	const condition = v1alpha1.ConditionWebhooksDelivered
	if len(f.Webhooks.All) == 0 {
		return nil
	}
	for _, w := range f.Webhooks.All {
		if w.Refusal != nil {
			return []metav1.Condition{is(condition, false, w.Refusal.Reason, fmt.Sprintf("webhook %s: %s", w.Name, w.Refusal.Message))}
		}
	}
	switch {
	case f.Suspended:
		return []metav1.Condition{is(condition, false, v1alpha1.ReasonSuspended, "spec.suspended is true: set it to false to tell other systems again")}
	case f.Residency != nil && f.Residency.EgressClosed:
		return []metav1.Condition{is(condition, false, v1alpha1.ReasonEgressClosed, "something of the tenant is outside of its region, so that nothing is sent: see condition ResidencyCompliant")}
	}
	if c, lacks := f.Rollout.lacked(condition, contract.PartWebhooks); lacks {
		return []metav1.Condition{c}
	}
	if !f.Webhooks.Told {
		return []metav1.Condition{unknown(condition, v1alpha1.ReasonWaiting, "the instance has not told yet how they fare")}
	}
	for _, w := range f.Webhooks.All {
		if reason, message := failing(w.State); reason != "" {
			return []metav1.Condition{is(condition, false, reason, fmt.Sprintf("webhook %s: %s", w.Name, message))}
		}
	}
	for _, w := range f.Webhooks.All {
		if w.State.Dead > 0 {
			return []metav1.Condition{is(condition, false, v1alpha1.ReasonEventsGivenUp, fmt.Sprintf(
				"webhook %s: events were not taken for three days and were given up in the last week; it takes events again. Have the receiver read what it lacks by the staff API", w.Name))}
		}
	}
	return []metav1.Condition{is(condition, true, v1alpha1.ReasonReady, "receivers take what they are told")}
}

// failing says why nothing is taken, and what to do about it. Numbers that change all the time are told by the pod's metrics.
func failing(s contract.WebhookState) (reason, message string) {
	switch s.Problem {
	case "":
		return "", ""
	case contract.WebhookGone:
		return v1alpha1.ReasonReceiverGone, "the receiver answered 410, which ends it: have it taken up there, then change spec.webhooks[].resume, or remove the webhook"
	case contract.WebhookForbidden:
		return v1alpha1.ReasonReceiverUnreachable, "its name leads to an address that is not in the networks of its sub-processor: have the address added to egress.cidrs in the Region's register, or correct url"
	case contract.WebhookUntrusted:
		return v1alpha1.ReasonReceiverUnreachable, "the receiver's certificate is not one of a trusted authority for its name: mend it there, or name the authority in caBundle"
	case contract.WebhookUnreachable:
		return v1alpha1.ReasonReceiverUnreachable, "the receiver does not answer within 15 seconds, or refuses connections: mend it there, and see that egress in the Region's register leads to it"
	case contract.WebhookRedirects:
		return v1alpha1.ReasonReceiverRefuses, "the receiver answers with another address, and none is followed: name that one in url"
	case contract.WebhookUnsigned:
		return v1alpha1.ReasonKeyMissing, "its signing secret can't be read: see that each Secret of secretRefs has key signingSecret"
	case "status-401", "status-403":
		return v1alpha1.ReasonReceiverRefuses, "the receiver answers " + s.Problem + ": see that it verifies with the secret of secretRefs"
	default:
		return v1alpha1.ReasonReceiverRefuses, "the receiver answers " + s.Problem + ": see its own log. Events are tried again for three days"
	}
}
