package transfer_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

// A webhook is a flow as a channel is: under the register, stopped without a mechanism, and remembered when it has gone.
func TestAWebhookIsAFlow(t *testing.T) {
	region := europe()
	for i := range region.Spec.SubProcessors {
		region.Spec.SubProcessors[i].Egress = &v1alpha1.Egress{CIDRs: []v1alpha1.CIDR{"198.51.100.0/24"}}
	}
	seen := &v1alpha1.Residency{SubProcessors: []v1alpha1.ObservedSubProcessor{
		{Channel: "webhook/a", Name: "twilio", Location: "US", TransferMechanism: "EU-US Data Privacy Framework", FirstSeen: &march},
		{Channel: "webhook/gone", Name: "bare", Location: "US-CA", FirstSeen: &march, LastSeen: &june},
	}}
	hook := func(name, processor string) v1alpha1.Webhook {
		return v1alpha1.Webhook{Name: name, URL: "https://pms.example/", SubProcessor: processor}
	}
	tenant := &v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: "hotel"}, Status: v1alpha1.TenantStatus{Residency: seen},
		Spec: v1alpha1.TenantSpec{Webhooks: []v1alpha1.Webhook{hook("a", "twilio"), hook("b", "bare"), hook("c", "nobody"), hook("d", "berlin-sms")}},
	}
	var r transfer.Report
	r.Add(tenant, region, nil)
	type row struct{ channel, state, location, finding string }
	want := []row{
		{"webhook/a", "Open", "US", ""}, {"webhook/b", "Stopped", "US-CA", "NoMechanism"}, {"webhook/c", "Stopped", "", "PlaceNotKnown"}, {"webhook/gone", "Ended", "US-CA", "NoMechanism"},
	}
	if len(r.Flows) != len(want) {
		t.Fatalf("flows are %+v", r.Flows)
	}
	for i, f := range r.Flows {
		if got := (row{f.Channel, f.State, f.Location, f.Finding}); got != want[i] || f.Kind != transfer.KindWebhook {
			t.Errorf("flow %+v, want %+v", f, want[i])
		}
	}
	if r.Flows[0].Since == nil || r.Flows[3].Until == nil {
		t.Error("since when is not told")
	}
}
