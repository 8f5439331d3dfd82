package plan

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Isolation closes a tenant's namespace and bounds it, before anything runs there.
func Isolation(in Tenant) []client.Object {
	all := []client.Object{
		DefaultDeny(in), allowDNS(in), databasePolicy(in), migratePolicy(in), retainPolicy(in), servePolicy(in), subjectPolicy(in), replayPolicy(in),
		exportPolicy(in), adoptPolicy(in),
		quota(in), limits(in),
	}
	if store, _ := Store(in); store != nil {
		all = append(all, storePolicy(in))
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
	componentIsolation = "isolation"
	componentMove      = "move"
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

func allowDNS(in Tenant) *networkingv1.NetworkPolicy {
	dns := networkingv1.NetworkPolicyEgressRule{
		To: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "kube-system"}},
			PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
		}},
		// Policies see the pod's port, which is 5353 where the DNS server runs without privileges.
		Ports: []networkingv1.NetworkPolicyPort{
			port(corev1.ProtocolUDP, 53), port(corev1.ProtocolTCP, 53), port(corev1.ProtocolUDP, 5353), port(corev1.ProtocolTCP, 5353),
		},
	}
	return in.networkPolicy("allow-dns", nil, nil, []networkingv1.NetworkPolicyEgressRule{dns}, in.Tenant, "Tenant")
}

// databasePolicy lets the tenant's own pods in; the database itself goes nowhere.
func databasePolicy(in Tenant) *networkingv1.NetworkPolicy {
	clients := networkingv1.NetworkPolicyIngressRule{
		From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: labelComponent, Operator: metav1.LabelSelectorOpIn,
			Values: []string{componentAdopt, componentBackup, componentConnector, componentExport, componentMigrate, componentReplay, componentRetain, componentServe, componentSubject},
		}}}}},
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, contract.PortPostgres)},
	}
	return in.networkPolicy(name.Postgres, in.selector(componentDatabase), []networkingv1.NetworkPolicyIngressRule{clients}, nil, in.Tenant, "Tenant")
}

func migratePolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("migrate", in.selector(componentMigrate), nil, []networkingv1.NetworkPolicyEgressRule{in.toDatabase()}, in.Tenant, "Tenant")
}

func retainPolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("retain", in.selector(componentRetain), nil, []networkingv1.NetworkPolicyEgressRule{in.toDatabase()}, in.Tenant, "Tenant")
}

func subjectPolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("subject", in.selector(componentSubject), nil, []networkingv1.NetworkPolicyEgressRule{in.toDatabase()}, in.Tenant, "Tenant")
}

func servePolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy(name.Serve, in.selector(componentServe), []networkingv1.NetworkPolicyIngressRule{fromAnywhere()},
		[]networkingv1.NetworkPolicyEgressRule{in.toDatabase()}, in.Tenant, "Tenant")
}

// fromAnywhere opens the HTTPS port alone: routes come from the cluster's edge, and who may speak is decided by
// signatures and tokens.
func fromAnywhere() networkingv1.NetworkPolicyIngressRule {
	return networkingv1.NetworkPolicyIngressRule{Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, contract.PortHTTPS)}}
}

func (in Tenant) toDatabase() networkingv1.NetworkPolicyEgressRule {
	return networkingv1.NetworkPolicyEgressRule{
		To:    []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: in.selector(componentDatabase)}}},
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, contract.PortPostgres)},
	}
}

// to gives what opens an egress.
func to(e v1alpha1.Egress) networkingv1.NetworkPolicyEgressRule {
	rule := networkingv1.NetworkPolicyEgressRule{}
	for _, cidr := range e.CIDRs {
		rule.To = append(rule.To, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: string(cidr)}})
	}
	for _, p := range e.Ports {
		rule.Ports = append(rule.Ports, port(corev1.ProtocolTCP, int32(p)))
	}
	if len(e.Ports) == 0 {
		rule.Ports = append(rule.Ports, port(corev1.ProtocolTCP, 443))
	}
	return rule
}

func port(protocol corev1.Protocol, number int32) networkingv1.NetworkPolicyPort {
	p := intstr.FromInt32(number)
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &p}
}

// quota bounds what a tenant can take from the others, and forbids what would open a way around the routes.
func quota(in Tenant) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"},
		ObjectMeta: in.tenantMeta(name.Quota, componentIsolation),
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
			corev1.ResourcePods:                  resource.MustParse("100"),
			corev1.ResourceServicesLoadBalancers: resource.MustParse("0"),
			corev1.ResourceServicesNodePorts:     resource.MustParse("0"),
			corev1.ResourceRequestsCPU:           resource.MustParse("16"),
			corev1.ResourceRequestsMemory:        resource.MustParse("32Gi"),
		}},
	}
}

// limits bound a container that names none; all of ours do.
func limits(in Tenant) *corev1.LimitRange {
	return &corev1.LimitRange{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "LimitRange"},
		ObjectMeta: in.tenantMeta(name.Limits, componentIsolation),
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type:           corev1.LimitTypeContainer,
			Default:        corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
			DefaultRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
		}}},
	}
}

// IsolationLabels select what Isolation makes.
func IsolationLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentIsolation
	return l
}
