package status_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/status"
)

// cluster holds one Region and counts writes of status.
func cluster(t *testing.T, region *v1alpha1.Region) (client.Client, *int) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	writes := new(int)
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(region).WithObjects(region).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
				*writes++
				return c.SubResource(sub).Patch(ctx, o, p, opts...)
			},
		}).Build()
	return c, writes
}

func read(t *testing.T, c client.Client) *v1alpha1.Region {
	t.Helper()
	region := &v1alpha1.Region{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "eu-central"}, region); err != nil {
		t.Fatal(err)
	}
	return region
}

func eu() *v1alpha1.Region {
	return &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central", Generation: 3}}
}

var ready = metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, Message: "all is well"}

func TestPatchWritesOnceAndThenNothing(t *testing.T) {
	c, writes := cluster(t, eu())
	for pass := range 3 {
		region := read(t, c)
		before := region.DeepCopy()
		region.Status.Nodes = 2
		status.SetConditions(&region.Status.Conditions, []metav1.Condition{ready}, region.Generation)
		if err := (&status.Writer{}).Patch(t.Context(), c, region, before); err != nil {
			t.Fatal(err)
		}
		if *writes != 1 {
			t.Fatalf("%d writes after pass %d, want 1", *writes, pass+1)
		}
	}
	if got := read(t, c).Status; got.Nodes != 2 || len(got.Conditions) != 1 || got.Conditions[0].ObservedGeneration != 3 {
		t.Errorf("status = %+v", got)
	}
}

func TestPatchRefusesWhatItHasNotSeen(t *testing.T) {
	c, _ := cluster(t, eu())
	stale := read(t, c)
	other := read(t, c)
	before := other.DeepCopy()
	other.Status.Nodes = 1
	if err := (&status.Writer{}).Patch(t.Context(), c, other, before); err != nil {
		t.Fatal(err)
	}
	before = stale.DeepCopy()
	stale.Status.Nodes = 7
	if err := (&status.Writer{}).Patch(t.Context(), c, stale, before); !apierrors.IsConflict(err) {
		t.Errorf("err = %v, want a conflict", err)
	}
	if got := read(t, c).Status.Nodes; got != 1 {
		t.Errorf("nodes = %d, want the 1 of who came first", got)
	}
}

// A cache that lags behind shows an object as it was before the last write: that another one would be a conflict is known.
func TestWhatIsOlderThanWhatWasWrittenIsNotSent(t *testing.T) {
	region := eu()
	region.UID = "1"
	c, writes := cluster(t, region)
	w := &status.Writer{}
	pass := func(region *v1alpha1.Region, nodes int32) error {
		before := region.DeepCopy()
		region.Status.Nodes = nodes
		return w.Patch(t.Context(), c, region, before)
	}
	stale := read(t, c)
	if err := pass(read(t, c), 1); err != nil {
		t.Fatal(err)
	}
	if err := pass(stale, 2); !apierrors.IsConflict(err) || *writes != 1 {
		t.Errorf("%d writes, err = %v, want 1 and a conflict", *writes, err)
	}
	if err := pass(read(t, c), 2); err != nil || *writes != 2 || read(t, c).Status.Nodes != 2 {
		t.Errorf("%d writes, err = %v, want 2 and none", *writes, err)
	}
}

func TestPatchOfWhatIsGoneIsNoError(t *testing.T) {
	c, _ := cluster(t, eu())
	region := read(t, c)
	before := region.DeepCopy()
	if err := c.Delete(t.Context(), region.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	region.Status.Nodes = 1
	if err := (&status.Writer{}).Patch(t.Context(), c, region, before); err != nil {
		t.Error(err)
	}
}

func TestSetConditionsKeepsTheTimeOfWhatDidNotChange(t *testing.T) {
	past := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	old := ready
	old.LastTransitionTime = past
	stalled := metav1.Condition{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: "Gone", LastTransitionTime: past}
	conditions := []metav1.Condition{old, stalled}

	status.SetConditions(&conditions, []metav1.Condition{ready}, 4)
	if len(conditions) != 1 || !conditions[0].LastTransitionTime.Equal(&past) || conditions[0].ObservedGeneration != 4 {
		t.Errorf("conditions = %+v", conditions)
	}
	worse := ready
	worse.Status = metav1.ConditionFalse
	status.SetConditions(&conditions, []metav1.Condition{worse}, 4)
	if conditions[0].LastTransitionTime.Equal(&past) {
		t.Error("a changed status kept its old time")
	}
}

func TestEventsTellOfChangesOnly(t *testing.T) {
	condition := func(kind string, is metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: is, Reason: reason, Message: message}
	}
	isolated, stalled := v1alpha1.ConditionIsolated, v1alpha1.ConditionStalled
	for name, c := range map[string]struct {
		before, after []metav1.Condition
		want          []string
	}{
		"nothing changed":          {[]metav1.Condition{ready}, []metav1.Condition{ready}, nil},
		"only the message changed": {[]metav1.Condition{condition(isolated, "False", "Failed", "a")}, []metav1.Condition{condition(isolated, "False", "Failed", "b")}, nil},
		"the first good news":      {nil, []metav1.Condition{ready}, []string{"Normal Ready Ready is True: all is well"}},
		"it went bad":              {[]metav1.Condition{condition(isolated, "True", "Ready", "")}, []metav1.Condition{condition(isolated, "False", "Failed", "why")}, []string{"Warning Failed Isolated is False: why"}},
		"another reason":           {[]metav1.Condition{condition(isolated, "False", "Waiting", "")}, []metav1.Condition{condition(isolated, "False", "Failed", "why")}, []string{"Warning Failed Isolated is False: why"}},
		"it is on its way":         {nil, []metav1.Condition{condition(isolated, "False", "Progressing", ""), condition(v1alpha1.ConditionReady, "False", "Waiting", "")}, nil},
		"it came about":            {[]metav1.Condition{condition(isolated, "False", "Progressing", "")}, []metav1.Condition{condition(isolated, "True", "Ready", "")}, nil},
		"it is good again":         {[]metav1.Condition{condition(isolated, "False", "Failed", "")}, []metav1.Condition{condition(isolated, "True", "Ready", "closed")}, []string{"Normal Ready Isolated is True: closed"}},
		"all is good again":        {[]metav1.Condition{condition(isolated, "False", "Failed", "")}, []metav1.Condition{condition(isolated, "True", "Ready", ""), ready}, []string{"Normal Ready Ready is True: all is well"}},
		"one matter is told once": {nil, []metav1.Condition{
			condition(v1alpha1.ConditionReady, "False", "Failed", "why"), condition(isolated, "False", "Failed", "why"), condition(stalled, "True", "Failed", "why"),
		}, []string{"Warning Failed Isolated is False: why"}},
		"what no other condition tells": {nil, []metav1.Condition{condition(v1alpha1.ConditionReady, "False", "Failed", "why"), condition(isolated, "True", "Ready", "")}, []string{"Warning Failed Ready is False: why"}},
		"it stalled":                    {nil, []metav1.Condition{condition(stalled, "True", "RegionNotFound", "why")}, []string{"Warning RegionNotFound Stalled is True: why"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := told(c.before, c.after); !slices.Equal(got, c.want) {
				t.Errorf("events = %q, want %q", got, c.want)
			}
		})
	}
}

// An event's note may have 1,024 bytes: the API server refuses a longer one.
func TestEventsAreShortEnough(t *testing.T) {
	bad := ready
	bad.Status, bad.Message = metav1.ConditionFalse, strings.Repeat("ä", 2000)
	got := told(nil, []metav1.Condition{bad})
	if len(got) != 1 {
		t.Fatalf("%d events, want 1", len(got))
	}
	note := strings.TrimPrefix(got[0], "Warning Ready ")
	if len(note) > 1024 || len(note) < 1000 || strings.ToValidUTF8(note, "") != note {
		t.Errorf("a note of %d bytes, valid: %t", len(note), strings.ToValidUTF8(note, "") == note)
	}
}

func told(before, after []metav1.Condition) []string {
	recorder := events.NewFakeRecorder(10)
	status.Events(recorder, eu(), before, after)
	close(recorder.Events)
	var all []string
	for e := range recorder.Events {
		all = append(all, e)
	}
	return all
}
