package judge_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
)

func TestNetworkIsolated(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	saw := func(age time.Duration, change func(*v1alpha1.NetworkProbe)) judge.Network {
		p := &v1alpha1.NetworkProbe{ProbedAt: metav1.NewTime(now.Add(-age)), Node: "eu-1", Tried: 5, Neighbours: 2}
		if change != nil {
			change(p)
		}
		return judge.Network{Last: p, Now: now}
	}
	reached := func(p *v1alpha1.NetworkProbe) { p.Reached = []string{"kubernetes-api", "neighbour-1-database"} }
	missed := func(p *v1alpha1.NetworkProbe) { p.Missed = []string{"database"} }
	failed := saw(time.Minute, nil)
	failed.Problem = "its pod did not start"
	for name, c := range map[string]struct {
		network judge.Network
		status  metav1.ConditionStatus
		reason  string
		says    string
	}{
		"nobody has looked yet":                         {judge.Network{Now: now}, metav1.ConditionUnknown, v1alpha1.ReasonWaiting, "not probed"},
		"nothing answered":                              {saw(time.Minute, nil), metav1.ConditionTrue, v1alpha1.ReasonReady, "at 2026-11-24T11:59:00Z a pod on node eu-1"},
		"neighbours are counted":                        {saw(time.Minute, nil), metav1.ConditionTrue, v1alpha1.ReasonReady, "2 other tenants"},
		"a tenant without neighbours says so":           {saw(time.Minute, func(p *v1alpha1.NetworkProbe) { p.Neighbours = 0 }), metav1.ConditionTrue, v1alpha1.ReasonReady, "no other tenant to try"},
		"something answered":                            {saw(time.Minute, reached), metav1.ConditionFalse, v1alpha1.ReasonPolicyNotEnforced, "kubernetes-api, neighbour-1-database"},
		"something answered, though others were missed": {saw(time.Minute, func(p *v1alpha1.NetworkProbe) { reached(p); missed(p) }), metav1.ConditionFalse, v1alpha1.ReasonPolicyNotEnforced, "kubernetes-api"},
		"what must answer did not":                      {saw(time.Minute, missed), metav1.ConditionUnknown, v1alpha1.ReasonNotProbed, "database"},
		"the probe failed":                              {failed, metav1.ConditionUnknown, v1alpha1.ReasonNotProbed, "did not start"},
		"still counts":                                  {saw(judge.ProbeCounts, nil), metav1.ConditionTrue, v1alpha1.ReasonReady, "none of 5"},
		"too long ago":                                  {saw(judge.ProbeCounts+time.Second, nil), metav1.ConditionUnknown, v1alpha1.ReasonNotProbed, "too long ago"},
		"too long ago, and not enforced then":           {saw(judge.ProbeCounts+time.Second, reached), metav1.ConditionUnknown, v1alpha1.ReasonNotProbed, "too long ago"},
	} {
		t.Run(name, func(t *testing.T) {
			all := judge.Tenant(judge.TenantFacts{Network: c.network})
			got := all[slices.IndexFunc(all, func(o metav1.Condition) bool { return o.Type == v1alpha1.ConditionNetworkIsolated })]
			if got.Status != c.status || got.Reason != c.reason || !strings.Contains(got.Message, c.says) {
				t.Errorf("judged %s %s %q, want %s %s with %q", got.Status, got.Reason, got.Message, c.status, c.reason, c.says)
			}
		})
	}
}

// A network that enforces nothing is told, and serves all the same: no other condition hangs on it.
func TestReadyDoesNotHangOnTheNetwork(t *testing.T) {
	var before []metav1.Condition
	for _, reached := range [][]string{nil, {"kubernetes-api"}} {
		all := judge.Tenant(judge.TenantFacts{Network: judge.Network{Last: &v1alpha1.NetworkProbe{Reached: reached}}})
		others := slices.DeleteFunc(all, func(o metav1.Condition) bool { return o.Type == v1alpha1.ConditionNetworkIsolated })
		if before != nil && !slices.Equal(others, before) {
			t.Errorf("the others are %v, and were %v", others, before)
		}
		before = others
	}
}
