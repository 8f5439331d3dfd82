package journal

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// A tenant that is asked has a series from its first answer on; one that nobody asks has none, lest it look silent.
func TestTheLastAnswerIsTold(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	tenant := func(name string, suspended bool) *v1alpha1.Tenant {
		return &v1alpha1.Tenant{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}, Spec: v1alpha1.TenantSpec{Suspended: suspended}, Status: v1alpha1.TenantStatus{SchemaVersion: 1},
		}
	}
	hotel := tenant("hotel", false)
	hotel.Spec.Webhooks = []v1alpha1.Webhook{{Name: "pms"}, {Name: "quiet"}}
	j := &Journal{
		Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(hotel, tenant("closed", true), tenant("new", false)).Build(),
		known:  map[types.UID]Known{"hotel": {at: time.Unix(500, 0), State: contract.State{Webhooks: []contract.WebhookState{{Name: "pms", Dead: 3}, {Name: "pms", Dead: 4}, {Name: "+4915112345678", Dead: 1}}}}, "closed": {at: time.Unix(100, 0)}},
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(j)
	const want = `
# HELP switchboard_journal_last_answer_timestamp_seconds When the tenant's instance last told what its database holds and the operator had kept it; absent before the first time.
# TYPE switchboard_journal_last_answer_timestamp_seconds gauge
switchboard_journal_last_answer_timestamp_seconds{tenant="hotel"} 500
# HELP switchboard_webhook_given_up_events Events that a webhook's receiver did not take in three days, of the last week, as the instance last told.
# TYPE switchboard_webhook_given_up_events gauge
switchboard_webhook_given_up_events{tenant="hotel",webhook="pms"} 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("the metrics are not as Prometheus advises: %v, %v", problems, err)
	}
}
