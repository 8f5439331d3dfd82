package plan

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// defaultEgressPort is where an egress leads that names no port.
const defaultEgressPort = 443

// to gives what opens an egress: its networks but for what the Region forbids. An egress of which nothing is left opens nothing,
// which a rule without peers would not say: it opens everything.
func (in Tenant) to(e v1alpha1.Egress) []networkingv1.NetworkPolicyEgressRule {
	rule := networkingv1.NetworkPolicyEgressRule{}
	for _, cidr := range e.CIDRs {
		if block := in.allowed(string(cidr)); block != nil {
			rule.To = append(rule.To, networkingv1.NetworkPolicyPeer{IPBlock: block})
		}
	}
	if len(rule.To) == 0 {
		return nil
	}
	for _, p := range e.Ports {
		rule.Ports = append(rule.Ports, port(corev1.ProtocolTCP, int32(p)))
	}
	if len(e.Ports) == 0 {
		rule.Ports = append(rule.Ports, port(corev1.ProtocolTCP, defaultEgressPort))
	}
	return []networkingv1.NetworkPolicyEgressRule{rule}
}

// allowed is a network without the Region's forbidden targets; nil when it is one of them.
func (in Tenant) allowed(cidr string) *networkingv1.IPBlock {
	block := &networkingv1.IPBlock{CIDR: cidr}
	network, err := netip.ParsePrefix(cidr)
	if err != nil || in.Region.Spec.Network == nil {
		return block // the API server takes networks alone; what it can't read, it refuses
	}
	for _, target := range in.Region.Spec.Network.ForbiddenTargets {
		address, err := netip.ParseAddr(target.Address)
		if err != nil || !network.Contains(address) {
			continue
		}
		if network.IsSingleIP() {
			return nil
		}
		if except := netip.PrefixFrom(address, address.BitLen()).String(); !slices.Contains(block.Except, except) {
			block.Except = append(block.Except, except)
		}
	}
	return block
}

// networks are what an egress leads to, for who dials: but for the addresses of except, each as a network of its own.
func (in Tenant) networks(e v1alpha1.Egress) (cidrs, except []string) {
	cidrs = []string{}
	for _, cidr := range e.CIDRs {
		if block := in.allowed(string(cidr)); block != nil {
			cidrs, except = append(cidrs, block.CIDR), append(except, block.Except...)
		}
	}
	return cidrs, except
}
