package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Where there are more requests than a desk is told of, its own that are open are among them, and it is told that some are not.
func TestADeskIsToldOfItsOwnOpenRequestsFirst(t *testing.T) {
	start := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	request := func(name string, hours int, own, completed bool) v1alpha1.DataSubjectRequest {
		at := metav1.NewTime(start.Add(time.Duration(hours) * time.Hour))
		q := v1alpha1.DataSubjectRequest{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.DataSubjectRequestSpec{Type: v1alpha1.RequestErasure, ReceivedAt: at}}
		q.Status.DueAt = &metav1.Time{Time: at.AddDate(0, 0, 45)}
		if own {
			q.Labels = map[string]string{v1alpha1.LabelFiledBy: v1alpha1.FiledByDesk}
		}
		if completed {
			q.Status.CompletedAt = &at
		}
		return q
	}
	var all []v1alpha1.DataSubjectRequest
	for i := range contract.MaxDeskRequests - 2 {
		all = append(all, request(fmt.Sprintf("cluster-%d", i), 100+i, false, false))
	}
	all = append(all, request("desk-old", 0, true, false), request("ended-early", 1, true, true))
	told, err := plan.Desk(all, nil)
	if err != nil || told.Cut || len(told.Requests) != len(all) {
		t.Fatalf("of %d it is told %d, cut %v, %v", len(all), len(told.Requests), told.Cut, err)
	}
	whole := told.Digest
	all = append(all, request("ended-late", 2, true, true))
	told, err = plan.Desk(all, nil)
	if err != nil || !told.Cut || len(told.Requests) != contract.MaxDeskRequests || told.Digest == whole {
		t.Fatalf("of %d it is told %d, cut %v, %v", len(all), len(told.Requests), told.Cut, err)
	}
	for name, want := range map[string]bool{"desk-old": true, "cluster-0": true, "ended-late": true, "ended-early": false} {
		if got := slices.ContainsFunc(told.Requests, func(r contract.DeskRequest) bool { return r.Name == name }); got != want {
			t.Errorf("%s is told: %v", name, got)
		}
	}
	for range contract.MaxDeskRequests {
		all = append(all, request(fmt.Sprintf("more-%d", len(all)), len(all), false, false))
	}
	if told, err = plan.Desk(all, nil); err != nil || !slices.ContainsFunc(told.Requests, func(r contract.DeskRequest) bool { return r.Name == "desk-old" }) {
		t.Errorf("its own is not told, %v", err)
	}
}
