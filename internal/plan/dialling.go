package plan

import (
	"cmp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Numbering of what guests see as the sender (SMPP 3.4, 5.2.5 and 5.2.6).
const (
	tonInternational   = 1
	tonNetworkSpecific = 3
	npiISDN            = 1
)

// dialling makes of a connector's objects those of one that dials: of two pods at once, one would be refused, or each get half of the
// messages. The old one goes first. Ready is who is connected; the operator asks those, too, that are not.
func dialling(all []client.Object) []client.Object {
	for _, object := range all {
		switch o := object.(type) {
		case *appsv1.Deployment:
			o.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
		case *corev1.Service:
			o.Spec.PublishNotReadyAddresses = true
		}
	}
	return all
}

// onThePort narrows an egress to the one port that a channel dials; nothing is left when the Region does not allow that.
func onThePort(e v1alpha1.Egress, channel *v1alpha1.Channel) v1alpha1.Egress {
	s := channel.Spec.SMPP
	if s == nil {
		return e
	}
	ports := e.Ports
	if len(ports) == 0 {
		ports = []v1alpha1.Port{defaultEgressPort}
	}
	if !slices.Contains(ports, v1alpha1.Port(s.Port)) {
		return v1alpha1.Egress{}
	}
	return v1alpha1.Egress{CIDRs: e.CIDRs, Ports: []v1alpha1.Port{v1alpha1.Port(s.Port)}}
}

func smppOf(s *v1alpha1.SMPP) *contract.SMPP {
	if s == nil {
		return nil
	}
	ton, npi := int32(tonNetworkSpecific), int32(0)
	if strings.HasPrefix(s.From, "+") {
		ton, npi = tonInternational, npiISDN
	}
	return &contract.SMPP{
		Host: s.Host, Port: int(s.Port), Plain: s.Transport == v1alpha1.SMPPTransportPlain, CABundle: s.CABundle,
		SystemID: s.SystemID, SystemType: s.SystemType, From: s.From, SourceTON: chosen(s.SourceTON, ton), SourceNPI: chosen(s.SourceNPI, npi),
		CountryCode: s.DefaultCountryCode, WindowSize: chosen(s.WindowSize, defaultWindow), EnquireLinkSeconds: chosen(s.EnquireLinkSeconds, defaultEnquireLink),
		MessagesPerSecond: chosen(s.MessagesPerSecond, defaultPace), LongMessages: cmp.Or(string(s.LongMessages), defaultLongMessages),
	}
}

func chosen(value *int32, otherwise int32) int {
	if value != nil {
		return int(*value)
	}
	return int(otherwise)
}
