package retentionpolicy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/controllers/retentionpolicy"
)

// What is not known has no series, and never counts as none.
func TestMetricsTellWhatStatusShows(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	at := func(s int64) metav1.Time { return metav1.NewTime(time.Unix(s, 0)) }
	three, oldest := int64(3), metav1.NewMicroTime(time.Unix(500, 0))
	counted := v1alpha1.RetentionRun{Outcome: "Blocked", FinishedAt: at(2000), Files: &v1alpha1.StoredFiles{Pending: 7}, Categories: []v1alpha1.CategoryRun{
		{Category: v1alpha1.CategoryMessages, Overdue: &three, HeldBack: 2, OldestLeft: &oldest},
		{Category: v1alpha1.CategoryContacts}, // could not be counted, and nothing is left
	}}
	policy := func(name, namespace string, enforced metav1.ConditionStatus, runs ...v1alpha1.RetentionRun) *v1alpha1.RetentionPolicy {
		p := &v1alpha1.RetentionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
		p.Status.Runs = runs
		p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionEnforced, Status: enforced, Reason: "Of" + name}}
		return p
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-a", Labels: map[string]string{v1alpha1.LabelTenant: "a"}}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "nobodys"}},
		policy("standard", "tenant-a", metav1.ConditionFalse, counted, v1alpha1.RetentionRun{Outcome: "Enforced", FinishedAt: at(1000)}),
		policy("new", "tenant-a", metav1.ConditionUnknown),
		policy("planned", "tenant-a", metav1.ConditionTrue, v1alpha1.RetentionRun{Outcome: "DryRun", FinishedAt: at(3000)}),
		policy("standard", "nobodys", metav1.ConditionTrue, counted),
	).Build()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&retentionpolicy.Collector{Reader: c})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("the metrics are not as Prometheus advises: %v, %v", problems, err)
	}
	var got []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := []string{}
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			got = append(got, fmt.Sprintf("%s %s %g", strings.TrimPrefix(f.GetName(), "switchboard_retention_"), strings.Join(labels, " "), m.GetGauge().GetValue()))
		}
	}
	want := []string{ // labels in the order of their names: category, policy, tenant
		"blocked planned a 0", "blocked standard a 1",
		"enforced planned a 1", "enforced standard a 0",
		"files_pending planned a 0", "files_pending standard a 7",
		"held_rows Contacts standard a 0", "held_rows Messages standard a 2",
		"last_success_timestamp_seconds standard a 1000",
		"oldest_record_timestamp_seconds Messages standard a 500",
		"overdue_rows Messages standard a 3",
		"state new Ofnew a 1", "state planned Ofplanned a 1", "state standard Ofstandard a 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
