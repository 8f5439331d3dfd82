package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fleet is tenants: "." rests, "r" is on the way since a minute, "o" since two hours, "m" and "M" likewise and were not served
// before, "d" is on the way for two hours and being deleted, "q" likewise and its database is being handed over.
func fleet(states string) []v1alpha1.Tenant {
	var all []v1alpha1.Tenant
	for i, state := range states {
		t := v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("t%d", i)}}
		t.Status.Instance = &v1alpha1.InstanceStatus{Image: "one"}
		o := &v1alpha1.Rollout{From: "one", To: "two", Since: metav1.Time{Time: now.Add(-time.Minute)}}
		if strings.ContainsRune("oMdq", state) {
			o.Since.Time = now.Add(-2 * time.Hour)
		}
		o.Mending = strings.ContainsRune("mM", state)
		if state == 'd' {
			t.DeletionTimestamp = &metav1.Time{Time: now}
		}
		if state == 'q' {
			t.Status.Move = &v1alpha1.MoveStatus{Phase: v1alpha1.MoveQuiesced}
		}
		if state != '.' {
			t.Status.Instance.Rollout = o
		}
		all = append(all, t)
	}
	return all
}

func TestWhoseTurnItIs(t *testing.T) {
	for name, test := range map[string]struct {
		fleet  string // the first asks
		max    intstr.IntOrString
		reason string // empty: its turn has come
		part   string
	}{
		"nobody is on the way":        {"...", intstr.FromInt32(1), "", ""},
		"one is, and one may be":      {".r.", intstr.FromInt32(1), v1alpha1.ReasonWaitingForTurn, "no more than 1 of all tenants"},
		"one is, and two may be":      {".r.", intstr.FromInt32(2), "", ""},
		"a tenth of ten is one":       {".r........", intstr.FromString("10%"), v1alpha1.ReasonWaitingForTurn, ""},
		"a tenth of twenty is two":    {".r..................", intstr.FromString("10%"), "", ""},
		"a tenth of two is one":       {"..", intstr.FromString("10%"), "", ""},
		"one is late":                 {".o................", intstr.FromInt32(9), v1alpha1.ReasonRolloutPaused, "t1 has not become ready"},
		"several are late":            {".oo.ooo", intstr.FromInt32(9), v1alpha1.ReasonRolloutPaused, "t1, t2, t4 and 2 more have not become ready"},
		"who is mended counts":        {".m", intstr.FromInt32(1), v1alpha1.ReasonWaitingForTurn, ""},
		"but stops nobody":            {".M", intstr.FromInt32(1), "", ""},
		"who goes holds none up":      {".d", intstr.FromInt32(1), "", ""},
		"nor who is handed over":      {".q", intstr.FromInt32(1), "", ""},
		"nobody waits for themselves": {"r.", intstr.FromInt32(1), "", ""},
		"what is no number lets one":  {".r", intstr.FromString("some"), v1alpha1.ReasonWaitingForTurn, ""},
	} {
		t.Run(name, func(t *testing.T) {
			turn := Rules{MaxUnavailable: test.max, Deadline: time.Hour}.Next(fleet(test.fleet), "t0", "two", now)
			if turn.Granted != (test.reason == "") || turn.Reason != test.reason || !strings.Contains(turn.Message, test.part) {
				t.Errorf("got %+v", turn)
			}
		})
	}
}
