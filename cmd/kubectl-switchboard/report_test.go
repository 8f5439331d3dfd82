package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

func TestTransfersAreListed(t *testing.T) {
	c := startCluster(t)
	report := func(args ...string) outcome {
		return plugin(t, "", append([]string{"report", "transfers"}, args...)...)
	}
	report().says(t, exitWhole, "No data leaves its jurisdiction", "looked at 0 tenants")

	create(t, c, &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "EU",
		SubProcessors: []v1alpha1.SubProcessor{
			{Name: "twilio", Purpose: "delivery of text messages", Location: "US", TransferMechanism: "EU-US Data Privacy Framework"},
			{Name: "bare", Purpose: "delivery", Location: "IN"},
		},
	}})
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"}, Spec: v1alpha1.TenantSpec{Region: "eu-central", Hostname: "a.example"}}
	create(t, c, tenant)
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-hotel-berlin"}})
	desk := &v1alpha1.Channel{ObjectMeta: metav1.ObjectMeta{Name: "front-desk", Namespace: "tenant-hotel-berlin"}, Spec: v1alpha1.ChannelSpec{
		Type: v1alpha1.TypeTwilioSMS, SubProcessor: "twilio", TwilioSMS: &v1alpha1.TwilioSMS{
			AccountSID: "AC" + strings.Repeat("0", 32), From: "+493023125100", CredentialsSecretRef: v1alpha1.SecretReference{Name: "twilio"},
		},
	}}
	create(t, c, desk)
	march := metav1.NewTime(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
	tenant.Status.Residency = &v1alpha1.Residency{SubProcessors: []v1alpha1.ObservedSubProcessor{
		{Channel: "front-desk", Name: "twilio", Location: "US", TransferMechanism: "EU-US Data Privacy Framework", Allowed: true, FirstSeen: &march},
	}}
	if err := c.Status().Update(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	report("hotel-berlin").says(t, exitWhole, "TENANT", "hotel-berlin  EU    channel front-desk  twilio  US", "delivery of text messages",
		"EU-US Data Privacy Framework", "Open", "2026-03-01", "Every flow that has not ended has a mechanism")

	bare := desk.DeepCopy()
	bare.ObjectMeta = metav1.ObjectMeta{Name: "spa", Namespace: desk.Namespace}
	bare.Spec.SubProcessor = "bare"
	create(t, c, bare)
	report().says(t, exitFindings, "channel spa", "NoMechanism", "1 of 2 flows")
	for output, read := range map[string]func([]byte, any) error{
		"json": json.Unmarshal,
		"yaml": func(b []byte, into any) error { return yaml.UnmarshalStrict(b, into) },
	} {
		o := report("-o", output)
		var r transfer.Report
		if err := read([]byte(o.out), &r); err != nil || o.code != exitFindings || o.errs != "" {
			t.Fatalf("%s: %v, exit code %d: %s%s", output, err, o.code, o.out, o.errs)
		}
		if len(r.Flows) != 2 || r.Flows[0].Since == nil || !r.Flows[0].Since.Equal(march.Time) || r.Flows[1].Finding != transfer.FindingNoMechanism || len(r.Tenants) != 1 || r.AsOf.IsZero() {
			t.Errorf("%s: %+v", output, r)
		}
	}

	create(t, c, &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-lost"}, Spec: v1alpha1.TenantSpec{Region: "atlantis", Hostname: "b.example"}})
	report().says(t, exitFailed, "Region atlantis", "apply the Region")
	usage := func(args ...string) outcome { return plugin(t, "", append([]string{"report", "usage"}, args...)...) }
	usage("hotel-berlin").says(t, exitFindings, "Nothing is counted", "tenant hotel-berlin has counted nothing yet")
	tenant.Status.Usage = &v1alpha1.Usage{Until: "2026-11-29", Months: []v1alpha1.UsageMonth{
		{Month: "2026-11", StoredBytes: 64 << 20, Channels: []v1alpha1.UsageChannel{{Channel: "front-desk", Received: 12, Sent: 9}}},
	}}
	if err := c.Status().Update(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	usage("hotel-berlin").says(t, exitWhole, "hotel-berlin  eu-central  2026-11  front-desk  12        9     64 MiB  2026-11-29")
	usage("hotel-berlin", "-o", "json").says(t, exitWhole, `"received": 12`)
	usage("hotel-berlin", "-o", "yaml").says(t, exitWhole, "received: 12")
	usage("--month", "november").says(t, exitUsage, "as in 2026-10")
	usage("-o", "xml").says(t, exitUsage, "table, csv, json or yaml")
	usage("a", "b").says(t, exitUsage, "one tenant or none")
	report("hotel-nowhere").says(t, exitFailed, "hotel-nowhere")
	report("a", "b").says(t, exitUsage, "one tenant or none")
	report("-o", "csv").says(t, exitUsage, "table, json or yaml")
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	report().says(t, exitFailed, "KUBECONFIG")
}

func TestABillSaysWhatItLacks(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	counted := func(name, until string, months ...v1alpha1.UsageMonth) v1alpha1.Tenant {
		return v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.TenantSpec{Region: "eu-central"},
			Status: v1alpha1.TenantStatus{Usage: &v1alpha1.Usage{Until: until, Months: months}}}
	}
	october := v1alpha1.UsageMonth{Month: "2026-10", StoredBytes: 3 << 20, Channels: []v1alpha1.UsageChannel{{Channel: "desk", Received: 12, Sent: 9}, {Channel: "spa", Sent: 1}}}
	november := v1alpha1.UsageMonth{Month: "2026-11", StoredBytes: 4 << 20}
	for name, c := range map[string]struct {
		tenant v1alpha1.Tenant
		month  string
		lines  int
		short  string
	}{
		"all that is known":               {counted("a", "2026-11-29", november, october), "", 3, ""},
		"one month":                       {counted("a", "2026-11-29", november, october), "2026-10", 2, ""},
		"a month that goes on":            {counted("a", "2026-11-20", november), "2026-11", 1, ""},
		"a month that is not all counted": {counted("a", "2026-10-31", october), "2026-10", 2, "tenant a has counted the days before 2026-10-31 alone"},
		"a month that is just all there":  {counted("a", "2026-11-01", october), "2026-10", 2, ""},
		"a month of long ago":             {counted("a", "2026-11-29", november, october), "2026-09", 0, "2026-10 and later alone"},
		"nothing":                         {v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "b"}}, "", 0, "tenant b has counted nothing yet"},
	} {
		t.Run(name, func(t *testing.T) {
			lines, short := usageLines([]v1alpha1.Tenant{c.tenant}, c.month, now)
			if len(lines) != c.lines {
				t.Errorf("lines %+v", lines)
			}
			if all := strings.Join(short, "\n"); (all == "") != (c.short == "") || !strings.Contains(all, c.short) {
				t.Errorf("it lacks %q", all)
			}
		})
	}
	var b strings.Builder
	lines, _ := usageLines([]v1alpha1.Tenant{counted("hotel", "2026-11-29", november, october)}, "", now)
	if err := printUsage(&b, lines, "csv"); err != nil {
		t.Fatal(err)
	}
	const want = `tenant,region,month,channel,received,sent,stored_bytes,counted_until
hotel,eu-central,2026-11,,0,0,4194304,2026-11-29
hotel,eu-central,2026-10,desk,12,9,3145728,2026-11-29
hotel,eu-central,2026-10,spa,0,1,3145728,2026-11-29
`
	if b.String() != want {
		t.Errorf("the CSV is\n%s", b.String())
	}
}
