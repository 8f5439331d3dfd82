package plan

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Isolation closes a tenant's namespace and bounds it, before anything runs there.
func Isolation(in Tenant) []client.Object {
	all := []client.Object{DefaultDeny(in), allowDNS(in)}
	all = append(all, in.engine().Policies(in)...)
	all = append(all,
		migratePolicy(in), retainPolicy(in), servePolicy(in), subjectPolicy(in), replayPolicy(in),
		exportPolicy(in), adoptPolicy(in), probePolicy(in),
		quota(in), limits(in),
	)
	if store, _ := Store(in); store != nil {
		all = append(all, storePolicy(in))
	}
	if p := staffOIDCPolicy(in); p != nil {
		all = append(all, p)
	}
	if in.Region.Spec.Tracing != nil {
		all = append(all, tracingPolicy(in))
	}
	return all
}

// Components of a tenant's pods.
const (
	componentDatabase  = "database"
	componentServe     = contract.ComponentServe
	componentMigrate   = "migrate"
	componentRetain    = contract.ComponentRetain
	componentSubject   = contract.ComponentSubject
	componentReplay    = contract.ComponentReplay
	componentAnchor    = "anchor"
	componentBackup    = contract.ComponentBackup
	componentRestore   = "restore"
	componentExport    = contract.ComponentExport
	componentAdopt     = contract.ComponentAdopt
	componentConnector = "connector"
	componentBucket    = "bucket"
	componentExternal  = "external-database"
	componentProbe     = "probe"
	componentIsolation = "isolation"
	componentMove      = "move"
	componentWebhooks  = contract.ComponentWebhooks
	componentWithdraw  = "withdraw"
)

func (in Tenant) networkPolicy(policyName string, pods map[string]string, ingress []networkingv1.NetworkPolicyIngressRule,
	egress []networkingv1.NetworkPolicyEgressRule, owner client.Object, kind string,
) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: in.meta(policyName, in.labels(componentIsolation), owner, kind),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: pods},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress:     ingress, Egress: egress,
		},
	}
}

// DefaultDeny closes a tenant's namespace: nothing enters or leaves but what other policies open.
func DefaultDeny(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("default-deny", nil, nil, nil, in.Tenant, "Tenant")
}

// allowDNS opens names to those who look for something by name: not to the database, which goes nowhere, nor to a
// restore from a volume.
func allowDNS(in Tenant) *networkingv1.NetworkPolicy {
	who := append([]string{componentProbe}, databaseClients...)
	if store, _ := Store(in); store != nil {
		who = append(who, componentBucket, componentRestore)
	}
	if External(in.Region) != nil {
		who = append(who, componentExternal)
	}
	p := in.networkPolicy("allow-dns", nil, nil, []networkingv1.NetworkPolicyEgressRule{toDNS()}, in.Tenant, "Tenant")
	p.Spec.PodSelector = in.anyOf(who...)
	return p
}

func toDNS() networkingv1.NetworkPolicyEgressRule {
	return networkingv1.NetworkPolicyEgressRule{
		To: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "kube-system"}},
			PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
		}},
		// Policies see the pod's port, which is 5353 where the DNS server runs without privileges.
		Ports: []networkingv1.NetworkPolicyPort{
			port(corev1.ProtocolUDP, 53), port(corev1.ProtocolTCP, 53), port(corev1.ProtocolUDP, 5353), port(corev1.ProtocolTCP, 5353),
		},
	}
}

// databaseClients are the components that open the tenant's database.
var databaseClients = []string{
	componentAdopt, componentBackup, componentConnector, componentExport, componentMigrate, componentReplay, componentRetain, componentServe, componentSubject, componentWebhooks,
}

// anyOf selects the tenant's pods of some components.
func (in Tenant) anyOf(components ...string) metav1.LabelSelector {
	return metav1.LabelSelector{
		MatchLabels: map[string]string{v1alpha1.LabelTenant: in.Tenant.Name},
		MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: labelComponent, Operator: metav1.LabelSelectorOpIn, Values: slices.Sorted(slices.Values(components)),
		}},
	}
}

// databasePolicy lets the tenant's own pods in; the database itself goes nowhere.
func databasePolicy(in Tenant) *networkingv1.NetworkPolicy {
	selector := in.anyOf(append([]string{componentProbe}, databaseClients...)...)
	clients := networkingv1.NetworkPolicyIngressRule{
		From:  []networkingv1.NetworkPolicyPeer{{PodSelector: &selector}},
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, contract.PortPostgres)},
	}
	return in.networkPolicy(name.Postgres, in.selector(componentDatabase), []networkingv1.NetworkPolicyIngressRule{clients}, nil, in.Tenant, "Tenant")
}

func migratePolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("migrate", in.selector(componentMigrate), nil, in.toDatabase(), in.Tenant, "Tenant")
}

func retainPolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("retain", in.selector(componentRetain), nil, in.toDatabase(), in.Tenant, "Tenant")
}

func subjectPolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("subject", in.selector(componentSubject), nil, in.toDatabase(), in.Tenant, "Tenant")
}

func servePolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy(name.Serve, in.selector(componentServe), []networkingv1.NetworkPolicyIngressRule{in.fromEdge()},
		in.toDatabase(), in.Tenant, "Tenant")
}

// fromEdge opens the HTTPS port to where routes come from: pods that are no tenant's, and the addresses that the Region
// lists. Who of them may speak is decided by signatures and tokens.
func (in Tenant) fromEdge() networkingv1.NetworkPolicyIngressRule {
	rule := networkingv1.NetworkPolicyIngressRule{
		From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: v1alpha1.LabelTenant, Operator: metav1.LabelSelectorOpDoesNotExist}},
		}}},
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, contract.PortHTTPS)},
	}
	if n := in.Region.Spec.Network; n != nil {
		for _, cidr := range n.ClientCIDRs {
			rule.From = append(rule.From, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: string(cidr)}})
		}
	}
	return rule
}

func port(protocol corev1.Protocol, number int32) networkingv1.NetworkPolicyPort {
	p := intstr.FromInt32(number)
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &p}
}

// IsolationLabels select what Isolation makes.
func IsolationLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentIsolation
	return l
}
