package plan

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Engine is a way to run the databases of a region's tenants, or to reach those that somebody else runs. Whatever works
// with a database asks its engine; all else is the same for every tenant.
type Engine interface {
	// Objects run the database in the tenant's namespace.
	Objects(in Tenant) []client.Object
	// Policies are the network policies of its own pods.
	Policies(in Tenant) []client.Object
	// Way is how the tenant's other pods get there.
	Way(in Tenant) []networkingv1.NetworkPolicyEgressRule
	// Service in the tenant's namespace that leads there; empty when it is elsewhere.
	Service() string
	// Place tells a pod where it is, as libpq's variables.
	Place(in Tenant) []corev1.EnvVar
	// Login is a component's way in, or that of name.Admin, laid out as contract.DirDatabase.
	Login(in Tenant, component string) corev1.Volume
	// ServerUser is whom the server runs as, and whose its files are.
	ServerUser() int64
	// NoBackups says why the operator makes no backups of it, and puts none back; empty when it does.
	NoBackups() string
	// Certificates are those that the tenant's authority issues for the database's own pods.
	Certificates() Certificates
}

// Certificates of a database's own pods.
type Certificates struct {
	Server  string            // Service that the certificate in name.PostgresTLS is for; empty when there is none
	Clients map[string]string // Secret of a client certificate → role that it is for
	Labels  map[string]string // that these Secrets bear for somebody else's controller
}

// EngineOf gives the engine of a region.
func EngineOf(region *v1alpha1.Region) Engine {
	switch {
	case External(region) != nil:
		return external{}
	case CloudNativePG(region) != nil:
		return cloudNativePG{}
	default:
		return embedded{}
	}
}

// External says who runs a region's databases; nil when they run in the tenants' namespaces.
func External(region *v1alpha1.Region) *v1alpha1.ExternalDatabase {
	if d := region.Spec.Database; d != nil && d.Engine == v1alpha1.EngineExternal {
		return d.External
	}
	return nil
}

// Database is what runs a tenant's database in its namespace.
func Database(in Tenant) []client.Object { return in.engine().Objects(in) }

func (in Tenant) engine() Engine { return EngineOf(in.Region) }

func (in Tenant) toDatabase() []networkingv1.NetworkPolicyEgressRule { return in.engine().Way(in) }

// databaseVolume holds a component's login.
func (in Tenant) databaseVolume(component string) corev1.Volume {
	return in.engine().Login(in, component)
}
