package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// nextVersion is what a release that ends the alpha would serve.
const nextVersion = "v1beta1"

// TestTheNextVersionOfTheDefinitions goes the way of docs/design/0020: both versions are served, the next is stored, the operator of the
// version before works on, all objects are stored anew, and only then can the version before go.
func TestTheNextVersionOfTheDefinitions(t *testing.T) {
	c := startOperator(t)
	c.apply(t, "regions/eu-central.yaml")
	h := c.book(t, "hotel-bonn", same)
	h.settle(t)
	before := h.tenant(t)

	kinds := definitions(t, c)
	for _, d := range kinds {
		serveBoth(t, c, d)
	}
	next := &unstructured.Unstructured{}
	eventually(t, "the next version is served", func(ctx context.Context) error {
		next.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: nextVersion, Kind: "Tenant"})
		return c.Get(ctx, client.ObjectKey{Name: h.name}, next)
	})
	was := unstructuredOf(t, before, "Tenant").Object
	for _, part := range []string{"spec", "status"} {
		if !equality.Semantic.DeepEqual(next.Object[part], was[part]) {
			t.Errorf("its %s is %v in the next version, and was %v", part, next.Object[part], was[part])
		}
	}

	boundary := &unstructured.Unstructured{}
	boundary.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: nextVersion, Kind: "ResidencyBoundary"})
	if err := c.Get(t.Context(), h.key("residency"), boundary); err != nil {
		t.Fatal(err)
	}
	wider := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"storageClassName":"anywhere"}}`))
	if err := c.Patch(t.Context(), boundary, wider); err == nil || !strings.Contains(err.Error(), "kept by the operator alone") {
		t.Errorf("the next version is a way around a policy: %v", err)
	}

	// What is made in the next version is brought about by the operator of the version before.
	create(t, c, unstructuredOf(t, aChannel(func(o *v1alpha1.Channel) { o.Name, o.Namespace = "late", h.namespace }), "Channel"))
	eventually(t, "its connector", func(ctx context.Context) error {
		if err := h.play(ctx, h.namespace); err != nil {
			return err
		}
		return h.Get(ctx, h.key("connector-late"), &appsv1.Deployment{})
	})
	h.settle(t) // and the operator rests

	early := kinds[0].DeepCopy()
	versions, _, err := unstructured.NestedSlice(early.Object, "spec", "versions")
	if err := errors.Join(err, unstructured.SetNestedSlice(early.Object, versions[1:], "spec", "versions")); err != nil {
		t.Fatal(err)
	}
	if err := c.Update(t.Context(), early); err == nil || !strings.Contains(err.Error(), "storedVersions") {
		t.Errorf("the version before can go while objects may be stored in it: %v", err)
	}
	for _, d := range kinds {
		storeAnew(t, c, d)
	}
	quiet(t, c)
	for _, d := range kinds {
		dropVersionBefore(t, c, d)
	}
	eventually(t, "the client is there in the next version alone", func(ctx context.Context) error {
		return c.Get(ctx, client.ObjectKey{Name: h.name}, next)
	})
	if !equality.Semantic.DeepEqual(next.Object["spec"], was["spec"]) {
		t.Errorf("its spec became %v", next.Object["spec"])
	}
}

// definitions are those of our kinds.
func definitions(t *testing.T, c testCluster) (all []*unstructured.Unstructured) {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList"})
	if err := c.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		if group, _, _ := unstructured.NestedString(list.Items[i].Object, "spec", "group"); group == v1alpha1.GroupVersion.Group {
			all = append(all, &list.Items[i])
		}
	}
	if len(all) < 8 {
		t.Fatalf("there are %d definitions only", len(all))
	}
	return all
}

// changeVersions changes the versions of a definition.
func changeVersions(t *testing.T, c testCluster, definition *unstructured.Unstructured, change func(versions []any) []any) {
	t.Helper()
	eventually(t, definition.GetName(), func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(definition), definition); err != nil {
			return err
		}
		versions, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
		if err != nil {
			return err
		}
		return errors.Join(unstructured.SetNestedSlice(definition.Object, change(versions), "spec", "versions"), c.Update(ctx, definition))
	})
}

// serveBoth has a definition serve the next version beside the one before, with the same schema, and store the next.
func serveBoth(t *testing.T, c testCluster, definition *unstructured.Unstructured) {
	t.Helper()
	changeVersions(t, c, definition, func(versions []any) []any {
		if len(versions) > 1 {
			return versions
		}
		old := versions[0].(map[string]any) //nolint:forcetypeassert // of a definition
		next := (&unstructured.Unstructured{Object: old}).DeepCopy().Object
		next["name"] = nextVersion
		old["storage"], old["deprecated"] = false, true
		return []any{old, next}
	})
}

// storeAnew writes all objects of a kind as they are, and has the definition forget that others were ever stored.
func storeAnew(t *testing.T, c testCluster, definition *unstructured.Unstructured) {
	t.Helper()
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	eventually(t, "all of "+kind+" are stored anew", func(ctx context.Context) error {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: nextVersion, Kind: kind + "List"})
		if err := c.List(ctx, list); err != nil {
			return err
		}
		for i := range list.Items {
			if err := c.Update(ctx, &list.Items[i]); err != nil {
				return fmt.Errorf("%s %s: %w", kind, list.Items[i].GetName(), err)
			}
		}
		if err := c.Get(ctx, client.ObjectKeyFromObject(definition), definition); err != nil {
			return err
		}
		return errors.Join(unstructured.SetNestedStringSlice(definition.Object, []string{nextVersion}, "status", "storedVersions"), c.Status().Update(ctx, definition))
	})
}

// dropVersionBefore ends the version before; the API server refuses that while objects may be stored in it.
func dropVersionBefore(t *testing.T, c testCluster, definition *unstructured.Unstructured) {
	t.Helper()
	changeVersions(t, c, definition, func(versions []any) []any { return versions[len(versions)-1:] })
}

// unstructuredOf is an object as the API server's clients see it who don't know its type.
func unstructuredOf(t *testing.T, object client.Object, kind string) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: nextVersion, Kind: kind})
	return u
}
