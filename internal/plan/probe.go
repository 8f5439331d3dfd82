package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// neighbours is how many other tenants a tenant's probe tries. Each tenant is tried by as many, and one that comes or goes has
// no more than so many probes repeated, however many tenants there are.
const neighbours = 3

// Neighbours are the tenants that a tenant's probe tries: the next ones in the order of the alphabet, which is a ring.
func Neighbours(tenant string, all []string) []string {
	ring := ringFrom(tenant, all)
	return ring[:min(len(ring), neighbours)]
}

// NeighboursOf are the tenants whose probes try a tenant, whether or not it is among all: those that it is next to.
func NeighboursOf(tenant string, all []string) []string {
	ring := ringFrom(tenant, all)
	return slices.Sorted(slices.Values(ring[max(len(ring)-neighbours, 0):]))
}

// ringFrom gives the others in the order of the alphabet, from the one after a tenant round to the one before it.
func ringFrom(tenant string, all []string) []string {
	ring := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(all))), func(t string) bool { return t == tenant })
	next, _ := slices.BinarySearch(ring, tenant)
	return append(ring[next:len(ring):len(ring)], ring[:next]...)
}

// Neighbour is another tenant of the cluster, by the addresses of its Services: its name is nobody's business in the
// namespace where it is tried from. An address that is empty is not there.
type Neighbour struct {
	Database, Serve string
}

// ProbeOf is what a tenant's probe tries: its own database and the cluster's DNS, by which it finds it, must answer; the API server,
// other tenants, and what the Region forbids must not.
func ProbeOf(in Tenant, others []Neighbour) contract.Probe {
	p := contract.Probe{
		Open: []contract.Target{{Name: "database", Address: address(name.Host(in.engine().Service(), in.Namespace()), contract.PortPostgres)}},
		// By its Service, as pods know it.
		Closed: []contract.Target{{Name: "kubernetes-api", Address: address(name.Host("kubernetes", metav1.NamespaceDefault), httpsPort)}},
	}
	if in.engine().Service() == "" { // where the database is stands in a Secret
		p.Open[0] = contract.Target{Name: "dns", Address: address(name.Host("kube-dns", metav1.NamespaceSystem), dnsPort)}
	}
	for i, other := range others {
		if other.Database != "" {
			p.Closed = append(p.Closed, contract.Target{Name: fmt.Sprintf("neighbour-%d-database", i+1), Address: address(other.Database, contract.PortPostgres)})
		}
		if other.Serve != "" {
			p.Closed = append(p.Closed, contract.Target{Name: fmt.Sprintf("neighbour-%d-api", i+1), Address: address(other.Serve, httpsPort)})
		}
	}
	if n := in.Region.Spec.Network; n != nil {
		for _, target := range n.ForbiddenTargets {
			number := int32(defaultForbiddenPort)
			if target.Port != nil {
				number = int32(*target.Port)
			}
			p.Closed = append(p.Closed, contract.Target{Name: "forbidden-" + target.Name, Address: address(target.Address, number)})
		}
	}
	return p
}

const (
	httpsPort            = 443 // of Services
	dnsPort              = 53
	defaultForbiddenPort = 80 // where clouds have their metadata
)

func address(host string, number int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(number)))
}

// probePolicy lets the probe to the database, where it is in the namespace.
func probePolicy(in Tenant) *networkingv1.NetworkPolicy {
	var egress []networkingv1.NetworkPolicyEgressRule
	if in.engine().Service() != "" {
		egress = in.toDatabase()
	}
	return in.networkPolicy("probe", in.selector(componentProbe), nil, egress, in.Tenant, "Tenant")
}

// Probe is the Job that tries, and the digest of all that its outcome stands for: what is tried, from where, and under which policies.
// renews tells apart the probes of one digest: it is the time of the one before, or empty.
func Probe(in Tenant, tried contract.Probe, renews string) (job *batchv1.Job, digest string) {
	container := in.instance("probe", need{cpu: "10m", memory: "16Mi", memoryLimit: "64Mi"}, []corev1.EnvVar{
		{Name: contract.EnvProbe, Value: mustJSON(tried)},
		{Name: contract.EnvNode, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "spec.nodeName"}}},
	}, nil)
	pod := in.pod(instanceUser, []corev1.Container{container}, nil)
	pod.RestartPolicy = corev1.RestartPolicyNever
	retries, deadline := int32(1), int64(10*60)
	job = &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: in.tenantMeta("", componentProbe),
		Spec: batchv1.JobSpec{
			BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentProbe)}, Spec: pod},
		},
	}
	under := in.Tenant.Annotations[v1alpha1.AnnotationProbe] + mustJSON(job.Spec)
	for _, o := range Isolation(in) {
		if p, ok := o.(*networkingv1.NetworkPolicy); ok {
			under += mustJSON(p.Spec)
		}
	}
	digest = hash(under)
	job.Name = name.Probe(hash(digest + renews))
	return job, digest
}

func hash(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:8])
}

// ProbeLabels select the Jobs that probe a tenant's network.
func ProbeLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentProbe
	return l
}
