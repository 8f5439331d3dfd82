package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/credentials"
)

// What a connector counted is told under the names that the contract lists and no others, and only as long as it is news.
func TestMetricsTellWhatConnectorsCounted(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	channel := func(namespace, name string) client.Object {
		return &v1alpha1.Channel{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + name)}}
	}
	now, oldest := time.Unix(10000, 0), time.Unix(9000, 0)
	c := &Checks{
		Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{v1alpha1.LabelTenant: "hotel"}}},
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "nobodys"}},
			channel("a", "desk"), channel("a", "idle"), channel("a", "silent"), channel("a", "older"), channel("nobodys", "desk"),
		).Build(),
		Keeper: credentials.Keeper{Now: func() time.Time { return now }},
	}
	counted := &contract.Traffic{
		Received: map[string]int64{"stored": 7, "+4915112345678": 1},
		Sends:    map[string]int64{"accepted": 5, "not_sent": 2},
		Failed:   map[string]int64{contract.FailureExpired: 1},
		Queue:    &contract.Queue{Messages: 3, Oldest: &oldest},
	}
	c.known = map[types.UID]answer{
		"adesk":       {ConnectorState: contract.ConnectorState{Traffic: counted}, at: now.Add(-patienceForTraffic)},
		"aidle":       {ConnectorState: contract.ConnectorState{Traffic: &contract.Traffic{Queue: &contract.Queue{}}}, at: now},
		"asilent":     {ConnectorState: contract.ConnectorState{Traffic: counted}, at: now.Add(-patienceForTraffic - time.Second)},
		"aolder":      {ConnectorState: contract.ConnectorState{}, at: now}, // of a version that counts nothing
		"nobodysdesk": {ConnectorState: contract.ConnectorState{Traffic: counted}, at: now},
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	const want = `
# HELP switchboard_channel_failed_total Messages that will not be sent, by the reason, since the connector started.
# TYPE switchboard_channel_failed_total counter
switchboard_channel_failed_total{channel="desk",reason="blocked",tenant="hotel"} 0
switchboard_channel_failed_total{channel="desk",reason="expired",tenant="hotel"} 1
switchboard_channel_failed_total{channel="desk",reason="keys_unavailable",tenant="hotel"} 0
switchboard_channel_failed_total{channel="desk",reason="provider_unavailable",tenant="hotel"} 0
switchboard_channel_failed_total{channel="desk",reason="refused",tenant="hotel"} 0
switchboard_channel_failed_total{channel="desk",reason="suppressed",tenant="hotel"} 0
switchboard_channel_failed_total{channel="idle",reason="blocked",tenant="hotel"} 0
switchboard_channel_failed_total{channel="idle",reason="expired",tenant="hotel"} 0
switchboard_channel_failed_total{channel="idle",reason="keys_unavailable",tenant="hotel"} 0
switchboard_channel_failed_total{channel="idle",reason="provider_unavailable",tenant="hotel"} 0
switchboard_channel_failed_total{channel="idle",reason="refused",tenant="hotel"} 0
switchboard_channel_failed_total{channel="idle",reason="suppressed",tenant="hotel"} 0
# HELP switchboard_channel_queue_messages Messages that wait to be sent.
# TYPE switchboard_channel_queue_messages gauge
switchboard_channel_queue_messages{channel="desk",tenant="hotel"} 3
switchboard_channel_queue_messages{channel="idle",tenant="hotel"} 0
# HELP switchboard_channel_queue_oldest_timestamp_seconds When the message that has waited longest was given to the queue; absent when none waits.
# TYPE switchboard_channel_queue_oldest_timestamp_seconds gauge
switchboard_channel_queue_oldest_timestamp_seconds{channel="desk",tenant="hotel"} 9000
# HELP switchboard_channel_received_total Inbound messages that were the provider's, by what became of them, since the connector started.
# TYPE switchboard_channel_received_total counter
switchboard_channel_received_total{channel="desk",result="duplicate",tenant="hotel"} 0
switchboard_channel_received_total{channel="desk",result="stored",tenant="hotel"} 7
switchboard_channel_received_total{channel="desk",result="unavailable",tenant="hotel"} 0
switchboard_channel_received_total{channel="desk",result="unreadable",tenant="hotel"} 0
switchboard_channel_received_total{channel="idle",result="duplicate",tenant="hotel"} 0
switchboard_channel_received_total{channel="idle",result="stored",tenant="hotel"} 0
switchboard_channel_received_total{channel="idle",result="unavailable",tenant="hotel"} 0
switchboard_channel_received_total{channel="idle",result="unreadable",tenant="hotel"} 0
# HELP switchboard_channel_sends_total Requests to send a message, by their outcome, since the connector started.
# TYPE switchboard_channel_sends_total counter
switchboard_channel_sends_total{channel="desk",outcome="accepted",tenant="hotel"} 5
switchboard_channel_sends_total{channel="desk",outcome="not_sent",tenant="hotel"} 2
switchboard_channel_sends_total{channel="desk",outcome="refused",tenant="hotel"} 0
switchboard_channel_sends_total{channel="desk",outcome="unknown",tenant="hotel"} 0
switchboard_channel_sends_total{channel="idle",outcome="accepted",tenant="hotel"} 0
switchboard_channel_sends_total{channel="idle",outcome="not_sent",tenant="hotel"} 0
switchboard_channel_sends_total{channel="idle",outcome="refused",tenant="hotel"} 0
switchboard_channel_sends_total{channel="idle",outcome="unknown",tenant="hotel"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("the metrics are not as Prometheus advises: %v, %v", problems, err)
	}
}
