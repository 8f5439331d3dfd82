package chart

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	resource "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const namespace = "switchboard-system"

var (
	definitionsOf = resource.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	regionsOf     = resource.GroupVersionResource{Group: "messaging.switchboard.dev", Version: "v1alpha1", Resource: "regions"}
)

// world is a real API server, and Helm's own client of it.
type world struct {
	*testing.T
	objects dynamic.Interface
	kinds   discovery.DiscoveryInterface
	helm    *action.Configuration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: run make test, or see its recipe for how it finds the API server")
	}
	env := &envtest.Environment{CRDs: []*apiextensionsv1.CustomResourceDefinition{theirs("PodMonitor", "podmonitors"), theirs("PrometheusRule", "prometheusrules")}}
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "kubeconfig")
	user, err := env.AddUser(envtest.User{Name: "platform", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, helm: &action.Configuration{}}
	settings := cli.New()
	settings.KubeConfig = file
	settings.SetNamespace(namespace)
	if err := w.helm.Init(settings.RESTClientGetter(), namespace, "secret", t.Logf); err != nil {
		t.Fatal(err)
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = -1, -1
	if w.objects, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if w.kinds, err = discovery.NewDiscoveryClientForConfig(config); err != nil {
		t.Fatal(err)
	}
	return w
}

// theirs is a definition in the place of the Prometheus Operator's, which takes anything.
func theirs(kind, plural string) *apiextensionsv1.CustomResourceDefinition {
	anything := true
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: plural + ".monitoring.coreos.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "monitoring.coreos.com", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: kind, Plural: plural, Singular: strings.ToLower(kind), ListKind: kind + "List"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &anything}},
			}},
		},
	}
}

func (w *world) chart(folder string) *chart.Chart {
	w.Helper()
	c, err := loader.Load(folder)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) values(folder string) map[string]any {
	w.Helper()
	values, err := chartutil.ReadValuesFile(filepath.Join("testdata", folder, "values.yaml"))
	if err != nil {
		w.Fatal(err)
	}
	return values
}

func (w *world) install(c *chart.Chart, values map[string]any) error {
	install := action.NewInstall(w.helm)
	install.ReleaseName, install.Namespace, install.CreateNamespace, install.Timeout = "switchboard", namespace, true, time.Minute
	_, err := install.Run(c, values)
	return err
}

func (w *world) upgrade(c *chart.Chart, values map[string]any, take bool) error {
	upgrade := action.NewUpgrade(w.helm)
	upgrade.Namespace, upgrade.Timeout, upgrade.TakeOwnership = namespace, time.Minute, take
	_, err := upgrade.Run("switchboard", c, values)
	return err
}

func (w *world) uninstall() {
	w.Helper()
	uninstall := action.NewUninstall(w.helm)
	uninstall.Timeout, uninstall.Wait = time.Minute, true
	if _, err := uninstall.Run("switchboard"); err != nil {
		w.Fatal(err)
	}
}

// inventory is everything that the cluster holds and does not write by itself.
func (w *world) inventory() map[string]bool {
	w.Helper()
	lists, err := w.kinds.ServerPreferredResources()
	if err != nil {
		w.Fatal(err)
	}
	found := map[string]bool{}
	for _, list := range lists {
		group, err := resource.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			w.Fatal(err)
		}
		for _, kind := range list.APIResources {
			if !slices.Contains(kind.Verbs, "list") || slices.Contains([]string{"Event", "Lease", "APIService", "EndpointSlice", "IPAddress"}, kind.Kind) {
				continue
			}
			all, err := w.objects.Resource(group.WithResource(kind.Name)).List(context.Background(), metav1.ListOptions{})
			if err != nil {
				w.Fatalf("listing %s: %v", kind.Name, err)
			}
			for _, o := range all.Items {
				found[strings.TrimPrefix(fmt.Sprintf("%s %s/%s", kind.Kind, o.GetNamespace(), o.GetName()), "/")] = true
			}
		}
	}
	return found
}

func (w *world) apply(of resource.GroupVersionResource, o object) {
	w.Helper()
	if _, err := w.objects.Resource(of).Create(context.Background(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
}

// knows says whether the API server keeps a field of a Region's spec.
func (w *world) knows(field string) bool {
	w.Helper()
	o, err := w.objects.Resource(definitionsOf).Get(context.Background(), "regions.messaging.switchboard.dev", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(o.Object, "spec", "versions")
	if err != nil {
		w.Fatal(err)
	}
	_, ok, err := unstructured.NestedMap(versions[0].(object), "schema", "openAPIV3Schema", "properties", "spec", "properties", field)
	if err != nil {
		w.Fatal(err)
	}
	return ok
}

// Everything that can be on goes in, and all of it out again, but for the definitions and what is of their kinds.
func TestUninstallingLeavesTheDefinitionsAlone(t *testing.T) {
	w := newWorld(t)
	before := w.inventory()
	if err := w.install(w.chart(chartFolder), w.values("everything")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{
		"Deployment switchboard-system/switchboard-operator", "NetworkPolicy switchboard-system/switchboard-operator", "PodDisruptionBudget switchboard-system/switchboard-operator",
		"PodMonitor switchboard-system/switchboard-operator", "PrometheusRule switchboard-system/switchboard", "ConfigMap switchboard-system/switchboard-dashboard-tenant",
		"ClusterRole /switchboard-auditor", "ValidatingAdmissionPolicy /switchboard-operator-bindings",
	} {
		if !w.inventory()[id] {
			t.Errorf("%s was not installed", id)
		}
	}
	w.apply(regionsOf, region())
	// Nor does an upgrade that is told to leave definitions to others.
	if err := w.upgrade(w.chart(chartFolder), object{"crds": object{"install": false}}, false); err != nil {
		t.Fatal(err)
	}
	if found := w.inventory(); !found["Region /eu"] || found["NetworkPolicy switchboard-system/switchboard-operator"] {
		t.Errorf("after an upgrade without definitions and all that is off by default, there is %v", slices.Sorted(maps.Keys(found)))
	}
	w.uninstall()
	var left []string
	for id := range w.inventory() {
		if !before[id] {
			left = append(left, id)
		}
	}
	slices.Sort(left)
	want := []string{"Namespace /" + namespace, "Region /eu", "ConfigMap " + namespace + "/kube-root-ca.crt", "ServiceAccount " + namespace + "/default"}
	files, err := filepath.Glob(filepath.Join(chartFolder, "definitions", "*.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatalf("found %d definitions: %v", len(files), err)
	}
	for _, f := range files {
		group, plural, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".yaml"), "_")
		want = append(want, "CustomResourceDefinition /"+plural+"."+group)
	}
	for _, id := range left {
		if !slices.Contains(want, id) {
			t.Errorf("uninstalling leaves %s", id)
		}
	}
	for _, id := range want[4:] {
		if !slices.Contains(left, id) {
			t.Errorf("uninstalling took %s away", id)
		}
	}
	if !slices.Contains(left, "Region /eu") {
		t.Error("uninstalling took an object of our kinds away")
	}
}

func region() object {
	return object{
		"apiVersion": "messaging.switchboard.dev/v1alpha1", "kind": "Region", "metadata": object{"name": "eu"},
		"spec": object{"jurisdiction": "EU", "nodeSelector": object{"topology.kubernetes.io/region": "eu"}, "storageClassName": "eu"},
	}
}

// before makes the chart of a release before this one, whose Region lacks a field: with definitions in the release, or in crds/ as
// Helm has it.
func (w *world) before(field string, inFolder bool) string {
	w.Helper()
	folder := filepath.Join(w.TempDir(), "switchboard")
	if err := os.CopyFS(folder, os.DirFS(chartFolder)); err != nil {
		w.Fatal(err)
	}
	file := filepath.Join(folder, "definitions", "messaging.switchboard.dev_regions.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	var kept []string
	skip := false
	for line := range strings.Lines(string(text)) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if indent == 14 && strings.HasPrefix(line[indent:], field+":") {
			skip = true
			continue
		}
		if skip && indent <= 14 {
			skip = false
		}
		if !skip {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(kept, "")), 0o644); err != nil {
		w.Fatal(err)
	}
	if inFolder {
		if err := os.Rename(filepath.Join(folder, "definitions"), filepath.Join(folder, "crds")); err != nil {
			w.Fatal(err)
		}
		if err := os.Remove(filepath.Join(folder, "templates", "crds.yaml")); err != nil {
			w.Fatal(err)
		}
	}
	return folder
}

func TestAnUpgradeBringsTheDefinitionsAlong(t *testing.T) {
	const field = "objectStores" // of Region.spec, which nothing requires
	for name, inFolder := range map[string]bool{"from a release with them": false, "from one that had them in crds/": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.install(w.chart(w.before(field, inFolder)), nil); err != nil {
				t.Fatal(err)
			}
			if w.knows(field) {
				t.Fatalf("the chart before has %s already: the test does not make it", field)
			}
			w.apply(regionsOf, region())
			if inFolder {
				if err := w.upgrade(w.chart(chartFolder), nil, false); err == nil || !strings.Contains(err.Error(), "invalid ownership metadata") {
					t.Errorf("without being told to, Helm takes over what it does not own: %v", err)
				}
				if w.knows(field) {
					t.Error("an upgrade that was refused wrote something")
				}
			}
			if err := w.upgrade(w.chart(chartFolder), nil, inFolder); err != nil {
				t.Fatal(err)
			}
			if !w.knows(field) {
				t.Errorf("after the upgrade the API server does not know %s", field)
			}
			if !w.inventory()["Region /eu"] {
				t.Error("the upgrade took an object of our kinds away")
			}
			w.uninstall()
			if found := w.inventory(); !found["Region /eu"] || found["Deployment "+namespace+"/switchboard-operator"] {
				t.Errorf("after uninstalling there is %v", slices.Sorted(maps.Keys(found)))
			}
		})
	}
}
