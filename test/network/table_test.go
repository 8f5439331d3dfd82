package network

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

var update = flag.Bool("update", false, "write the tables anew")

// party is somebody who may speak or be spoken to.
type party struct {
	name   string
	peer   matcher.TrafficPeer
	tenant string // whose pod it is; empty outside of tenants
}

// outside are those who are no tenant's.
func outside() []party {
	inside := func(namespace, ip string, labels map[string]string) matcher.TrafficPeer {
		return matcher.TrafficPeer{IP: ip, Internal: &matcher.InternalPeer{
			Namespace: namespace, PodLabels: labels, NamespaceLabels: map[string]string{corev1.LabelMetadataName: namespace},
		}}
	}
	at := func(ip string) matcher.TrafficPeer { return matcher.TrafficPeer{IP: ip} }
	return []party{
		{name: "pod: cluster DNS", peer: inside("kube-system", "10.1.0.2", map[string]string{"k8s-app": "kube-dns"})},
		{name: "pod: other of kube-system", peer: inside("kube-system", "10.1.0.3", map[string]string{"k8s-app": "metrics"})},
		{name: "pod: DNS of somebody else", peer: inside("default", "10.1.0.4", map[string]string{"k8s-app": "kube-dns"})},
		{name: "pod: gateway", peer: inside("gateways", "10.1.0.5", map[string]string{"app": "gateway"})},
		{name: "pod: operator", peer: inside("switchboard-system", "10.1.0.6", map[string]string{"app.kubernetes.io/name": "switchboard"})},
		// Bears a tenant's labels, in a namespace that is not the tenant's.
		{name: "pod: impostor", peer: inside("default", "10.1.0.7", map[string]string{labelTenant: "hotel-berlin", labelComponent: "serve"})},
		{name: "host: API server", peer: at("10.0.0.1")},
		{name: "host: proxy of clientCIDRs", peer: at("10.0.8.7")},
		{name: "host: node", peer: at("10.0.0.9")},
		{name: "host: cloud metadata", peer: at("169.254.169.254")},
		{name: "host: sub-processor", peer: at("168.86.128.9")},
		{name: "host: webhooks' receiver", peer: at("198.51.100.7")},
		{name: "host: object store", peer: at("192.0.2.10")},
		{name: "host: anywhere", peer: at("203.0.113.9")},
	}
}

// ports that are tried: all that something listens on, or that a policy names, and some that nobody has a business with.
var ports = []int{22, 53, 80, 443, 2379, 5353, 5432, 6443, 8080, 8443, 10250}

var protocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}

// inhabitants are the pods of a tenant.
func (f tenant) inhabitants(number int) []party {
	var all []party
	for i, component := range slices.Sorted(maps.Keys(f.pods)) {
		labels := f.pods[component]
		all = append(all, party{name: component, tenant: f.namespace.Name, peer: matcher.TrafficPeer{
			IP:       fmt.Sprintf("10.1.%d.%d", number, i+1),
			Internal: &matcher.InternalPeer{Namespace: f.namespace.Name, NamespaceLabels: f.namespace.Labels, PodLabels: labels},
		}})
	}
	return all
}

// allowed lists, from whom to whom on which ports, all that one tenant may, asking the engine of every pair, port and protocol.
// theirs are the policies and pods of a neighbour; breaches are the lines that lead from one tenant to the other.
func allowed(ours, theirs tenant) (lines, breaches []string) {
	policies := matcher.BuildNetworkPolicies(false, append(slices.Clone(ours.policies), theirs.policies...))
	us, others := ours.inhabitants(1), append(outside(), theirs.inhabitants(2)...)
	ask := func(from, to party) {
		if from.name == to.name && from.tenant == to.tenant {
			return // a pod and itself, which no policy is asked about
		}
		var open []string
		for _, protocol := range protocols {
			for _, port := range ports {
				if policies.IsTrafficAllowed(&matcher.Traffic{Source: &from.peer, Destination: &to.peer, ResolvedPort: port, Protocol: protocol}).IsAllowed() {
					open = append(open, fmt.Sprintf("%d/%s", port, protocol))
				}
			}
		}
		if len(open) == 0 {
			return
		}
		line := fmt.Sprintf("%s -> %s: %s", from.name, to.name, strings.Join(open, " "))
		lines = append(lines, line)
		if from.tenant != "" && to.tenant != "" && from.tenant != to.tenant {
			breaches = append(breaches, line)
		}
	}
	for _, from := range us {
		for _, to := range append(slices.Clone(us), others...) {
			ask(from, to)
		}
	}
	for _, from := range others {
		for _, to := range us {
			ask(from, to)
		}
	}
	return lines, breaches
}

// TestWhoMayReachWhom holds each tenant to its table, which is complete: what is not in it is denied, for every pair of pods and hosts,
// every port and protocol. After a change that is meant: go test -update, and read the difference.
func TestWhoMayReachWhom(t *testing.T) {
	for plan, neighbour := range map[string]string{"everything": "usual", "usual": "everything", "object-store": "everything", "minimal": "everything"} {
		t.Run(plan, func(t *testing.T) {
			lines, breaches := allowed(load(t, plan), load(t, neighbour))
			if len(breaches) > 0 {
				t.Errorf("one tenant reaches the other: %q", breaches)
			}
			got := strings.Join(lines, "\n") + "\n"
			path := filepath.Join("testdata", plan+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("who may reach whom is not as %s says; allowed is:\n%s", path, got)
			}
		})
	}
}

// TestTheEngineSeesAnOpening: a judge that said no to everything would prove nothing. A neighbour that may go anywhere gets in only
// where somebody lets it in.
func TestTheEngineSeesAnOpening(t *testing.T) {
	ours, theirs := load(t, "usual"), load(t, "everything")
	theirs.policies = widened(theirs.policies, "default-deny", func(p *networkingv1.NetworkPolicySpec) {
		p.Egress = append(p.Egress, networkingv1.NetworkPolicyEgressRule{})
	})
	if _, breaches := allowed(ours, theirs); len(breaches) > 0 {
		t.Errorf("a neighbour that may go anywhere gets in: %q", breaches)
	}
	for _, hole := range []string{"default-deny", "postgres", "serve"} {
		open := ours
		open.policies = widened(ours.policies, hole, func(p *networkingv1.NetworkPolicySpec) {
			p.Ingress = append(p.Ingress, networkingv1.NetworkPolicyIngressRule{})
		})
		if _, breaches := allowed(open, theirs); len(breaches) == 0 {
			t.Errorf("with %s open to everybody, no neighbour gets in", hole)
		}
	}
}

func widened(policies []*networkingv1.NetworkPolicy, name string, widen func(*networkingv1.NetworkPolicySpec)) []*networkingv1.NetworkPolicy {
	all := slices.Clone(policies)
	for i, p := range all {
		if p.Name == name {
			all[i] = p.DeepCopy()
			widen(&all[i].Spec)
		}
	}
	return all
}
