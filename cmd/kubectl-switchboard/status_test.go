package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/overview"
)

var update = flag.Bool("update", false, "write golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run go test -update", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-d)) }

func conditions(all ...string) []metav1.Condition {
	var found []metav1.Condition
	for _, one := range all {
		words := strings.SplitN(one, " ", 4)
		found = append(found, metav1.Condition{
			Type: words[0], Status: metav1.ConditionStatus(words[1]), Reason: words[2], Message: words[3], LastTransitionTime: ago(3 * time.Minute),
		})
	}
	return found
}

// fineTenant has all that a tenant may have, and all of it is as asked for.
func fineTenant() overview.Read {
	zero, held, yesterday := int64(0), int64(4), ago(9*time.Hour)
	tomorrow, due, until := ago(-15*time.Hour), ago(-40*24*time.Hour), ago(-3*365*24*time.Hour)
	ready := conditions("Ready True Ready all is well")
	at := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: "tenant-hotel-berlin"}
	}
	return overview.Read{
		Tenant: &v1alpha1.Tenant{
			ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"},
			Spec:       v1alpha1.TenantSpec{DisplayName: "Hotel Berlin", Region: "eu-central", Hostname: "messages.hotel-berlin.example"},
			Status: v1alpha1.TenantStatus{
				Conditions:    append(conditions("BackedUp False NoBackup neither the Tenant nor its Region asks for backups"), ready...),
				SchemaVersion: 57,
				Endpoints:     []v1alpha1.Endpoint{{Name: "api", URL: "https://messages.hotel-berlin.example/api/v1/"}},
				Residency: &v1alpha1.Residency{
					Nodes:   []v1alpha1.ObservedNode{{Name: "n1", InRegion: true}, {Name: "n0", InRegion: true, LastSeen: &yesterday}},
					Volumes: []v1alpha1.ObservedVolume{{Name: "v1", InRegion: true}},
				},
				Network:  &v1alpha1.NetworkProbe{ProbedAt: ago(2 * time.Hour), Tried: 14},
				Evidence: &v1alpha1.Evidence{Sequence: 12, Digest: strings.Repeat("7fa8c0e8", 8), SignedAt: yesterday, Ledger: "ledger-hotel-berlin-2026"},
			},
		},
		Region: &v1alpha1.Region{
			ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}, Spec: v1alpha1.RegionSpec{Jurisdiction: "EU"}, Status: v1alpha1.RegionStatus{Conditions: ready},
		},
		Channels: []v1alpha1.Channel{
			{ObjectMeta: at("front-desk"), Spec: v1alpha1.ChannelSpec{Type: v1alpha1.TypeTwilioSMS, SubProcessor: "twilio"}, Status: v1alpha1.ChannelStatus{Conditions: ready}},
			{ObjectMeta: at("chat"), Spec: v1alpha1.ChannelSpec{Type: v1alpha1.TypeWebChat}, Status: v1alpha1.ChannelStatus{Conditions: ready}},
		},
		Policies: []v1alpha1.RetentionPolicy{{
			ObjectMeta: at("guest-messages"),
			Spec: v1alpha1.RetentionPolicySpec{Schedule: "15 3 * * *", TimeZone: "Europe/Berlin", Rules: []v1alpha1.RetentionRule{
				{Category: v1alpha1.CategoryMessages, RetainDays: 90}, {Category: v1alpha1.CategoryMessageMetadata, RetainDays: 365, Action: v1alpha1.ActionAnonymize},
			}},
			Status: v1alpha1.RetentionPolicyStatus{
				Conditions: ready, NextRun: &tomorrow, LastRun: &v1alpha1.RunSummary{Sequence: 12, FinishedAt: yesterday, Outcome: "Enforced"},
				Runs: []v1alpha1.RetentionRun{{Sequence: 12, Categories: []v1alpha1.CategoryRun{
					{Category: v1alpha1.CategoryMessages, Deleted: 101, HeldBack: 4, Overdue: &zero}, {Category: v1alpha1.CategoryMessageMetadata, Deleted: 73, Overdue: &zero},
				}}},
			},
		}},
		Holds: []v1alpha1.LegalHold{{
			ObjectMeta: at("case-2026-17"), Spec: v1alpha1.LegalHoldSpec{Until: &until},
			Status: v1alpha1.LegalHoldStatus{Conditions: ready, HeldBack: &held, Matched: &v1alpha1.HoldMatched{Messages: 31}},
		}},
		Requests: []v1alpha1.DataSubjectRequest{
			{ObjectMeta: at("request-2026-41"), Spec: v1alpha1.DataSubjectRequestSpec{Type: v1alpha1.RequestComplaint}, Status: v1alpha1.DataSubjectRequestStatus{Conditions: ready, Phase: v1alpha1.RequestOpen, DueAt: &due}},
			{ObjectMeta: at("request-2026-40"), Spec: v1alpha1.DataSubjectRequestSpec{Type: v1alpha1.RequestErasure}, Status: v1alpha1.DataSubjectRequestStatus{Conditions: ready, Phase: v1alpha1.RequestCompleted, DueAt: &due}},
		},
	}
}

// troubledTenant has something of everything that can be wrong.
func troubledTenant() overview.Read {
	r := fineTenant()
	three := int64(3)
	r.Tenant.Name = "hotel-adlon"
	r.Tenant.Status.Conditions = conditions(
		"Ready False EgressClosed volume pvc-1 was seen outside of region eu-central: nothing is sent until it is back",
		"ResidencyCompliant False EgressClosed volume pvc-1 was seen outside of region eu-central: nothing is sent until it is back",
		"RetentionCovered False Unbounded no policy bounds Testimonials: apply a RetentionPolicy with rules for them, or give the Region a defaultRetention",
		"Reconciling True EgressClosed volume pvc-1 was seen outside of region eu-central: nothing is sent until it is back",
	)
	r.Tenant.Status.Residency.Violations = []v1alpha1.ResidencyViolation{{Kind: "Volume", Name: "pvc-1", Since: ago(time.Hour)}}
	r.Channels[0].Status.Conditions = conditions(
		"Ready False SecretMissing Secret twilio is not in namespace tenant-hotel-adlon: make it, with key authToken",
		"Accepted True Ready m", "CredentialsReady False SecretMissing Secret twilio is not in namespace tenant-hotel-adlon: make it, with key authToken",
		"ConnectorAvailable Unknown Waiting not come to yet", "Reconciling True SecretMissing m",
	)
	r.Channels[1].Status.Conditions = nil
	r.Policies[0].Status.Conditions = conditions("Ready True Ready m", "Enforced False Overdue run 12 left 3 expired rows; the next run goes on")
	r.Policies[0].Status.Runs[0].Categories[0].Overdue = &three
	r.Policies[0].Status.Runs[0].Categories[1].Overdue = nil
	r.Requests[0].Status.Conditions = conditions("Ready False Waiting it is not answered: set spec.answeredAt when it is", "OnTime False PastDue it was due at 2026-03-01T00:00:00Z")
	return r
}

func TestStatusIsPrinted(t *testing.T) {
	fine, troubled := overview.Of(fineTenant()), overview.Of(troubledTenant())
	unread := overview.Of(overview.Read{
		Tenant: &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-paris"}}, Channels: fineTenant().Channels,
		Unread: map[string]string{overview.KindTenant: "you may not read Tenants", overview.KindRequests: "you may not read them"},
	})
	for name, c := range map[string]struct {
		nodes  []overview.Node
		one    bool
		output string
		screen screen
	}{
		"fine.txt":          {[]overview.Node{fine}, true, "table", screen{}},
		"fine.json":         {[]overview.Node{fine}, true, "json", screen{}},
		"fine.yaml":         {[]overview.Node{fine}, true, "yaml", screen{}},
		"troubled.txt":      {[]overview.Node{troubled}, true, "table", screen{}},
		"troubled-72.txt":   {[]overview.Node{troubled}, true, "table", screen{width: 72}},
		"troubled.ansi":     {[]overview.Node{troubled}, true, "table", screen{width: 100, color: true}},
		"unread.txt":        {[]overview.Node{unread}, true, "table", screen{}},
		"all.txt":           {[]overview.Node{troubled, unread, fine}, false, "table", screen{}},
		"all-80.ansi":       {[]overview.Node{troubled, unread, fine}, false, "table", screen{width: 80, color: true}},
		"none.txt":          {nil, false, "table", screen{}},
		"none-as-json.json": {[]overview.Node{}, false, "json", screen{}},
	} {
		t.Run(name, func(t *testing.T) {
			c.screen.now = noon
			var out bytes.Buffer
			if err := printStatus(&out, c.nodes, c.one, c.output, c.screen); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("status", name), out.Bytes())
			for line := range strings.Lines(out.String()) {
				bare := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[35m", "", "\x1b[0m", "").Replace(strings.TrimSuffix(line, "\n"))
				if c.screen.width > 0 && len([]rune(bare)) > c.screen.width {
					t.Errorf("%d columns, on %d: %s", len([]rune(bare)), c.screen.width, bare)
				}
			}
		})
	}
}

func TestNoTextSteersTheTerminal(t *testing.T) {
	r := fineTenant()
	r.Tenant.Spec.DisplayName = "Hotel\x1b[2J \u202enilreB"
	r.Channels[0].Status.Conditions = conditions("Ready False Failed the provider said:\nno\x07\x9b31m")
	var out bytes.Buffer
	if err := printStatus(&out, []overview.Node{overview.Of(r)}, true, "table", screen{now: noon}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07\u009b\u202e") || !strings.Contains(out.String(), "the provider said: no") {
		t.Errorf("%q", out.String())
	}
}

func TestStatusInACluster(t *testing.T) {
	c := startCluster(t)
	plugin(t, "", "status").says(t, exitWhole, "There are no tenants", "kubectl switchboard onboard")
	plugin(t, "", "status", "hotel-berlin").says(t, exitFailed, "no Tenant hotel-berlin")
	plugin(t, "", "status", "-o", "csv").says(t, exitUsage, "table, json or yaml")
	plugin(t, "", "status", "a", "b").says(t, exitUsage, "one tenant or none")

	region := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}, Spec: v1alpha1.RegionSpec{Jurisdiction: "EU"}}
	create(t, c, region)
	tenants := map[string]*v1alpha1.Tenant{}
	for _, name := range []string{"hotel-adlon", "hotel-berlin"} {
		tenants[name] = &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.TenantSpec{Region: "eu-central", Hostname: name + ".example"}}
		create(t, c, tenants[name])
		create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-" + name}})
	}
	policy := &v1alpha1.RetentionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "guests", Namespace: "tenant-hotel-berlin"}, Spec: v1alpha1.RetentionPolicySpec{
		Schedule: "@daily", Rules: []v1alpha1.RetentionRule{{Category: v1alpha1.CategoryMessages, RetainDays: 90}},
	}}
	create(t, c, policy)
	plugin(t, "", "status").says(t, exitFindings, "waiting  hotel-adlon   eu-central  Embedded", "has not looked at it yet")

	// The operator looked at everything.
	region.Status.Conditions, region.Status.ObservedGeneration = conditions("Ready True Ready m"), region.Generation
	policy.Status.Conditions, policy.Status.ObservedGeneration = conditions("Ready True Ready m"), policy.Generation
	for _, tenant := range tenants {
		tenant.Status.Conditions, tenant.Status.ObservedGeneration = conditions("Ready True Ready m"), tenant.Generation
	}
	for _, object := range []func() error{
		func() error { return c.Status().Update(t.Context(), region) },
		func() error { return c.Status().Update(t.Context(), policy) },
		func() error { return c.Status().Update(t.Context(), tenants["hotel-adlon"]) },
		func() error { return c.Status().Update(t.Context(), tenants["hotel-berlin"]) },
	} {
		if err := object(); err != nil {
			t.Fatal(err)
		}
	}
	plugin(t, "", "status").says(t, exitWhole, "ok", "hotel-adlon", "hotel-berlin")
	plugin(t, "", "status", "hotel-berlin").says(t, exitWhole, "tenant hotel-berlin", "policy guests: schedule @daily", "category Messages: kept for 90 days")

	// The worst stands first.
	policy.Status.Conditions = conditions("Ready True Ready m", "Enforced False RunFailed the last run failed")
	if err := c.Status().Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	o := plugin(t, "", "status")
	o.says(t, exitFindings, "broken  hotel-berlin", "policy guests: Enforced, RunFailed for ")
	if strings.Index(o.out, "hotel-berlin") > strings.Index(o.out, "hotel-adlon") {
		t.Errorf("the worst is not the first:\n%s", o.out)
	}
	for output, read := range map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": func(b []byte, into any) error { return yaml.Unmarshal(b, into) }} {
		o := plugin(t, "", "status", "hotel-berlin", "-o", output)
		var n struct {
			Mark  overview.Mark
			Parts []struct {
				Kind string
				Mark overview.Mark
			}
		}
		if err := read([]byte(o.out), &n); err != nil || o.code != exitFindings || n.Mark != overview.Broken || len(n.Parts) != 10 {
			t.Errorf("%s: %v, exit code %d: %s", output, err, o.code, o.out)
		}
	}
	// What is watched is shown again when it has changed, and only then.
	watched, stop := context.WithCancel(t.Context())
	nodes, err := statuses(watched, c, []string{"hotel-berlin"})
	if err != nil {
		t.Fatal(err)
	}
	policy.Status.Conditions = conditions("Ready True Ready m")
	if err := c.Status().Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	shown := 0
	err = watchStatus(watched, c, []string{"hotel-berlin"}, nodes, func(now []overview.Node) error {
		if shown++; now[0].Mark != overview.OK {
			t.Errorf("it shows %s", now[0].Mark)
		}
		stop()
		return nil
	})
	if err != nil || shown != 1 {
		t.Errorf("it was shown %d times, and ended by %v", shown, err)
	}

	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	plugin(t, "", "status").says(t, exitFailed, "KUBECONFIG")
}
