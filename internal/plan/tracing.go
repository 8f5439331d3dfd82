package plan

import (
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// defaultSamplePercent is what a Region's samplePercent is when it does not say.
const defaultSamplePercent = 5

// traced gives a pod's first container the region's collector, if there is one.
func (in Tenant) traced(pod corev1.PodSpec) corev1.PodSpec {
	to := in.Region.Spec.Tracing
	if to == nil {
		return pod
	}
	c := &pod.Containers[0]
	c.Env = append(c.Env, corev1.EnvVar{Name: contract.EnvTracing, Value: mustJSON(contract.Tracing{
		Endpoint: to.Endpoint, CABundle: to.CABundle, SamplePercent: chosen(to.SamplePercent, defaultSamplePercent),
	})})
	return pod
}

// tracingPolicy lets those who tell of what they do out to the collector's namespace, by its port, and nobody else.
func tracingPolicy(in Tenant) *networkingv1.NetworkPolicy {
	var egress []networkingv1.NetworkPolicyEgressRule
	if namespace, number, ok := collector(in.Region.Spec.Tracing.Endpoint); ok {
		egress = []networkingv1.NetworkPolicyEgressRule{{
			To: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			}},
			Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, number)},
		}}
	}
	p := in.networkPolicy("tracing", nil, nil, egress, in.Tenant, "Tenant")
	p.Spec.PodSelector = in.anyOf(componentConnector, componentServe)
	return p
}

// collector reads the namespace and port of a Service's address; what it can't read opens nothing.
func collector(endpoint string) (namespace string, number int32, ok bool) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", 0, false
	}
	labels := strings.Split(u.Hostname(), ".")
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || len(labels) < 3 || labels[2] != "svc" {
		return "", 0, false
	}
	return labels[1], int32(n), true
}
