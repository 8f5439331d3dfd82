package plan

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Namespace of a tenant. It has no owner: see docs/design/0001.
func Namespace(in Tenant) *corev1.Namespace {
	labels := TenantLabels(in.Tenant.Name)
	labels[v1alpha1.LabelRegion] = in.Region.Name
	for _, mode := range []string{"enforce", "audit", "warn"} {
		labels["pod-security.kubernetes.io/"+mode] = "restricted"
	}
	return &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: in.Namespace(), Labels: labels},
	}
}

// ManagerBinding lets the operator write in a tenant's namespace, and read Secrets
// there. It has no owner, since without it nothing could be taken down.
func ManagerBinding(in Tenant) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: name.Manager, Namespace: in.Namespace(), Labels: TenantLabels(in.Tenant.Name)},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: name.Manager},
		Subjects: []rbacv1.Subject{{
			Kind: "ServiceAccount", Name: "switchboard-operator", Namespace: in.OperatorNamespace,
		}},
	}
}
