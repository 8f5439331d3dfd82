package channel

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// What is not known has no series, and a channel of nobody's has none.
func TestConditionsOfChannelsHaveASeriesUnlessTheyAreUnknown(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	channel := func(namespace string) *v1alpha1.Channel {
		return &v1alpha1.Channel{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "desk"}, Status: v1alpha1.ChannelStatus{Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse},
			{Type: v1alpha1.ConditionConnectorAvailable, Status: metav1.ConditionTrue},
			{Type: v1alpha1.ConditionCredentialsAccepted, Status: metav1.ConditionUnknown},
			{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue},
		}}}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{v1alpha1.LabelTenant: "hotel"}}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "nobodys"}}, channel("a"), channel("nobodys"),
	).Build()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&Collector{Reader: c})
	const want = `
# HELP switchboard_channel_condition 1 while a condition of a channel is True, 0 while it is False; no series while it is Unknown.
# TYPE switchboard_channel_condition gauge
switchboard_channel_condition{channel="desk",tenant="hotel",type="ConnectorAvailable"} 1
switchboard_channel_condition{channel="desk",tenant="hotel",type="Ready"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("the metrics are not as Prometheus advises: %v, %v", problems, err)
	}
}
