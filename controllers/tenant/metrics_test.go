package tenant

import (
	"context"
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// these tenants are all that there are.
type these []v1alpha1.Tenant

func (these) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	panic("nobody asks for one")
}

func (t these) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if tenants, ok := list.(*v1alpha1.TenantList); ok {
		tenants.Items = t
	}
	return nil
}

func TestConditionsHaveASeriesUnlessTheyAreUnknown(t *testing.T) {
	hotel := v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel"}, Status: v1alpha1.TenantStatus{Conditions: []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue},
		{Type: v1alpha1.ConditionNetworkIsolated, Status: metav1.ConditionFalse},
		{Type: v1alpha1.ConditionResidencyCompliant, Status: metav1.ConditionUnknown},
		{Type: v1alpha1.ConditionMigrated, Status: metav1.ConditionTrue},
	}}}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&Collector{Reader: these{hotel, {ObjectMeta: metav1.ObjectMeta{Name: "new"}}}})
	families, err := registry.Gather()
	if err != nil || len(families) != 4 || families[1].GetName() != "switchboard_tenant_condition" {
		t.Fatalf("gathered %v, %v", families, err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("the metrics are not as Prometheus advises: %v, %v", problems, err)
	}
	told := map[string]float64{}
	for _, m := range families[1].GetMetric() {
		told[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetGauge().GetValue()
	}
	if want := map[string]float64{"hotel Ready": 1, "hotel NetworkIsolated": 0}; !maps.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// Evidence that is contradicted counts for the tenant, whoever found it; and none is told as none.
func TestBrokenEvidenceCountsForItsTenant(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	broken := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonEvidenceBroken}}
	other := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonOverdue}}
	in := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{v1alpha1.LabelTenant: "hotel"}}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "b", Labels: map[string]string{v1alpha1.LabelTenant: "inn"}}},
		&v1alpha1.Tenant{ObjectMeta: in("", "hotel"), Status: v1alpha1.TenantStatus{Conditions: broken}}, &v1alpha1.Tenant{ObjectMeta: in("", "inn")},
		&v1alpha1.RetentionPolicy{ObjectMeta: in("a", "p"), Status: v1alpha1.RetentionPolicyStatus{Conditions: broken}},
		&v1alpha1.RetentionPolicy{ObjectMeta: in("b", "p"), Status: v1alpha1.RetentionPolicyStatus{Conditions: other}},
		&v1alpha1.DataSubjectRequest{ObjectMeta: in("a", "q"), Status: v1alpha1.DataSubjectRequestStatus{Conditions: broken}},
	).Build()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&Collector{Reader: c})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "switchboard_evidence_broken" {
			for _, m := range f.GetMetric() {
				told[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if want := map[string]float64{"hotel": 3, "inn": 0}; !maps.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
