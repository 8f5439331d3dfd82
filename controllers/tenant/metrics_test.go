package tenant

import (
	"context"
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// these tenants are all that there are.
type these []v1alpha1.Tenant

func (these) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	panic("nobody asks for one")
}

func (t these) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1alpha1.TenantList).Items = t
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
	if err != nil || len(families) != 1 || families[0].GetName() != "switchboard_tenant_condition" {
		t.Fatalf("gathered %v, %v", families, err)
	}
	told := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		told[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetGauge().GetValue()
	}
	if want := map[string]float64{"hotel Ready": 1, "hotel NetworkIsolated": 0}; !maps.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
