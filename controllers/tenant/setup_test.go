package tenant

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// A database is set up once: with the Region's default as this pass has applied it, whether or not the cache knows it by now.
func TestTheDefaultOfThisPassIsAmongThePolicies(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	policy := func(name string, generation int64, days int32) *v1alpha1.RetentionPolicy {
		return &v1alpha1.RetentionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "tenant-berlin", Generation: generation},
			Spec:       v1alpha1.RetentionPolicySpec{Rules: []v1alpha1.RetentionRule{{Category: v1alpha1.CategoryMessages, RetainDays: days}}},
		}
	}
	holding := func(objects ...client.Object) client.Client {
		return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
	}
	own, applied := policy("own", 3, 60), policy(name.RegionDefault, 2, 90)
	for what, c := range map[string]struct {
		cache    client.Client
		live     client.Reader // nil when it must not be asked
		fallback *v1alpha1.RetentionPolicy
		want     []int64 // generations
	}{
		"it is new":           {holding(own), holding(applied), policy(name.RegionDefault, 0, 90), []int64{3, 2}},
		"it changed":          {holding(own, policy(name.RegionDefault, 1, 30)), holding(applied), policy(name.RegionDefault, 0, 90), []int64{3, 2}},
		"it is as it was":     {holding(own, applied), nil, policy(name.RegionDefault, 0, 90), []int64{3, 2}},
		"there is no default": {holding(own), nil, nil, []int64{3}},
		"it is the only one":  {holding(), holding(applied), policy(name.RegionDefault, 0, 90), []int64{2}},
	} {
		s := &scope{fallback: c.fallback, in: plan.Tenant{Tenant: &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "berlin"}}}}
		got, err := (&Reconciler{Client: c.cache, Live: c.live}).policies(t.Context(), s)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var generations []int64
		for _, p := range got {
			generations = append(generations, p.Generation)
		}
		slices.Sort(generations)
		slices.Sort(c.want)
		if !slices.Equal(generations, c.want) {
			t.Errorf("%s: the policies have generations %v, want %v", what, generations, c.want)
		}
	}
}
