package judge

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// ChannelFacts are what is known of a channel.
type ChannelFacts struct {
	Outcome          error
	Suspended        bool
	Accepted         bool
	EgressClosed     bool // something of the tenant is outside of its region
	CredentialsReady bool
	Connector        observe.Workload
	Dials            bool // the connector calls the provider, and is available while it is bound there
	// CredentialsAccepted: the provider takes them.
	CredentialsAccepted bool
}

// Channel judges a channel.
func Channel(f ChannelFacts) []metav1.Condition {
	step := func(condition string, ok bool, message string) metav1.Condition {
		if c, says := told(condition, f.Outcome); says {
			return c
		}
		if ok {
			return is(condition, true, v1alpha1.ReasonReady, message)
		}
		return unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")
	}
	connector := step(v1alpha1.ConditionConnectorAvailable, false, "")
	switch {
	case connector.Status != metav1.ConditionUnknown:
	case f.Suspended:
		connector = is(connector.Type, false, v1alpha1.ReasonSuspended, "the tenant is suspended: set spec.suspended of the Tenant to false")
	case f.EgressClosed:
		connector = is(connector.Type, false, v1alpha1.ReasonEgressClosed, "something of the tenant is outside of its region, so that nothing is sent: see condition ResidencyCompliant of the Tenant")
	case f.Dials && f.Connector.Exists && f.Connector.Available > 0:
		connector = is(connector.Type, true, v1alpha1.ReasonReady, "the connector is bound at the message centre")
	case f.Dials && f.Connector.Exists:
		connector = is(connector.Type, false, v1alpha1.ReasonProgressing, "the connector is not bound at the message centre; see condition CredentialsAccepted, and its log if this lasts")
	case f.Connector.Exists && f.Connector.Available > 0:
		connector = is(connector.Type, true, v1alpha1.ReasonReady, "the connector takes webhooks")
	case f.Connector.Exists:
		connector = is(connector.Type, false, v1alpha1.ReasonProgressing, "the connector's pod is not available; see kubectl describe pods in the tenant's namespace if this lasts")
	}
	return summarise([]metav1.Condition{
		step(v1alpha1.ConditionAccepted, f.Accepted, "the channel agrees with its Region's rules"),
		step(v1alpha1.ConditionCredentialsReady, f.CredentialsReady, "the provider's credentials are there"),
		connector,
		step(v1alpha1.ConditionCredentialsAccepted, f.CredentialsAccepted, "the provider takes the credentials"),
	}, f.Outcome, "the channel takes and sends messages")
}
