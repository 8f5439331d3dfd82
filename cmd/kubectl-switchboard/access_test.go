package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

func TestTheQuestionNamesNobodyOnACommandLine(t *testing.T) {
	o := accessOptions{person: "-", staff: "0198c1f2-5a6b-7c8d-9e0f-112233445566", since: "2026-11-01T00:00:00Z", limit: 5}
	want := []string{"/instance", "access", "--limit", "5", "--person", "--staff", o.staff, "--since", o.since}
	if got := o.command(); !slices.Equal(got, want) {
		t.Errorf("it runs %v", got)
	}
}

func TestAccessFromAPod(t *testing.T) {
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"}}
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "serve-0", Namespace: "tenant-hotel-berlin", Labels: plan.ServerLabels(tenant.Name)},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	const entry = `{"at":"2026-11-24T09:00:00Z","staff":"s","email":"a@hotel.example","method":"GET","route":"/api/v1/conversations/{id}","object":"o","status":200}` + "\n"
	for sentence, c := range map[string]struct {
		stdout, stderr, status string
		entries                int
		says                   string
	}{
		"two entries":             {entry + entry, "", `{"status":"Success"}`, 2, ""},
		"none":                    {"", "", `{"status":"Success"}`, 0, ""},
		"an address that is none": {"", "{\"level\":\"INFO\"}\ninstance access: line 1: this is no phone number\n", failure(1), 0, "this is no phone number"},
		"an older image":          {"hello\n", "", `{"status":"Success"}`, 0, "as new as this program"},
	} {
		t.Run(sentence, func(t *testing.T) {
			config := playExecOf(t, "/instance access", c.stdout, c.stderr, c.status)
			all, err := accessFromPod(t.Context(), lister{pod: pod}, config, tenant, []string{"/instance", "access"}, strings.NewReader("phone +4915112345678\n"))
			if len(all) != c.entries || (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%d entries, %v; want %d, %q", len(all), err, c.entries, c.says)
			}
		})
	}
}

func TestEntriesAreATable(t *testing.T) {
	email := "a@hotel.example"
	var out bytes.Buffer
	entries := []contract.Access{{Staff: "s", Email: &email, Method: "GET", Route: "/r", Object: "o", Status: 200}, {Method: "POST", Route: "/sessions", Status: 401}}
	if err := printAccess(&out, entries, accessOptions{limit: 2}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"TIME ", "a@hotel.example", "GET /r", "401", "There may be more"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("it doesn't say %q\n%s", part, &out)
		}
	}
}
