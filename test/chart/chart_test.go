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
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const chartFolder = "../../charts/switchboard"

type object = map[string]any

func render(t *testing.T, values map[string]any) (map[string]object, error) {
	t.Helper()
	c, err := loader.Load(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "switchboard", Namespace: "switchboard-system"}, nil)
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
		into[o["kind"].(string)+"/"+o["metadata"].(object)["name"].(string)] = o
	}
}

func TestTheChartInstallsWhatKustomizeDoes(t *testing.T) {
	rendered, err := render(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]object{}
	for _, pattern := range []string{"../../config/rbac/*.yaml", "../../config/manager/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files at %s: %v", pattern, err)
		}
		for _, f := range files {
			if filepath.Base(f) == "kustomization.yaml" || filepath.Base(f) == "namespace.yaml" {
				continue // the namespace is Helm's to make
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			collect(t, want, string(b))
		}
	}
	for id, o := range want {
		if !reflect.DeepEqual(rendered[id], o) {
			t.Errorf("%s differs:\nchart     %v\nkustomize %v", id, rendered[id], o)
		}
	}
	if len(rendered) != len(want) {
		t.Errorf("the chart has %d objects, kustomize %d", len(rendered), len(want))
	}
}

func TestValuesReachTheDeployment(t *testing.T) {
	rendered, err := render(t, map[string]any{
		"replicas": 2, "image": map[string]any{"operator": "registry.example/operator:1", "instance": "registry.example/instance:1"},
		"nodeSelector": map[string]any{"kubernetes.io/os": "linux"},
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
	if arguments[1] != "--instance-image=registry.example/instance:1" {
		t.Errorf("the arguments are %v", arguments)
	}
}

func TestBadValuesAreRefused(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"a misspelt key":     {"replica": 2},
		"no replicas":        {"replicas": 0},
		"a word for a count": {"replicas": "two"},
		"an empty image":     {"image": map[string]any{"operator": ""}},
		"an unknown policy":  {"image": map[string]any{"pullPolicy": "Sometimes"}},
	} {
		if _, err := render(t, values); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestTheChartCarriesTheResources(t *testing.T) {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("found %d resources: %v", len(files), err)
	}
	for _, f := range files {
		want, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(chartFolder, "crds", filepath.Base(f)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not in the chart as it is in config: run make generate (%v)", filepath.Base(f), err)
		}
	}
}
