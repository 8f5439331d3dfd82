package main

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// appliedAgain applies the files of a client as Argo CD does, over what the operator has made of them, and once more: no spec
// changes, and the second time nothing does.
func appliedAgain(t *testing.T, c testCluster, files ...string) {
	apply := func(content map[string]any) *unstructured.Unstructured {
		t.Helper()
		o := &unstructured.Unstructured{Object: content}
		if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("argocd-controller")); err != nil {
			t.Fatal(err) // without force: a conflict is an operator that writes what is Git's
		}
		return o
	}
	for _, file := range files {
		for _, document := range documents(t, "../../config/samples/"+file) {
			read := func() map[string]any {
				content := map[string]any{}
				if err := yaml.Unmarshal(document, &content); err != nil {
					t.Fatal(err)
				}
				return content
			}
			before := &unstructured.Unstructured{Object: read()}
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(before), before); err != nil {
				t.Fatal(err)
			}
			first := apply(read())
			quiet(t, c)
			settled := &unstructured.Unstructured{Object: read()}
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(settled), settled); err != nil {
				t.Fatal(err)
			}
			second := apply(read())
			if first.GetGeneration() != before.GetGeneration() {
				t.Errorf("%s %s: applying what is in Git made generation %d of %d", first.GetKind(), first.GetName(), first.GetGeneration(), before.GetGeneration())
			}
			if second.GetResourceVersion() != settled.GetResourceVersion() {
				t.Errorf("%s %s: applying it again changed something", second.GetKind(), second.GetName())
			}
		}
	}
}
