package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// restartedAt is how `kubectl rollout restart` asks for new pods. It is the one
// thing in a spec that somebody else may write.
var restartedAt = fieldpath.MakePathOrDie("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")

// strangers gives, per entry of managedFields, what others than us have written
// beyond metadata and status. Server-side apply never removes a field that
// another manager has added, so these must become ours first. A namespace may be
// shared with GitOps, and what another operator brings about bears the defaults that it
// writes itself: nothing is taken over there.
func (a *Applier) strangers(live *unstructured.Unstructured) (map[int]*fieldpath.Set, error) {
	if isNamespace(live) || live.GroupVersionKind().Group == clusterGroup {
		return nil, nil
	}
	return foreign(live.GetManagedFields())
}

// clusterGroup is CloudNativePG's: its webhook and its operator fill in what a Cluster leaves out.
const clusterGroup = "postgresql.cnpg.io"

func foreign(entries []metav1.ManagedFieldsEntry) (map[int]*fieldpath.Set, error) {
	found := map[int]*fieldpath.Set{}
	for i, entry := range entries {
		if isOurs(entry) || entry.Subresource == "status" || entry.FieldsV1 == nil {
			continue
		}
		fields, err := decode(entry)
		if err != nil {
			return nil, err
		}
		taken := fieldpath.NewSet()
		for path := range fields.All() {
			if !mayBeForeign(path) {
				taken.Insert(path.Copy())
			}
		}
		if !taken.Empty() {
			found[i] = taken
		}
	}
	return found, nil
}

func isOurs(entry metav1.ManagedFieldsEntry) bool {
	return entry.Manager == FieldOwner && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == ""
}

func mayBeForeign(path fieldpath.Path) bool {
	if len(path) == 0 || path[0].FieldName == nil {
		return false
	}
	switch *path[0].FieldName {
	case "metadata", "status", "apiVersion", "kind":
		return true
	}
	return path.Equals(restartedAt) || path.Equals(restartedAt[:len(restartedAt)-1])
}

// takeOver writes the strangers' fields to our name. What we don't want of them
// vanishes with the apply that follows. It reads the object anew, for a cache may have left out
// which fields are ours, and fails with a conflict when somebody writes meanwhile.
func (a *Applier) takeOver(ctx context.Context, desired client.Object) error {
	object, err := a.read(ctx, a.live(), desired)
	if err != nil || object == nil {
		return err
	}
	live, err := toUnstructured(object, a.Client.Scheme())
	if err != nil {
		return err
	}
	found, err := a.strangers(live)
	if err != nil || len(found) == 0 {
		return err
	}
	entries, err := reassigned(live.GetManagedFields(), found, live.GetAPIVersion())
	if err != nil {
		return err
	}
	patch, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": entries},
		// A replace, not a test: the API server answers with a conflict.
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
	})
	if err != nil {
		return fmt.Errorf("writing the patch: %w", err)
	}
	target := &unstructured.Unstructured{Object: map[string]any{}}
	target.SetGroupVersionKind(live.GroupVersionKind())
	target.SetNamespace(live.GetNamespace())
	target.SetName(live.GetName())
	return a.Client.Patch(ctx, target, jsonPatch(patch), client.FieldOwner(FieldOwner))
}

// reassigned moves the found fields into our own entry.
func reassigned(entries []metav1.ManagedFieldsEntry, found map[int]*fieldpath.Set, apiVersion string) ([]metav1.ManagedFieldsEntry, error) {
	ours := metav1.ManagedFieldsEntry{
		Manager: FieldOwner, Operation: metav1.ManagedFieldsOperationApply,
		APIVersion: apiVersion, FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{},
	}
	fields := fieldpath.NewSet()
	if i := slices.IndexFunc(entries, isOurs); i >= 0 {
		ours = *entries[i].DeepCopy()
		own, err := decode(ours)
		if err != nil {
			return nil, err
		}
		fields = own
	}

	var rest []metav1.ManagedFieldsEntry
	for i, entry := range entries {
		if isOurs(entry) {
			continue
		}
		taken, ok := found[i]
		if !ok {
			rest = append(rest, entry)
			continue
		}
		fields = fields.Union(taken)
		theirs, err := decode(entry)
		if err != nil {
			return nil, err
		}
		left := theirs.Difference(taken)
		if left.Empty() {
			continue
		}
		entry = *entry.DeepCopy()
		if err := encode(&entry, left); err != nil {
			return nil, err
		}
		rest = append(rest, entry)
	}
	if err := encode(&ours, fields); err != nil {
		return nil, err
	}
	return append([]metav1.ManagedFieldsEntry{ours}, rest...), nil
}

func decode(entry metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	fields := fieldpath.NewSet()
	if err := fields.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
		return nil, fmt.Errorf("reading the fields that %q manages: %w", entry.Manager, err)
	}
	return fields, nil
}

func encode(entry *metav1.ManagedFieldsEntry, fields *fieldpath.Set) error {
	raw, err := fields.ToJSON()
	if err != nil {
		return fmt.Errorf("writing the fields that %q manages: %w", entry.Manager, err)
	}
	entry.FieldsV1.SetRawBytes(raw)
	return nil
}

func jsonPatch(raw []byte) client.Patch { return client.RawPatch(types.JSONPatchType, raw) }
