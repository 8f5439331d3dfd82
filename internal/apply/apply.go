// Package apply is the only writer of the objects that the operator wants to be
// there. It applies them on the server's side under one field owner, puts back
// what others changed, removes what is no longer wanted, and writes nothing when
// nothing differs.
package apply

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// FieldOwner is the operator's name in metadata.managedFields.
const FieldOwner = "switchboard"

// Applier brings about desired objects.
type Applier struct {
	// Client writes. Its scheme must know every type that is applied.
	Client client.Client
	// Reader reads what is there, best from a cache that keeps managedFields. A
	// stale answer costs at most one write too many. nil means Client.
	Reader client.Reader
	// Live reads from the API server itself, where Reader is a cache of what Slim left. nil means Reader.
	Live client.Reader

	verified verified
}

// Apply makes the live objects agree with the desired ones, in their order, and
// goes on after a failure: one object that can't be applied doesn't keep the
// others from being put back. An object may be typed or unstructured; it isn't
// changed. All errors are returned together; a conflict among them means that
// somebody wrote at the same time, and that another try will do.
func (a *Applier) Apply(ctx context.Context, desired ...client.Object) error {
	var failures []error
	for _, object := range desired {
		if err := a.apply(ctx, object); err != nil {
			failures = append(failures, fmt.Errorf("applying %s %s: %w", a.kind(object), client.ObjectKeyFromObject(object), err))
		}
	}
	return errors.Join(failures...)
}

func (a *Applier) apply(ctx context.Context, desired client.Object) error {
	found, err := a.read(ctx, a.reader(), desired)
	if err != nil {
		return err
	}
	id, err := a.identify(desired)
	if err != nil {
		return err
	}
	if found == nil {
		a.verified.forget(id)
		return a.write(ctx, desired)
	}
	now, err := sumOf(desired, found)
	if err != nil || a.verified.is(id, now) {
		return err
	}
	live, err := toUnstructured(found, a.Client.Scheme())
	if err != nil {
		return err
	}
	others, err := a.strangers(live)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		if err := a.takeOver(ctx, desired); err != nil {
			return fmt.Errorf("taking over what others wrote: %w", err)
		}
		return a.write(ctx, desired)
	}
	want, err := configuration(desired, a.Client.Scheme())
	if err != nil {
		return err
	}
	if upToDate(live, want) {
		a.verified.note(id, now)
		return nil
	}
	return a.write(ctx, desired)
}

// write sends what is desired to the API server.
func (a *Applier) write(ctx context.Context, desired client.Object) error {
	want, err := configuration(desired, a.Client.Scheme())
	if err != nil {
		return err
	}
	return a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(want), client.FieldOwner(FieldOwner), client.ForceOwnership)
}

// upToDate tells whether live is what the last apply of want left behind.
func upToDate(live, want *unstructured.Unstructured) bool {
	return live.GetAnnotations()[v1alpha1.AnnotationApplied] == want.GetAnnotations()[v1alpha1.AnnotationApplied] &&
		hasOurs(live.GetManagedFields()) && contains(live.Object, want.Object)
}

func hasOurs(entries []metav1.ManagedFieldsEntry) bool {
	for _, entry := range entries {
		if isOurs(entry) {
			return true
		}
	}
	return false
}

// read reads into the desired object's own type, so that the cache needs no
// second informer for unstructured objects. nil means that there is none. What it
// gives is the cache's own, and must not be changed.
func (a *Applier) read(ctx context.Context, from client.Reader, desired client.Object) (client.Object, error) {
	var object client.Object
	if u, ok := desired.(*unstructured.Unstructured); ok {
		empty := &unstructured.Unstructured{}
		empty.SetGroupVersionKind(u.GroupVersionKind())
		object = empty
	} else {
		object = reflect.New(reflect.TypeOf(desired).Elem()).Interface().(client.Object)
	}
	err := from.Get(ctx, client.ObjectKeyFromObject(desired), object, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is there: %w", err)
	}
	return object, nil
}

func (a *Applier) reader() client.Reader {
	if a.Reader != nil {
		return a.Reader
	}
	return a.Client
}

func (a *Applier) live() client.Reader {
	if a.Live != nil {
		return a.Live
	}
	return a.reader()
}

func (a *Applier) kind(object client.Object) string {
	gvk, err := a.Client.GroupVersionKindFor(object)
	if err != nil {
		return fmt.Sprintf("%T", object)
	}
	return gvk.Kind
}
