package plan_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// TestResourcesAreWhatWasAskedForAndNoMore: they are applied in another cluster.
func TestResourcesAreWhatWasAskedForAndNoMore(t *testing.T) {
	tenant := &v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin", UID: "uid-1", ResourceVersion: "7", Finalizers: []string{"f"}},
		Spec:       v1alpha1.TenantSpec{Region: "eu-central", Hostname: "a.example", Export: &v1alpha1.Export{Recipient: "age1x"}},
		Status:     v1alpha1.TenantStatus{SchemaVersion: 4},
	}
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: "tenant-hotel-berlin", UID: "uid-2"}
	}
	until := metav1.NewTime(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	got, err := plan.ResourcesOf(tenant,
		[]v1alpha1.Channel{{ObjectMeta: named("spa")}, {ObjectMeta: named("desk")}},
		[]v1alpha1.RetentionPolicy{{ObjectMeta: named("guests"), Spec: v1alpha1.RetentionPolicySpec{Schedule: "15 3 * * *"}}},
		[]v1alpha1.LegalHold{{ObjectMeta: named("case-9"), Spec: v1alpha1.LegalHoldSpec{Until: &until}}})
	if err != nil {
		t.Fatal(err)
	}
	rest := string(got)
	for _, part := range []string{"kind: Tenant", "name: desk", "name: spa", "2030-01-01T00:00:00Z", "15 3 * * *"} {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Errorf("%q is missing or out of order in\n%s", part, got)
		}
		rest = after
	}
	for _, word := range []string{"uid", "status", "resourceVersion", "finalizers", "age1x"} {
		if strings.Contains(string(got), word) {
			t.Errorf("%q is of this cluster\n%s", word, got)
		}
	}
	if again, err := plan.ResourcesOf(tenant, nil, nil, nil); err != nil || strings.Count(string(again), "---\n") != 1 || tenant.Spec.Export == nil {
		t.Errorf("again: %s, %v", again, err)
	}
}
