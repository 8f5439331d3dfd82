package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// TestWithTheRightsItIsGiven runs the operator as its service account, against an
// API server that has config/crd and config/rbac, until a tenant's namespace is closed.
func TestWithTheRightsItIsGiven(t *testing.T) {
	admin := startServer(t)
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "switchboard-system"}})
	installRBAC(t, c)

	ctx, cancel := context.WithCancel(t.Context())
	account := rest.CopyConfig(admin)
	account.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:switchboard-system:switchboard-operator",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:switchboard-system", "system:authenticated"},
	}
	o, err := parse([]string{"--metrics-bind-address=0", "--health-probe-bind-address=0"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := newManager(account, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := setup(mgr, o); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("it didn't end well:", err)
		}
	})

	for _, file := range []string{"regions/eu-central.yaml", "hotel-berlin/tenant.yaml"} {
		for _, document := range documents(t, filepath.Join("../../config/samples", file)) {
			create(t, c, decode(t, c, document))
		}
	}
	tenant := &v1alpha1.Tenant{}
	var policies networkingv1.NetworkPolicyList
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 60*time.Second, true, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, client.ObjectKey{Name: "hotel-berlin"}, tenant); err != nil {
			return false, err
		}
		if err := c.List(ctx, &policies, client.InNamespace("tenant-hotel-berlin")); err != nil {
			return false, err
		}
		return meta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ConditionIsolated) &&
			meta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ConditionCredentialsReady), nil
	})
	if err != nil {
		t.Fatalf("the tenant never got isolated and credentials: %v\n%+v", err, tenant.Status.Conditions)
	}
	if len(policies.Items) == 0 {
		t.Error("Isolated is True without a NetworkPolicy")
	}
}

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
		"serve":                 `unexpected argument "serve"`,
		"--instance-image=":     "--instance-image is empty",
		"--postgres-image=":     "--postgres-image is empty",
		"--namespace=Not-A-One": "--namespace",
		"--what":                "not defined",
	} {
		if _, err := parse([]string{args}, &help); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v, want %q", args, err, want)
		}
	}
}

func startServer(t *testing.T) *rest.Config {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("this test needs an API server: run `make test`, which builds one and sets KUBEBUILDER_ASSETS")
	}
	environment := &envtest.Environment{CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true}
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
	for _, file := range []string{"role.yaml", "role_binding.yaml", "operator_namespace.yaml", "tenant_manager.yaml"} {
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
