package apply_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
)

// kinds of Kubernetes and of ours.
var kinds = func() *runtime.Scheme {
	kinds := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(kinds))
	utilruntime.Must(v1alpha1.AddToScheme(kinds))
	return kinds
}()

// counting is a client that counts its writes.
func counting(t *testing.T, config *rest.Config, writes *atomic.Int64) client.Client {
	t.Helper()
	plain, err := client.NewWithWatch(config, client.Options{Scheme: kinds})
	if err != nil {
		t.Fatal(err)
	}
	return interceptor.NewClient(plain, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			writes.Add(1)
			return c.Apply(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			writes.Add(1)
			return c.Patch(ctx, o, p, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			writes.Add(1)
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			writes.Add(1)
			return c.Update(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			writes.Add(1)
			return c.Delete(ctx, o, opts...)
		},
	})
}

// planned is the whole plan of a tenant, as internal/plan's golden file shows it. Its owners are left
// out: they have no uid there.
func planned(t *testing.T) []client.Object {
	t.Helper()
	b, err := os.ReadFile("../plan/testdata/usual/want.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var objects []client.Object
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(b), 4096)
	for {
		u := &unstructured.Unstructured{}
		err := decoder.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(u.Object) == 0 {
			continue
		}
		u.SetOwnerReferences(nil)
		typed, err := kinds.New(u.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, typed.(client.Object)) //nolint:forcetypeassert // every kind of the plan is one
	}
}

// What Apply promises can be shown by a real API server alone: defaulting, field ownership and admission are its own.
func TestApplyOnARealAPIServer(t *testing.T) {
	server := &envtest.Environment{CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true}
	config, err := server.Start()
	if err != nil {
		t.Fatalf("starting an API server (make test sets KUBEBUILDER_ASSETS): %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	ctx := t.Context()
	var writes atomic.Int64
	c := counting(t, config, &writes)
	desired := planned(t)
	pass := func(t *testing.T) int64 {
		t.Helper()
		before := writes.Load()
		// A new Applier each time: nothing is remembered across a restart of the operator.
		if err := (&apply.Applier{Client: c}).Apply(ctx, desired...); err != nil {
			t.Fatal(err)
		}
		return writes.Load() - before
	}
	if n := pass(t); n != int64(len(desired)) {
		t.Fatalf("the first pass made %d writes for %d objects", n, len(desired))
	}
	for _, o := range desired {
		before := writes.Load()
		if err := (&apply.Applier{Client: c}).Apply(ctx, o); err != nil {
			t.Fatal(err)
		}
		if n := writes.Load() - before; n != 0 {
			t.Errorf("%T %s: a second pass, with nothing changed, made %d writes", o, o.GetName(), n)
		}
	}

	for _, o := range desired {
		planned, ok := o.(*appsv1.StatefulSet)
		if !ok {
			continue
		}
		live := &appsv1.StatefulSet{}
		if err := c.Get(ctx, client.ObjectKeyFromObject(planned), live); err != nil {
			t.Fatal(err)
		}
		// A plan takes the claim of a volume that is there from what is read of it.
		if want, got := planned.Spec.VolumeClaimTemplates[0].Spec, live.Spec.VolumeClaimTemplates[0].Spec; !equality.Semantic.DeepEqual(want, got) {
			t.Errorf("the API server fills in a claim, which is written a second time: %+v became %+v", want, got)
		}
	}

	const namespace = "tenant-hotel-berlin"
	key := func(name string) client.ObjectKey { return client.ObjectKey{Namespace: namespace, Name: name} }
	// drift changes an object as somebody else, has it put back, and leaves it in into.
	drift := func(t *testing.T, into client.Object, name, patch string) {
		t.Helper()
		if err := c.Get(ctx, key(name), into); err != nil {
			t.Fatal(err)
		}
		if err := c.Patch(ctx, into, client.RawPatch("application/merge-patch+json", []byte(patch)), client.FieldOwner("somebody")); err != nil {
			t.Fatal(err)
		}
		if pass(t) == 0 {
			t.Error("nothing was put back")
		}
		if err := c.Get(ctx, key(name), into); err != nil {
			t.Fatal(err)
		}
		if n := pass(t); n != 0 {
			t.Errorf("the pass after putting back made %d writes", n)
		}
	}
	t.Run("an opening in a closed network policy is closed", func(t *testing.T) {
		p := &networkingv1.NetworkPolicy{}
		drift(t, p, "default-deny", `{"spec":{"egress":[{}],"ingress":[{}]}}`)
		if len(p.Spec.Egress)+len(p.Spec.Ingress) != 0 {
			t.Errorf("still open: %v", p.Spec)
		}
	})
	t.Run("a suspended CronJob runs again", func(t *testing.T) {
		j := &batchv1.CronJob{}
		drift(t, j, "retain-guest-messages", `{"spec":{"suspend":true}}`)
		if *j.Spec.Suspend {
			t.Error("still suspended")
		}
	})
	t.Run("a Deployment is scaled back", func(t *testing.T) {
		d := &appsv1.Deployment{}
		drift(t, d, "serve", `{"spec":{"replicas":0}}`)
		if *d.Spec.Replicas == 0 {
			t.Error("still without replicas")
		}
	})
	t.Run("a field that the plan leaves open is taken back too", func(t *testing.T) {
		d := &appsv1.Deployment{}
		drift(t, d, "serve", `{"spec":{"template":{"spec":{"hostNetwork":true}}}}`)
		if d.Spec.Template.Spec.HostNetwork {
			t.Error("still in the host's network")
		}
	})
	t.Run("a label that somebody adds is nobody's business", func(t *testing.T) {
		cm := &corev1.ConfigMap{}
		if err := c.Get(ctx, key("postgres-config"), cm); err != nil {
			t.Fatal(err)
		}
		if err := c.Patch(ctx, cm, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"cost-centre":"7"}}}`)), client.FieldOwner("somebody")); err != nil {
			t.Fatal(err)
		}
		if n := pass(t); n != 0 {
			t.Errorf("%d writes were made", n)
		}
	})
}
