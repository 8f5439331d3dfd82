package enforcer

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func pod(namespace, name, node, ip string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{PodIP: ip, Phase: corev1.PodRunning},
	}
}

func labelled(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func TestRules(t *testing.T) {
	both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	number := intstr.FromInt32(5432)
	ports := []networkingv1.NetworkPolicyPort{{Port: &number}}
	ended := pod("a", "job", "eu-1", "10.0.0.9")
	ended.Status.Phase = corev1.PodSucceeded
	s := State{
		Namespaces: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"tenant": "a"}}}, {ObjectMeta: metav1.ObjectMeta{Name: "free"}}},
		Pods: []corev1.Pod{
			pod("a", "serve", "eu-1", "10.0.0.1"), pod("a", "database", "eu-1", "10.0.0.2"), pod("b", "serve", "eu-1", "10.0.0.3"), pod("free", "gateway", "us-1", "10.0.1.1"), ended,
		},
		Policies: []networkingv1.NetworkPolicy{
			{ObjectMeta: metav1.ObjectMeta{Namespace: "a"}, Spec: networkingv1.NetworkPolicySpec{PolicyTypes: both}},
			{ObjectMeta: metav1.ObjectMeta{Namespace: "a"}, Spec: networkingv1.NetworkPolicySpec{PodSelector: *labelled("serve"), PolicyTypes: both,
				Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{
					MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tenant", Operator: metav1.LabelSelectorOpDoesNotExist}},
				}, PodSelector: labelled("gateway")}}}},
				Egress: []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{PodSelector: labelled("database")}}, Ports: ports}}}},
		},
	}
	want := `*filter
:SWB-POLICY - [0:0]
:SWB-POLICY-E-10.0.0.1 - [0:0]
:SWB-POLICY-I-10.0.0.1 - [0:0]
:SWB-POLICY-E-10.0.0.2 - [0:0]
:SWB-POLICY-I-10.0.0.2 - [0:0]
-A SWB-POLICY -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
-A SWB-POLICY -s 10.0.0.1 -j SWB-POLICY-E-10.0.0.1
-A SWB-POLICY-E-10.0.0.1 -d 10.0.0.2/32 -p tcp --dport 5432 -j RETURN
-A SWB-POLICY-E-10.0.0.1 -j DROP
-A SWB-POLICY -d 10.0.0.1 -j SWB-POLICY-I-10.0.0.1
-A SWB-POLICY-I-10.0.0.1 -s 10.0.1.1/32 -j RETURN
-A SWB-POLICY-I-10.0.0.1 -j DROP
-A SWB-POLICY -s 10.0.0.2 -j SWB-POLICY-E-10.0.0.2
-A SWB-POLICY-E-10.0.0.2 -j DROP
-A SWB-POLICY -d 10.0.0.2 -j SWB-POLICY-I-10.0.0.2
-A SWB-POLICY-I-10.0.0.2 -j DROP
COMMIT
`
	if got := Rules("eu-1", s); got != want {
		t.Errorf("rules are\n%s", got)
	}
	if got := Rules("us-1", s); strings.Count(got, "\n") != 4 {
		t.Errorf("a node without isolated pods has\n%s", got)
	}
}

func TestANetworkHasItsHoles(t *testing.T) {
	all := block(&networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"169.254.169.254/32", "10.0.0.0/8"}})
	in := func(ip string) bool {
		return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(netip.MustParseAddr(ip)) })
	}
	for ip, want := range map[string]bool{
		"169.254.169.254": false, "169.254.169.253": true, "169.254.169.255": true, "10.0.0.0": false, "10.255.255.255": false, "9.255.255.255": true, "11.0.0.0": true, "255.255.255.255": true, "0.0.0.0": true,
	} {
		if in(ip) != want {
			t.Errorf("%s is in it: %t", ip, !want)
		}
	}
	if whole := block(&networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.0.0.0/8"}}); len(whole) != 0 {
		t.Errorf("nothing is left of it, but %v", whole)
	}
}
