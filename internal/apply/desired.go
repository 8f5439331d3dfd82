package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// configuration is what is sent to the API server for a desired object: its
// fields without status or what only a server writes, and a hash of them as an
// annotation, by which a later pass knows what was sent last.
func configuration(desired client.Object, scheme *runtime.Scheme) (*unstructured.Unstructured, error) {
	u, err := toUnstructured(desired, scheme)
	if err != nil {
		return nil, err
	}
	delete(u.Object, "status")
	for _, field := range []string{"creationTimestamp", "managedFields", "resourceVersion", "uid", "generation"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	dropNulls(u.Object)
	if isNamespace(u) {
		delete(u.Object, "spec") // its finalizers are the API server's
	}

	annotations := u.GetAnnotations()
	delete(annotations, v1alpha1.AnnotationApplied)
	u.SetAnnotations(annotations)
	canonical, err := json.Marshal(u.Object) // the keys of maps are sorted
	if err != nil {
		return nil, fmt.Errorf("hashing the object: %w", err)
	}
	sum := sha256.Sum256(canonical)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationApplied] = hex.EncodeToString(sum[:])
	u.SetAnnotations(annotations)
	return u, nil
}

// toUnstructured goes through JSON, so that numbers have the same types wherever
// an object comes from.
func toUnstructured(obj client.Object, scheme *runtime.Scheme) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(obj, scheme)
	if err != nil {
		return nil, fmt.Errorf("finding the kind of %T: %w", obj, err)
	}
	raw, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("writing %T as JSON: %w", obj, err)
	}
	content := map[string]any{}
	if err := utiljson.Unmarshal(raw, &content); err != nil {
		return nil, fmt.Errorf("reading %T back from JSON: %w", obj, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	return u, nil
}

func dropNulls(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			if item == nil {
				delete(v, key)
				continue
			}
			dropNulls(item)
		}
	case []any:
		for _, item := range v {
			dropNulls(item)
		}
	}
}

func isNamespace(u *unstructured.Unstructured) bool {
	gvk := u.GroupVersionKind()
	return gvk.Group == "" && gvk.Kind == "Namespace"
}
