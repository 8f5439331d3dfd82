package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

func TestHelpAndMistakes(t *testing.T) {
	var help bytes.Buffer
	if _, err := parse([]string{"--help"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
	for _, want := range []string{"Usage:", "KUBECONFIG", "-instance-image", "-leader-elect", "default true"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("the help doesn't mention %q", want)
		}
	}
	for args, want := range map[string]string{
		"serve":                  `unexpected argument "serve"`,
		"--instance-image=":      "--instance-image is empty",
		"--postgres-image=":      "--postgres-image is empty",
		"--namespace=Not-A-One":  "--namespace",
		"--journal-interval=1ms": "too short",
		"--kube-api-qps=0":       "must be 1 or more",
		"--kube-api-qps=NaN":     "must be 1 or more",
		"--kube-api-burst=0":     "must be 1 or more",
		"--regions=Europe":       "can't be the name of a Region",
		"--what":                 "not defined",
	} {
		if _, err := parse([]string{args}, &help); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v, want %q", args, err, want)
		}
	}
}

// TestOperator runs the operator with the rights that it is given.
func TestOperator(t *testing.T) {
	c := startOperator(t)
	c.apply(t, "regions/eu-central.yaml")
	t.Run("what the API server says", func(t *testing.T) { whatTheAPIServerSays(t, c) })
	t.Run("what can't change", func(t *testing.T) { whatCannotChange(t, c) })
	t.Run("a client's life", func(t *testing.T) { clientsLife(t, c) })
	t.Run("a client that stays as asked for", func(t *testing.T) { steadfast(t, c) })
	t.Run("refused by its provider", func(t *testing.T) { refusedByProvider(t, c) })
	t.Run("chatted with", func(t *testing.T) { chatted(t, c) })
	t.Run("taken from its provider", func(t *testing.T) { withdrawn(t, c) })
	t.Run("telling others", func(t *testing.T) { webhooked(t, c) })
	t.Run("staff sign in by a provider", func(t *testing.T) { staffSignsIn(t, c) })
	t.Run("what fails", func(t *testing.T) { whatFails(t, c) })
	t.Run("kept, and taken up again", func(t *testing.T) { keptAndTakenUp(t, c) })
	t.Run("exported, and erased", func(t *testing.T) { exportedAndErased(t, c) })
	t.Run("erased", func(t *testing.T) { erased(t, c) })
	t.Run("mended", func(t *testing.T) { mended(t, c) })
	t.Run("rotated", func(t *testing.T) { rotated(t, c) })
	t.Run("put back", func(t *testing.T) { putBack(t, c) })
	t.Run("backed up", func(t *testing.T) { backedUp(t, c) })
	t.Run("stored away", func(t *testing.T) { storedAway(t, c) })
	t.Run("provided for", func(t *testing.T) { provided(t, c) })
	t.Run("an engine that is not there", func(t *testing.T) { engineMissing(t, c) })
	t.Run("held back", func(t *testing.T) { heldBack(t, c) })
	t.Run("asked for by a guest", func(t *testing.T) { askedFor(t, c) })
	t.Run("filed at the privacy desk", func(t *testing.T) { filedAtTheDesk(t, c) })
	t.Run("out of its region, and back", func(t *testing.T) { drifts(t, c) })
	t.Run("moved to another region", func(t *testing.T) { moved(t, c) })
	t.Run("moved, and deleted meanwhile", func(t *testing.T) { retires(t, c) }) // in the regions of the one before
	t.Run("who may have a namespace", func(t *testing.T) { whoMayHaveANamespace(t, c) })
}

func startServer(t *testing.T, definitions ...string) *rest.Config {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("this test needs an API server: run `make test`, which builds one and sets KUBEBUILDER_ASSETS")
	}
	environment := &envtest.Environment{CRDDirectoryPaths: append(definitions, "../../config/crd/bases"), ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	return config
}

func installRBAC(t *testing.T, c client.Client) {
	t.Helper()
	for _, file := range []string{"role.yaml", "role_binding.yaml", "operator_namespace.yaml", "tenant_manager.yaml", "break_glass.yaml", "people.yaml"} {
		for _, document := range documents(t, filepath.Join("../../config/rbac", file)) {
			object := decode(t, c, document)
			if role, ok := object.(*rbacv1.ClusterRole); ok {
				for _, rule := range role.Rules {
					if strings.Contains(strings.Join(append(append(rule.APIGroups, rule.Resources...), rule.Verbs...), " "), "*") {
						t.Errorf("%s has a wildcard: %v", file, rule)
					}
				}
			}
			create(t, c, object)
		}
	}
}

func documents(t *testing.T, file string) [][]byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, document := range bytes.Split(raw, []byte("\n---\n")) {
		if content := (map[string]any{}); yaml.Unmarshal(document, &content) == nil && len(content) > 0 {
			all = append(all, document)
		}
	}
	return all
}

func decode(t *testing.T, c client.Client, document []byte) client.Object {
	t.Helper()
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		t.Fatal(err)
	}
	object, err := c.Scheme().New(kind.GroupVersionKind())
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		t.Fatal(err)
	}
	return object.(client.Object)
}

func create(t *testing.T, c client.Client, object client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}
