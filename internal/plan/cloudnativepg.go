package plan

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// ClusterKind is CloudNativePG's kind. Its module is not used: it would bring a controller's dependencies along for a few
// fields, which an API server with the real definition holds to.
var ClusterKind = schema.GroupVersionKind{Group: "postgresql.cnpg.io", Version: "v1", Kind: "Cluster"}

// ClusterSleeps is the condition of a Cluster none of whose pods run.
const ClusterSleeps = annotationHibernation

// What CloudNativePG's operator and its pods agree on.
const (
	annotationHibernation = "cnpg.io/hibernation"
	labelCluster          = "cnpg.io/cluster"
	labelReload           = "cnpg.io/reload" // a Secret whose changes its pods take up
	replicationRole       = "streaming_replica"
	instanceManagerPort   = 8000
	defaultInstances      = 2
	defaultCNPGNamespace  = "cnpg-system"
)

// cloudNativePG is a Cluster of CloudNativePG's in the tenant's namespace, with the tenant's own authority.
type cloudNativePG struct{}

// CloudNativePG says how CloudNativePG runs a region's databases; nil when it does not.
func CloudNativePG(region *v1alpha1.Region) *v1alpha1.CloudNativePG {
	if d := region.Spec.Database; d != nil && d.Engine == v1alpha1.EngineCloudNativePG {
		return d.CloudNativePG
	}
	return nil
}

func (cloudNativePG) Objects(in Tenant) []client.Object { return []client.Object{cluster(in)} }

// Policies let the tenant's pods and CloudNativePG's operator in, the database's own pods to each other, and out to the API
// server, by which they agree on who leads. They select by CloudNativePG's own label: the pods of its Jobs, which make a
// database and copy it for a follower, don't inherit ours.
func (cloudNativePG) Policies(in Tenant) []client.Object {
	settings := CloudNativePG(in.Region)
	p := databasePolicy(in)
	p.Spec.PodSelector = metav1.LabelSelector{MatchLabels: ClusterLabels()}
	peers := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: ClusterLabels()}}}
	between := []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, contract.PortPostgres), port(corev1.ProtocolTCP, instanceManagerPort)}
	operator := settings.OperatorNamespace
	if operator == "" {
		operator = defaultCNPGNamespace
	}
	p.Spec.Ingress = append(p.Spec.Ingress,
		networkingv1.NetworkPolicyIngressRule{From: peers, Ports: between},
		networkingv1.NetworkPolicyIngressRule{
			From: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: operator}},
				PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{labelName: "cloudnative-pg"}},
			}},
			Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, instanceManagerPort)},
		})
	p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: peers, Ports: between}, toDNS())
	p.Spec.Egress = append(p.Spec.Egress, in.to(settings.APIServer)...)
	return []client.Object{p}
}

func (cloudNativePG) Way(in Tenant) []networkingv1.NetworkPolicyEgressRule { return embedded{}.Way(in) }

func (cloudNativePG) Service() string { return name.PostgresPrimary }

func (cloudNativePG) Place(in Tenant) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "PGHOST", Value: name.Host(name.PostgresPrimary, in.Namespace())},
		{Name: "PGPORT", Value: strconv.Itoa(contract.PortPostgres)},
		{Name: "PGDATABASE", Value: contract.DatabaseName},
	}
}

func (cloudNativePG) Login(in Tenant, component string) corev1.Volume {
	return embedded{}.Login(in, component)
}

// ServerUser is CloudNativePG's own default.
func (cloudNativePG) ServerUser() int64 { return 26 }

func (cloudNativePG) NoBackups() string { return "" }

// Certificates of the database's own: the Service that the server's is for, and the roles that have a client's, by Secret.
func (cloudNativePG) Certificates() Certificates {
	return Certificates{
		Server:  name.PostgresPrimary,
		Clients: map[string]string{name.ReplicationTLS: replicationRole},
		Labels:  map[string]string{labelReload: "true"},
	}
}

// cluster has no owner: CloudNativePG removes the volumes with it, and they outlive a Tenant that is deleted with Retain
// (docs/design/0001).
func cluster(in Tenant) *unstructured.Unstructured {
	settings := CloudNativePG(in.Region)
	instances := int64(defaultInstances)
	if settings.Instances != nil {
		instances = int64(*settings.Instances)
	}
	hibernation := "off"
	if in.DatabaseStopped {
		hibernation = "on"
	}
	needs := in.databaseNeeds()
	claim := in.volumeClaim()
	size := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	storage := map[string]any{"size": size.String()}
	if claim.Spec.StorageClassName != nil {
		storage["storageClass"] = *claim.Spec.StorageClassName
	}
	spec := map[string]any{
		"instances":         instances,
		"inheritedMetadata": map[string]any{"labels": plain(in.selector(componentDatabase))}, // so that the network policies find its pods
		"affinity": map[string]any{
			"nodeAffinity": plain(in.affinity().NodeAffinity),
			"tolerations":  plain(in.Region.Spec.Tolerations),
		},
		"bootstrap": map[string]any{"initdb": map[string]any{"database": contract.DatabaseName, "owner": contract.DatabaseName}},
		// The certificate's Secret holds the authority too.
		"certificates": map[string]any{
			"serverCASecret": name.PostgresTLS, "serverTLSSecret": name.PostgresTLS,
			"clientCASecret": name.PostgresTLS, "replicationTLSSecret": name.ReplicationTLS,
		},
		"enableSuperuserAccess": true,
		"superuserSecret":       map[string]any{"name": name.Credentials(name.Admin, 1)},
		"postgresql": map[string]any{
			// The first rule that fits counts: nobody comes to CloudNativePG's own last one, which takes logins without TLS.
			"pg_hba": []any{
				"hostssl all all all scram-sha-256 clientcert=verify-full",
				"hostssl replication +sb_backup all scram-sha-256 clientcert=verify-full",
				"hostnossl all all all reject",
			},
			"parameters": map[string]any{
				"shared_buffers": "64MB", "max_connections": "200", "timezone": "UTC", "log_timezone": "UTC",
				// Statements and their parameters can hold personal data: none is logged, not even a failed one.
				"log_min_error_statement": "panic", "log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0", "log_error_verbosity": "terse",
			},
		},
		"resources": plain(needs.resources()),
		"storage":   storage,
		"stopDelay": int64(60),
	}
	if instances > 1 {
		// What is acknowledged stands with a follower too. Without a follower the leader goes on alone, and nobody who may lack something takes its place.
		spec["postgresql"].(map[string]any)["synchronous"] = map[string]any{
			"method": "any", "number": int64(1), "dataDurability": "preferred", "failoverQuorum": true,
		}
	}
	if d := in.Region.Spec.Database; d.Image != "" {
		spec["imageName"] = d.Image
	}
	if len(in.Region.Spec.Tolerations) == 0 {
		unstructured.RemoveNestedField(spec, "affinity", "tolerations")
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(ClusterKind)
	u.SetName(name.Postgres)
	u.SetNamespace(in.Namespace())
	u.SetLabels(in.labels(componentDatabase))
	u.SetAnnotations(map[string]string{annotationHibernation: hibernation})
	return u
}

// ClusterClaim is the claim of the volume of one of a Cluster's pods.
func ClusterClaim(pod string) string { return pod }

// ClusterLabels select the pods and claims of a tenant's Cluster, which are CloudNativePG's.
func ClusterLabels() map[string]string { return map[string]string{labelCluster: name.Postgres} }

// Hibernate has CloudNativePG stop a database and keep its volumes.
func Hibernate(cluster *unstructured.Unstructured) {
	annotations := cluster.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotationHibernation] = "on"
	cluster.SetAnnotations(annotations)
}

// plain gives a value as JSON has it, as unstructured objects need.
func plain(v any) any {
	var content any
	if err := utiljson.Unmarshal([]byte(mustJSON(v)), &content); err != nil {
		panic(err) // it was written just now: cannot happen
	}
	return content
}
