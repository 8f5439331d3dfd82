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
	report("hotel-nowhere").says(t, exitFailed, "hotel-nowhere")
	report("a", "b").says(t, exitUsage, "one tenant or none")
	report("-o", "csv").says(t, exitUsage, "table, json or yaml")
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	report().says(t, exitFailed, "KUBECONFIG")
}
