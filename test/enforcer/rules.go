// Package enforcer has the nodes of the local cluster enforce network policies, for tests of what tells whether they do. It does what
// tenants' policies need: pods, namespaces and networks as peers, numbered ports, IPv4. What it does not know it denies.
package enforcer

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// chain is the first of the filter table's own; those of pods are chain-E-IP and chain-I-IP.
const chain = "SWB-POLICY"

// State is what the API server says.
type State struct {
	Namespaces []corev1.Namespace
	Pods       []corev1.Pod
	Policies   []networkingv1.NetworkPolicy
}

// Rules are those of one node, as iptables-restore --noflush reads them: its pods' traffic is looked at after Services have
// become pods. A packet passes when who sends it and who gets it both allow it.
func Rules(node string, s State) string {
	chains, rules := []string{chain}, []string{"-A " + chain + " -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"}
	pods := slices.Clone(s.Pods)
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return cmp.Compare(a.Status.PodIP, b.Status.PodIP) })
	for i := range pods {
		pod := &pods[i]
		if pod.Spec.NodeName != node || !running(pod) {
			continue
		}
		for _, d := range []struct {
			direction    networkingv1.PolicyType
			letter, flag string
		}{{networkingv1.PolicyTypeEgress, "E", "-s"}, {networkingv1.PolicyTypeIngress, "I", "-d"}} {
			allowed, isolated := s.allowed(pod, d.direction)
			if !isolated {
				continue
			}
			own := chain + "-" + d.letter + "-" + pod.Status.PodIP
			chains = append(chains, own)
			rules = append(rules, fmt.Sprintf("-A %s %s %s -j %s", chain, d.flag, pod.Status.PodIP, own))
			for _, match := range allowed {
				rules = append(rules, fmt.Sprintf("-A %s %s -j RETURN", own, match))
			}
			rules = append(rules, "-A "+own+" -j DROP")
		}
	}
	var b strings.Builder
	b.WriteString("*filter\n")
	for _, c := range chains {
		b.WriteString(":" + c + " - [0:0]\n")
	}
	for _, r := range rules {
		b.WriteString(r + "\n")
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

func running(pod *corev1.Pod) bool {
	return pod.Status.PodIP != "" && !pod.Spec.HostNetwork && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// allowed are the matches that let a pod's packets of one direction through, and whether any policy isolates it there.
func (s State) allowed(pod *corev1.Pod, direction networkingv1.PolicyType) (matches []string, isolated bool) {
	for i := range s.Policies {
		p := &s.Policies[i]
		if p.Namespace != pod.Namespace || !slices.Contains(p.Spec.PolicyTypes, direction) || !selects(&p.Spec.PodSelector, pod.Labels) {
			continue
		}
		isolated = true
		if direction == networkingv1.PolicyTypeEgress {
			for _, rule := range p.Spec.Egress {
				matches = append(matches, cross(s.addresses(p.Namespace, rule.To), rule.Ports, "-d")...)
			}
			continue
		}
		for _, rule := range p.Spec.Ingress {
			matches = append(matches, cross(s.addresses(p.Namespace, rule.From), rule.Ports, "-s")...)
		}
	}
	slices.Sort(matches)
	return slices.Compact(matches), isolated
}

// cross gives a match for each address and port.
func cross(addresses []netip.Prefix, ports []networkingv1.NetworkPolicyPort, flag string) (matches []string) {
	for _, address := range addresses {
		if len(ports) == 0 {
			matches = append(matches, flag+" "+address.String())
		}
		for _, port := range ports {
			protocol := corev1.ProtocolTCP
			if port.Protocol != nil {
				protocol = *port.Protocol
			}
			match := fmt.Sprintf("%s %s -p %s", flag, address, strings.ToLower(string(protocol)))
			switch {
			case port.Port == nil:
			case port.Port.IntVal == 0 || port.EndPort != nil:
				continue // a name or a range: not known here, and denied
			default:
				match += fmt.Sprintf(" --dport %d", port.Port.IntVal)
			}
			matches = append(matches, match)
		}
	}
	return matches
}

// addresses of peers; of none, everything.
func (s State) addresses(namespace string, peers []networkingv1.NetworkPolicyPeer) (all []netip.Prefix) {
	if len(peers) == 0 {
		return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			all = append(all, block(peer.IPBlock)...)
			continue
		}
		for i := range s.Pods {
			pod := &s.Pods[i]
			if !running(pod) || peer.PodSelector != nil && !selects(peer.PodSelector, pod.Labels) {
				continue
			}
			if peer.NamespaceSelector == nil && pod.Namespace != namespace || peer.NamespaceSelector != nil && !selects(peer.NamespaceSelector, s.labels(pod.Namespace)) {
				continue
			}
			if ip, err := netip.ParseAddr(pod.Status.PodIP); err == nil && ip.Is4() {
				all = append(all, netip.PrefixFrom(ip, ip.BitLen()))
			}
		}
	}
	return all
}

// block is a network without its exceptions.
func block(b *networkingv1.IPBlock) []netip.Prefix {
	network, err := netip.ParsePrefix(b.CIDR)
	if err != nil || !network.Addr().Is4() {
		return nil
	}
	all := []netip.Prefix{network.Masked()}
	for _, except := range b.Except {
		hole, err := netip.ParsePrefix(except)
		if err != nil {
			return nil
		}
		var rest []netip.Prefix
		for _, p := range all {
			rest = append(rest, without(p, hole.Masked())...)
		}
		all = rest
	}
	return all
}

// without halves a network until the hole is one of its parts.
func without(p, hole netip.Prefix) []netip.Prefix {
	switch {
	case !p.Overlaps(hole):
		return []netip.Prefix{p}
	case hole.Bits() <= p.Bits():
		return nil
	}
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
	bytes := p.Addr().As4()
	bytes[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	return append(without(low, hole), without(netip.PrefixFrom(netip.AddrFrom4(bytes), p.Bits()+1), hole)...)
}

func (s State) labels(namespace string) map[string]string {
	for i := range s.Namespaces {
		if s.Namespaces[i].Name == namespace {
			return s.Namespaces[i].Labels
		}
	}
	return nil
}

func selects(selector *metav1.LabelSelector, of map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(of))
}
