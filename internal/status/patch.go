// Package status is the only writer of status, and of the events that tell of its changes.
package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Writer writes status. It remembers of each object the version that it wrote last upon: who still judges that one has a cache that
// lags behind, and what would be written is a conflict, for which the API server need not be asked. nil remembers nothing.
type Writer struct {
	mu   sync.Mutex
	upon map[types.UID]string // until a newer version is judged
}

// Patch writes an object's status when it differs from before. Another writer in
// between is a conflict, and the pass is made again. An object that has gone is no error.
//
// before may be older than what the pass before has written: the cache lags behind. When that is
// what was judged now, nothing is written here. Reconcilers therefore watch the status of
// their own kind: what was written comes by as an event, and is judged once more.
func (w *Writer) Patch(ctx context.Context, c client.Client, object, before client.Object) error {
	lags := w.lags(before)
	if equality.Semantic.DeepEqual(object, before) {
		return nil
	}
	if lags {
		return apierrors.NewConflict(schema.GroupResource{Resource: "status"}, object.GetName(), errors.New("the cache does not show yet what was written last"))
	}
	// A patch answers with the object as it is now, which callers must not mistake for what they judged.
	written, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("writing the status of %s: it is no object", object.GetName())
	}
	err := c.Status().Patch(ctx, written, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of %s: %w", object.GetName(), err)
	}
	if err == nil && written.GetResourceVersion() != before.GetResourceVersion() {
		w.wrote(before)
	}
	return nil
}

// lags says that something newer than this version was written, and forgets of it once that is not so.
func (w *Writer) lags(judged client.Object) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	upon, known := w.upon[judged.GetUID()]
	if known && upon == judged.GetResourceVersion() {
		return true
	}
	delete(w.upon, judged.GetUID())
	return false
}

func (w *Writer) wrote(before client.Object) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.upon == nil {
		w.upon = map[types.UID]string{}
	}
	w.upon[before.GetUID()] = before.GetResourceVersion()
}

// Events tells of what people act upon: that a condition became bad, or bad for another reason, that it is good again, and that
// the object became Ready. What is on its way is told by the conditions alone: of many tenants that come about at a time, events of
// it would be a third of all that the API server is asked for.
func Events(recorder events.EventRecorder, object runtime.Object, before, after []metav1.Condition) {
	for _, c := range after {
		if severity := severity(c, before, after); severity != "" {
			recorder.Eventf(object, nil, severity, c.Reason, "Judge", "%s", cut(fmt.Sprintf("%s is %s: %s", c.Type, c.Status, c.Message), maxNote))
		}
	}
}

// severity is that of the event which tells of a condition; empty when none does.
func severity(c metav1.Condition, before, after []metav1.Condition) string {
	old := meta.FindStatusCondition(before, c.Type)
	becameReady := meta.IsStatusConditionTrue(after, v1alpha1.ConditionReady) && !meta.IsStatusConditionTrue(before, v1alpha1.ConditionReady)
	switch {
	case old != nil && old.Status == c.Status && old.Reason == c.Reason:
		return ""
	case bad(c) && !repeats(c, after):
		return corev1.EventTypeWarning
	case c.Status != metav1.ConditionTrue || bad(c):
		return ""
	case c.Type == v1alpha1.ConditionReady, old != nil && bad(*old) && !becameReady: // Ready says it for all
		return corev1.EventTypeNormal
	}
	return ""
}

// bad says that a condition tells of something to act upon.
func bad(c metav1.Condition) bool {
	switch c.Reason {
	case v1alpha1.ReasonProgressing, v1alpha1.ReasonWaiting, v1alpha1.ReasonEgressClosed: // that is for the Tenant to tell
		return false
	}
	if abnormal[c.Type] {
		return c.Status == metav1.ConditionTrue
	}
	return c.Status == metav1.ConditionFalse
}

// repeats says that a condition sums up what another one tells.
func repeats(c metav1.Condition, all []metav1.Condition) bool {
	summary := c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionStalled
	return summary && slices.ContainsFunc(all, func(o metav1.Condition) bool {
		return o.Type != c.Type && o.Type != v1alpha1.ConditionReady && o.Reason == c.Reason && bad(o)
	})
}

// maxNote is the API's bound on an event's note, in bytes; it refuses a longer one.
const maxNote = 1024

// abnormal conditions are bad when True.
var abnormal = map[string]bool{v1alpha1.ConditionStalled: true, v1alpha1.ConditionTerminating: true}
