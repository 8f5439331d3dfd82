// Package plan says what should be there: pure functions from what people asked
// for to Kubernetes objects. No client, no clock, no randomness.
//
// Isolation, Database, Setup, Server, Connector and Retention are the contents
// pages: read them to know what a tenant gets. Golden files in testdata show it.
package plan

import (
	"cmp"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Tenant is what the plan of a tenant is made from.
type Tenant struct {
	Tenant *v1alpha1.Tenant
	Region *v1alpha1.Region
	Images Images
	// OperatorNamespace is where the operator's service account lives.
	OperatorNamespace string
	// Versions of the credentials that workloads use, by component.
	Versions map[string]int
	// Claim is that of the database's volume where it exists already: it can't be changed.
	Claim *corev1.PersistentVolumeClaimSpec
	// Database is the StatefulSet of the tenant's database; empty for one that never moved.
	Database string
	// Incoming is the region that the tenant moves to, while its database is copied there; nil otherwise.
	Incoming *v1alpha1.Region
	// Epoch counts the times that an older database was put back.
	Epoch int32
	// DatabaseStopped while a backup is put back.
	DatabaseStopped bool
	// DefaultClass is the cluster's default StorageClass; empty when there is none.
	DefaultClass string
	// Gateway says that the cluster knows Gateway API routes.
	Gateway bool
}

// Images of a tenant's pods.
type Images struct {
	Instance string
	Postgres string
}

// image of the tenant's pods: the one that status says, until the tenant's turn comes to run another.
func (in Tenant) image() string {
	if i := in.Tenant.Status.Instance; i != nil {
		return i.Image
	}
	return in.Images.Instance
}

// migrator is the image that the database is migrated by: of a tenant whose pods are about to run another, that one already.
func (in Tenant) migrator() string {
	if i := in.Tenant.Status.Instance; i != nil && i.Rollout != nil {
		return i.Rollout.To
	}
	return in.image()
}

// EgressClosed says that something of the tenant is outside of its region, as its status tells: nothing is sent until it is back. What
// status does not tell yet stops nothing: a connector that ends before that takes along the only trace of where it was.
func (in Tenant) EgressClosed() bool {
	r := in.Tenant.Status.Residency
	return r != nil && r.EgressClosed
}

// Login is one login role of the database, whose password stands in
// name.Credentials(Component, Version).
type Login struct {
	Component string
	Version   int
}

// Role is the login's name in the database.
func (l Login) Role() string { return contract.LoginRole(l.Component, l.Version) }

// Namespace of the tenant.
func (in Tenant) Namespace() string {
	if in.Tenant.Spec.Namespace != "" {
		return in.Tenant.Spec.Namespace
	}
	return name.Namespace(in.Tenant.Name)
}

// DatabaseName is the StatefulSet of the tenant's database.
func (in Tenant) DatabaseName() string { return cmp.Or(in.Database, name.Postgres) }

// NodeSelector of the tenant's region.
func (in Tenant) NodeSelector() map[string]string { return NodeSelector(in.Region) }

// NodeSelector gives the labels of a region's nodes.
func NodeSelector(region *v1alpha1.Region) map[string]string {
	if len(region.Spec.NodeSelector) == 0 {
		return map[string]string{corev1.LabelTopologyRegion: region.Name}
	}
	selector := map[string]string{}
	for k, v := range region.Spec.NodeSelector {
		selector[k] = string(v)
	}
	return selector
}

// Labels that every object of a tenant bears.
const (
	labelName      = "app.kubernetes.io/name"
	labelComponent = "app.kubernetes.io/component"
	labelManagedBy = "app.kubernetes.io/managed-by"

	// ManagedBy is the value of app.kubernetes.io/managed-by.
	ManagedBy = "switchboard"
)

// TenantLabels select everything that the operator made for a tenant.
func TenantLabels(tenant string) map[string]string {
	return map[string]string{labelManagedBy: ManagedBy, v1alpha1.LabelTenant: tenant}
}

// Component of an object that the operator made for a tenant, such as serve, and the channel where it is a connector's; empty
// for an object of somebody else's.
func Component(o client.Object) (component, channel string) {
	l := o.GetLabels()
	return l[labelComponent], l[v1alpha1.LabelChannel]
}

// labels of an object of one component; extra holds pairs.
func (in Tenant) labels(component string, extra ...string) map[string]string {
	l := TenantLabels(in.Tenant.Name)
	l[labelName] = "switchboard"
	l[labelComponent] = component
	for i := 0; i+1 < len(extra); i += 2 {
		l[extra[i]] = extra[i+1]
	}
	return l
}

// selector of a component's pods; it can't change in a Deployment's life.
func (in Tenant) selector(component string, extra ...string) map[string]string {
	l := in.labels(component, extra...)
	delete(l, labelName)
	delete(l, labelManagedBy)
	return l
}

// meta of an object in the tenant's namespace, owned by who asked for it.
func (in Tenant) meta(objectName string, labels map[string]string, owner client.Object, kind string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: objectName, Namespace: in.Namespace(), Labels: maps.Clone(labels),
		OwnerReferences: []metav1.OwnerReference{owned(owner, kind)},
	}
}

func (in Tenant) tenantMeta(objectName, component string) metav1.ObjectMeta {
	return in.meta(objectName, in.labels(component), in.Tenant, "Tenant")
}

func owned(owner client.Object, kind string) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: kind, Name: owner.GetName(), UID: owner.GetUID(),
		Controller: &yes, BlockOwnerDeletion: &yes,
	}
}

// PublicURL is the tenant's origin.
func (in Tenant) PublicURL() string { return "https://" + in.Tenant.Spec.Hostname }
