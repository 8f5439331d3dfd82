package datasubjectrequest_test

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
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/controllers/datasubjectrequest"
)

// What is not answered is counted by what the clock says, and nobody is named.
func TestRequestsAreCountedByTheirClock(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-a", Labels: map[string]string{v1alpha1.LabelTenant: "a"}}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "nobodys"}},
	}
	file := func(namespace string, of v1alpha1.RequestType, daysAgo int, change func(*v1alpha1.DataSubjectRequest)) {
		q := &v1alpha1.DataSubjectRequest{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("secret-name-%d", len(objects)), Namespace: namespace}}
		q.Spec.Type, q.Spec.ReceivedAt = of, metav1.NewTime(now.Add(-time.Duration(daysAgo)*24*time.Hour))
		if change != nil {
			change(q)
		}
		objects = append(objects, q)
	}
	file("tenant-a", v1alpha1.RequestErasure, 1, nil)
	file("tenant-a", v1alpha1.RequestErasure, 37, nil) // eight days left
	file("tenant-a", v1alpha1.RequestErasure, 38, nil)
	file("tenant-a", v1alpha1.RequestErasure, 45, nil)
	file("tenant-a", v1alpha1.RequestUnderage, 0, nil)
	file("nobodys", v1alpha1.RequestErasure, 1, nil)
	file("tenant-a", v1alpha1.RequestErasure, 44, func(q *v1alpha1.DataSubjectRequest) {
		q.Status.Receipts = []v1alpha1.RequestReceipt{{Sequence: 1, FinishedAt: metav1.NewTime(now)}} // a hold keeps the rest
	})
	file("tenant-a", v1alpha1.RequestComplaint, 46, func(q *v1alpha1.DataSubjectRequest) {
		answered := metav1.NewTime(now)
		q.Spec.AnsweredAt = &answered
	})
	c := datasubjectrequest.NewCollector(fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build(), func() time.Time { return now })
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "switchboard_requests" {
		t.Fatalf("gathered %v, %v", families, err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("the metrics are not as Prometheus advises: %v, %v", problems, err)
	}
	var got []string
	for _, m := range families[0].GetMetric() {
		labels := []string{}
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		got = append(got, fmt.Sprintf("%s: %g", strings.Join(labels, " "), m.GetGauge().GetValue()))
	}
	want := []string{
		"state=due_soon tenant=a type=Erasure: 1", "state=due_soon tenant=a type=Underage: 1",
		"state=open tenant=a type=Erasure: 2", "state=past_due tenant=a type=Erasure: 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it counts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
