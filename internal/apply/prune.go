package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ManagedBy and ManagedByValue are the label of everything that may be pruned.
const (
	ManagedBy      = "app.kubernetes.io/managed-by"
	ManagedByValue = "switchboard"
)

// untouchable kinds hold what can't be made again. Prune refuses to look at them.
var untouchable = map[schema.GroupKind]bool{
	corev1.SchemeGroupVersion.WithKind("Secret").GroupKind():                true,
	corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim").GroupKind(): true,
	corev1.SchemeGroupVersion.WithKind("PersistentVolume").GroupKind():      true,
	corev1.SchemeGroupVersion.WithKind("Namespace").GroupKind():             true,
}

type identity struct {
	schema.GroupKind
	client.ObjectKey
}

// Prune deletes the operator's objects in a namespace that bear the labels and
// are of one of the lists' kinds, but for those to keep; their dependents go in
// the background. It goes on after a failure.
func (a *Applier) Prune(ctx context.Context, namespace string, labels map[string]string, keep []client.Object, lists ...client.ObjectList) error {
	if namespace == "" {
		return errors.New("pruning needs a namespace: nothing is pruned across the cluster")
	}
	kept := map[identity]bool{}
	for _, object := range keep {
		id, err := a.identify(object)
		if err != nil {
			return err
		}
		kept[id] = true
	}
	selector := client.MatchingLabels(maps.Clone(labels))
	if selector == nil {
		selector = client.MatchingLabels{}
	}
	selector[ManagedBy] = ManagedByValue

	var failures []error
	for _, list := range lists {
		if err := a.pruneKind(ctx, list, kept, client.InNamespace(namespace), selector); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

func (a *Applier) pruneKind(ctx context.Context, list client.ObjectList, kept map[identity]bool, opts ...client.ListOption) error {
	gvk, err := a.Client.GroupVersionKindFor(list)
	if err != nil {
		return fmt.Errorf("finding the kind of %T: %w", list, err)
	}
	if kind := itemKind(gvk); untouchable[kind] {
		return fmt.Errorf("a %s is never pruned: it holds what can't be made again", kind)
	}
	if err := a.reader().List(ctx, list, opts...); err != nil {
		return fmt.Errorf("listing %s: %w", gvk.Kind, err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("reading %s: %w", gvk.Kind, err)
	}
	var failures []error
	for _, item := range items {
		object, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("reading %s: %T is no object", gvk.Kind, item)
		}
		id := identity{itemKind(gvk), client.ObjectKeyFromObject(object)}
		if kept[id] || !object.GetDeletionTimestamp().IsZero() {
			continue
		}
		uid := object.GetUID()
		err := a.Client.Delete(ctx, object,
			client.PropagationPolicy(metav1.DeletePropagationBackground),
			client.Preconditions{UID: &uid}) // never a namesake that came since
		if client.IgnoreNotFound(err) != nil {
			failures = append(failures, fmt.Errorf("pruning %s %s: %w", id.Kind, id.ObjectKey, err))
		}
	}
	return errors.Join(failures...)
}

func (a *Applier) identify(object client.Object) (identity, error) {
	gvk, err := a.Client.GroupVersionKindFor(object)
	if err != nil {
		return identity{}, fmt.Errorf("finding the kind of %T: %w", object, err)
	}
	return identity{gvk.GroupKind(), client.ObjectKeyFromObject(object)}, nil
}

func itemKind(list schema.GroupVersionKind) schema.GroupKind {
	return schema.GroupKind{Group: list.Group, Kind: strings.TrimSuffix(list.Kind, "List")}
}
