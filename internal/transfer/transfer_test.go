package transfer_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

var (
	march = metav1.NewTime(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
	june  = metav1.NewTime(time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC))
)

func europe() *v1alpha1.Region {
	return &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "DE",
		SubProcessors: []v1alpha1.SubProcessor{
			{Name: "berlin-sms", Purpose: "delivery", Location: "DE"},
			{Name: "oslo-sms", Purpose: "delivery", Location: "NO"},
			{Name: "twilio", Purpose: "delivery of text messages", Location: "US", TransferMechanism: "EU-US Data Privacy Framework"},
			{Name: "bare", Purpose: "delivery", Location: "US-CA"},
		},
	}}
}

func channel(name, processor string) v1alpha1.Channel {
	return v1alpha1.Channel{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 2}, Spec: v1alpha1.ChannelSpec{SubProcessor: processor}}
}

func refused(c v1alpha1.Channel, generation int64) v1alpha1.Channel {
	c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionFalse, ObservedGeneration: generation}}
	return c
}

func TestWhatLeavesAJurisdiction(t *testing.T) {
	seen := func(list ...v1alpha1.ObservedSubProcessor) *v1alpha1.Residency {
		return &v1alpha1.Residency{SubProcessors: list}
	}
	since := func(channel, processor, location, mechanism string, until *metav1.Time) v1alpha1.ObservedSubProcessor {
		return v1alpha1.ObservedSubProcessor{Channel: channel, Name: processor, Location: location, TransferMechanism: mechanism, FirstSeen: &march, LastSeen: until}
	}
	type row struct{ state, location, mechanism, finding, since, until string }
	for _, c := range []struct {
		about     string
		channels  []v1alpha1.Channel
		residency *v1alpha1.Residency
		want      []row
		findings  int
	}{
		{"nothing, without channels", nil, nil, nil, 0},
		{"nothing, within the country", []v1alpha1.Channel{channel("desk", "berlin-sms")}, nil, nil, 0},
		{"nothing, within the European Economic Area", []v1alpha1.Channel{channel("desk", "oslo-sms")}, nil, nil, 0},
		{"under a mechanism", []v1alpha1.Channel{channel("desk", "twilio")}, seen(since("desk", "twilio", "US", "EU-US Data Privacy Framework", nil)),
			[]row{{"Open", "US", "EU-US Data Privacy Framework", "", "2026-03-01", ""}}, 0},
		{"not seen by the operator yet", []v1alpha1.Channel{channel("desk", "twilio")}, nil, []row{{"Open", "US", "EU-US Data Privacy Framework", "", "", ""}}, 0},
		{"without a mechanism, and stopped", []v1alpha1.Channel{refused(channel("desk", "bare"), 2)}, nil, []row{{"Stopped", "US-CA", "", "NoMechanism", "", ""}}, 1},
		{"without a mechanism, and refused as it was before", []v1alpha1.Channel{refused(channel("desk", "bare"), 1)}, nil, []row{{"Open", "US-CA", "", "NoMechanism", "", ""}}, 1},
		{"out of the register", []v1alpha1.Channel{channel("desk", "nobody")}, nil, []row{{"Open", "", "", "PlaceNotKnown", "", ""}}, 1},
		{"ended", nil, seen(since("desk", "twilio", "US", "SCC", &june)), []row{{"Ended", "US", "SCC", "", "2026-03-01", "2026-06-01"}}, 0},
		{"ended, without a mechanism: nobody can mend it", nil, seen(since("desk", "bare", "US-CA", "", &june)), []row{{"Ended", "US-CA", "", "NoMechanism", "2026-03-01", "2026-06-01"}}, 0},
		{"ended, within", nil, seen(since("desk", "oslo-sms", "NO", "", &june)), nil, 0},
		{"a channel that changed who carries it", []v1alpha1.Channel{channel("desk", "twilio")}, seen(since("desk", "bare", "US-CA", "", &june)),
			[]row{{"Open", "US", "EU-US Data Privacy Framework", "", "", ""}, {"Ended", "US-CA", "", "NoMechanism", "2026-03-01", "2026-06-01"}}, 0},
	} {
		t.Run(c.about, func(t *testing.T) {
			var r transfer.Report
			r.Add(&v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel"}, Status: v1alpha1.TenantStatus{Residency: c.residency}}, europe(), c.channels)
			var got []row
			for _, f := range r.Flows {
				if f.Tenant != "hotel" || f.Region != "eu-central" || f.Jurisdiction != "DE" || f.Kind != transfer.KindSubProcessor || f.Channel != "desk" {
					t.Errorf("flow %+v", f)
				}
				got = append(got, row{f.State, f.Location, f.Mechanism, f.Finding, date(f.Since), date(f.Until)})
			}
			if len(got) != len(c.want) {
				t.Fatalf("flows %+v, want %+v", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("flow %+v, want %+v", got[i], c.want[i])
				}
			}
			if n := r.Findings(); n != c.findings {
				t.Errorf("%d findings, want %d", n, c.findings)
			}
		})
	}
}

func TestStoresOfExportsAreNotTheRegisters(t *testing.T) {
	var r transfer.Report
	r.Add(&v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel"}, Spec: v1alpha1.TenantSpec{
		Export:      &v1alpha1.Export{ObjectStore: v1alpha1.ExportStore{Endpoint: "https://s3.example", Location: "us-west-2"}},
		ObjectStore: &v1alpha1.TenantObjectStore{Name: "frankfurt"},
	}}, europe(), nil)
	if len(r.Flows) != 1 || r.Flows[0].Kind != transfer.KindExport || r.Flows[0].Location != "us-west-2" || r.Flows[0].Finding != transfer.FindingPlaceNotKnown || r.Findings() != 1 {
		t.Errorf("flows %+v", r.Flows)
	}
	if len(r.Notes) != 1 {
		t.Errorf("notes %v", r.Notes)
	}
}

func TestADatabaseAbroadIsAFlow(t *testing.T) {
	region := europe()
	region.Spec.Database = &v1alpha1.RegionDatabase{Engine: v1alpha1.EngineExternal, External: &v1alpha1.ExternalDatabase{Provider: "Example", Location: "FR"}}
	tenant := &v1alpha1.Tenant{Status: v1alpha1.TenantStatus{Residency: &v1alpha1.Residency{Database: &v1alpha1.ObservedDatabase{Provider: "Example", Location: "US", FirstSeen: &march}}}}
	flows := func() []transfer.Flow {
		var r transfer.Report
		r.Add(tenant, region, nil)
		return r.Flows
	}
	if got := flows(); len(got) != 0 {
		t.Errorf("within: %+v", got)
	}
	region.Spec.Database.External.Location = "US"
	if got := flows(); len(got) != 1 || got[0].Kind != transfer.KindDatabase || got[0].Recipient != "Example" || got[0].Finding != transfer.FindingNoMechanism || date(got[0].Since) != "2026-03-01" {
		t.Errorf("outside: %+v", got)
	}
	region.Spec.Database.External.TransferMechanism = "SCC"
	if got := flows(); len(got) != 1 || got[0].Finding != "" || got[0].Mechanism != "SCC" {
		t.Errorf("under a mechanism: %+v", got)
	}
}

func date(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.DateOnly)
}
