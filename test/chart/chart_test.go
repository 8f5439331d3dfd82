// Package chart renders the Helm chart with Helm's own engine, and holds it to what
// kustomize installs. It is a module of its own: Helm's dependencies stay out of the project's.
package chart

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const chartFolder = "../../charts/switchboard"

type object = map[string]any

func render(t *testing.T, values map[string]any) (map[string]object, error) {
	t.Helper()
	return renderInto(t, "switchboard-system", values)
}

func renderInto(t *testing.T, namespace string, values map[string]any) (map[string]object, error) {
	t.Helper()
	c, err := loader.Load(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "switchboard", Namespace: namespace}, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	found := map[string]object{}
	for name, text := range files {
		if strings.HasSuffix(name, ".txt") {
			continue
		}
		collect(t, found, text)
	}
	return found, nil
}

func collect(t *testing.T, into map[string]object, text string) {
	t.Helper()
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(text), 4096)
	for {
		o := object{}
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o) == 0 {
			continue
		}
		id := o["kind"].(string) + "/" + o["metadata"].(object)["name"].(string)
		if into[id] != nil {
			t.Fatalf("there are two objects %s", id)
		}
		into[id] = o
	}
}

// kustomized gives what `kubectl kustomize config/default` prints, by the library that kubectl has inside.
func kustomized(t *testing.T) map[string]object {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../../config/default")
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]object{}
	collect(t, found, string(text))
	return found
}

func TestTheChartInstallsWhatKustomizeDoes(t *testing.T) {
	rendered, err := render(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := kustomized(t)
	// The namespace is Helm's to make.
	delete(want, "Namespace/switchboard-system")
	definitions := 0
	for _, o := range rendered {
		if o["kind"] != "CustomResourceDefinition" {
			continue
		}
		definitions++
		annotations := o["metadata"].(object)["annotations"].(object)
		for annotation, keep := range map[string]string{"helm.sh/resource-policy": "keep", "argocd.argoproj.io/sync-options": "Prune=false,Delete=false"} {
			if annotations[annotation] != keep {
				t.Errorf("without %s: %s, uninstalling takes %s away, and all of its kind", annotation, keep, o["metadata"].(object)["name"])
			}
			delete(annotations, annotation) // the one difference
		}
	}
	if bases, err := filepath.Glob("../../config/crd/bases/*.yaml"); err != nil || definitions != len(bases) || definitions < 4 || len(want) < 7 {
		t.Fatalf("kustomize gives %d definitions and %d other objects: the test looks in the wrong place", definitions, len(want))
	}
	for id, o := range want {
		if !reflect.DeepEqual(rendered[id], o) {
			t.Errorf("%s differs:\nchart     %v\nkustomize %v", id, rendered[id], o)
		}
	}
	for id := range rendered {
		if want[id] == nil {
			t.Errorf("the chart installs %s, kustomize does not", id)
		}
	}
}

func TestValuesReachTheDeployment(t *testing.T) {
	rendered, err := render(t, map[string]any{
		"replicas": 2, "image": map[string]any{"operator": "registry.example/operator:1", "instance": "registry.example/instance:1"},
		"nodeSelector": map[string]any{"kubernetes.io/os": "linux"}, "regions": []any{"eu-central", "eu-north"},
		"kubeAPI": map[string]any{"qps": 200, "burst": 400}, "goMemLimit": "400MiB",
	})
	if err != nil {
		t.Fatal(err)
	}
	spec := rendered["Deployment/switchboard-operator"]["spec"].(object)
	pod := spec["template"].(object)["spec"].(object)
	container := pod["containers"].([]any)[0].(object)
	if container["image"] != "registry.example/operator:1" || !reflect.DeepEqual(pod["nodeSelector"], object{"kubernetes.io/os": "linux"}) {
		t.Errorf("the pod is %v", pod)
	}
	arguments := container["args"].([]any)
	for _, want := range []string{
		"--instance-image=registry.example/instance:1", "--regions=eu-central,eu-north", "--kube-api-qps=200", "--kube-api-burst=400",
	} {
		if !slices.Contains(arguments, any(want)) {
			t.Errorf("the arguments are %v, without %s", arguments, want)
		}
	}
	if limit := (object{"name": "GOMEMLIMIT", "value": "400MiB"}); !slices.ContainsFunc(container["env"].([]any), func(v any) bool { return reflect.DeepEqual(v, limit) }) {
		t.Errorf("the environment is %v", container["env"])
	}
}

func TestTheSampleOfArgoCDSetsWhatTheChartTakes(t *testing.T) {
	text, err := os.ReadFile("../../config/samples/argocd/operators.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// What Argo CD makes of it for a cluster of eu-central.
	const label = `{{ index .metadata.labels "messaging.switchboard.dev/region" }}`
	if !bytes.Contains(text, []byte(label)) {
		t.Fatal("the sample doesn't take the region from the cluster's label")
	}
	found := map[string]object{}
	collect(t, found, strings.ReplaceAll(string(text), label, "eu-central"))
	spec := found["ApplicationSet/switchboard-operators"]["spec"].(object)
	source := spec["template"].(object)["spec"].(object)["sources"].([]any)[0].(object)
	if source["path"] != "charts/switchboard" {
		t.Errorf("the chart is at %v", source["path"])
	}
	rendered, err := render(t, source["helm"].(object)["valuesObject"].(object))
	if err != nil {
		t.Fatal(err)
	}
	pod := rendered["Deployment/switchboard-operator"]["spec"].(object)["template"].(object)["spec"].(object)
	if arguments := pod["containers"].([]any)[0].(object)["args"].([]any); arguments[len(arguments)-1] != "--regions=eu-central" {
		t.Errorf("the arguments are %v", arguments)
	}
}

func TestEverythingGoesToTheNamespaceOfTheRelease(t *testing.T) {
	rendered, err := renderInto(t, "elsewhere", nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, o := range rendered {
		if kind := o["kind"].(string); strings.HasPrefix(kind, "Cluster") || strings.HasPrefix(kind, "ValidatingAdmissionPolicy") || kind == "CustomResourceDefinition" {
			for _, s := range subjects(o) {
				if s["namespace"] != "elsewhere" {
					t.Errorf("%s binds a subject of namespace %v", id, s["namespace"])
				}
			}
			continue
		}
		if o["metadata"].(object)["namespace"] != "elsewhere" {
			t.Errorf("%s goes to namespace %v", id, o["metadata"].(object)["namespace"])
		}
		for _, s := range subjects(o) {
			if s["namespace"] != "elsewhere" {
				t.Errorf("%s binds a subject of namespace %v", id, s["namespace"])
			}
		}
	}
}

func subjects(o object) []object {
	all, _ := o["subjects"].([]any)
	var found []object
	for _, s := range all {
		found = append(found, s.(object))
	}
	return found
}
