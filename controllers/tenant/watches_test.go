package tenant

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// A change concerns the tenants that it is about: a pass over all of them would take too long.
func TestWhomAChangeConcerns(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	tenant := func(name, namespace string) *v1alpha1.Tenant {
		return &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.TenantSpec{Namespace: namespace}}
	}
	pod := func(name, namespace, node string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Spec: corev1.PodSpec{NodeName: node}}
	}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		tenant("berlin", ""), tenant("boston", "guests"), tenant("rival", "guests"), tenant("paris", ""),
		pod("serve", "tenant-berlin", "mid"), pod("postgres-0", "tenant-berlin", "mid"), pod("not-ours", "guests", "mid"),
		pod("serve", "tenant-paris", "far"), pod("waiting", "tenant-paris", ""), pod("other", "kube-system", "mid"),
	)
	for _, i := range observe.Indexes() {
		b = b.WithIndex(i.Object, i.Field, i.Values)
	}
	r := &Reconciler{Client: b.Build()}
	for what, c := range map[string]struct {
		got  []reconcile.Request
		want []string
	}{
		"a namespace by a Tenant's name":      {r.tenantsIn(t.Context(), "tenant-berlin"), []string{"berlin"}},
		"a namespace that two Tenants claim":  {r.tenantsIn(t.Context(), "guests"), []string{"boston", "rival"}},
		"a namespace that is nobody's":        {r.tenantsIn(t.Context(), "kube-system"), nil},
		"a node, by whatever runs on it":      {r.tenantsOn(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "mid"}}), []string{"berlin", "boston", "rival"}},
		"a node with another tenant's pod":    {r.tenantsOn(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "far"}}), []string{"paris"}},
		"a node that nothing of a tenant has": {r.tenantsOn(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "new"}}), nil},
	} {
		var names []string
		for _, request := range c.got {
			names = append(names, request.Name)
		}
		slices.Sort(names)
		if !slices.Equal(names, c.want) {
			t.Errorf("%s concerns %v, want %v", what, names, c.want)
		}
	}
}
