package tenant

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// The ring is listed once; after that it is what the watch tells.
func TestTheRingFollowsWhatTheWatchTells(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	tenant := func(name string) *v1alpha1.Tenant { return &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	going := tenant("e")
	going.Finalizers = []string{v1alpha1.FinalizerTenant}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(tenant("b"), tenant("d"), going).Build()
	r := &Reconciler{Client: c}
	holds := func(when string, want ...string) {
		t.Helper()
		if _, err := r.ring.before(t.Context(), c, "a"); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.ring.names, want) {
			t.Errorf("%s it holds %v, want %v", when, r.ring.names, want)
		}
	}
	r.neighboursOf(t.Context(), tenant("b")) // an event before it is listed
	holds("at first", "b", "d", "e")

	if err := c.Create(t.Context(), tenant("c")); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, request := range r.neighboursOf(t.Context(), tenant("c")) {
		told = append(told, request.Name)
	}
	if !slices.Equal(told, []string{"b", "d", "e"}) {
		t.Errorf("the probes of %v are repeated when c comes", told)
	}
	holds("when one came", "b", "c", "d", "e")
	next, err := r.ring.after(t.Context(), c, "d")
	if err != nil || !slices.Equal(next, []neighbour{{"e", "tenant-e"}, {"b", "tenant-b"}, {"c", "tenant-c"}}) {
		t.Errorf("next to d are %v: %v", next, err)
	}

	if err := c.Delete(t.Context(), going); err != nil {
		t.Fatal(err)
	}
	r.neighboursOf(t.Context(), going)
	holds("when one goes", "b", "c", "d")
	if err := c.Delete(t.Context(), tenant("b")); err != nil {
		t.Fatal(err)
	}
	r.neighboursOf(t.Context(), tenant("b"))
	holds("when one has gone", "c", "d")
}
