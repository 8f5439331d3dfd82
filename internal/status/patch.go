// Package status is the only writer of status, and of the events that tell of its changes.
package status

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Patch writes an object's status when it differs from before. Another writer in
// between is a conflict, and the pass is made again. An object that has gone is no error.
//
// before may be older than what the pass before has written: the cache lags behind. When that is
// what was judged now, nothing is written here. Reconcilers therefore watch the status of
// their own kind: what was written comes by as an event, and is judged once more.
func Patch(ctx context.Context, c client.Client, object, before client.Object) error {
	if equality.Semantic.DeepEqual(object, before) {
		return nil
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
	return nil
}

// Events tells of every condition whose status or reason changed, and of nothing else.
func Events(recorder events.EventRecorder, object runtime.Object, before, after []metav1.Condition) {
	for _, c := range after {
		old := meta.FindStatusCondition(before, c.Type)
		if old != nil && old.Status == c.Status && old.Reason == c.Reason {
			continue
		}
		if c.Status == metav1.ConditionUnknown || c.Type == v1alpha1.ConditionReconciling {
			continue // nothing that anyone could act upon
		}
		severity := corev1.EventTypeNormal
		if bad := c.Status == metav1.ConditionFalse; bad != abnormal[c.Type] && c.Reason != v1alpha1.ReasonProgressing {
			severity = corev1.EventTypeWarning
		}
		recorder.Eventf(object, nil, severity, c.Reason, "Judge", "%s", cut(fmt.Sprintf("%s is %s: %s", c.Type, c.Status, c.Message), maxNote))
	}
}

// maxNote is the API's bound on an event's note, in bytes; it refuses a longer one.
const maxNote = 1024

// abnormal conditions are bad when True.
var abnormal = map[string]bool{v1alpha1.ConditionStalled: true, v1alpha1.ConditionTerminating: true}
