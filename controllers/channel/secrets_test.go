package channel

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

func TestASecretThatWasFoundCountsForAWhile(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	channel := func() *v1alpha1.Channel {
		return &v1alpha1.Channel{ObjectMeta: metav1.ObjectMeta{Name: "desk", Namespace: "tenant-berlin", UID: "1", Generation: 3}}
	}
	told := func(status metav1.ConditionStatus, generation int64) *v1alpha1.Channel {
		c := channel()
		c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionCredentialsReady, Status: status, ObservedGeneration: generation}}
		return c
	}
	var known found
	known.note(channel(), now)
	for name, c := range map[string]struct {
		known   *found
		channel *v1alpha1.Channel
		now     time.Time
		counts  bool
	}{
		"just found":                          {&known, channel(), now, true},
		"almost too long ago":                 {&known, channel(), now.Add(remembered - 1), true},
		"too long ago":                        {&known, told("True", 3), now.Add(remembered), false},
		"never looked for":                    {&found{}, channel(), now, false},
		"missing before a restart":            {&found{}, told("False", 3), now, false},
		"found before a restart":              {&found{}, told("True", 3), now, true},
		"found for another generation":        {&found{}, told("True", 2), now, false},
		"of a Channel that came in its place": {&known, func() *v1alpha1.Channel { c := channel(); c.UID = "2"; return c }(), now, false},
		"of a Channel that was changed":       {&known, func() *v1alpha1.Channel { c := channel(); c.Generation++; return c }(), now, false},
	} {
		if left := c.known.left(c.channel, c.now); (left > 0) != c.counts || left > remembered {
			t.Errorf("%s: it counts for %s", name, left)
		}
	}
	known.forget(client.ObjectKeyFromObject(channel()))
	if left := known.left(channel(), now); left != 0 {
		t.Errorf("what was forgotten counts for %s", left)
	}
}
