package apply_test

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/apply"
)

// slimmed reads as from a cache whose objects Slim went over.
type slimmed struct{ client.Reader }

func (s slimmed) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	err := s.Reader.Get(ctx, key, into, options...)
	apply.Slim(into)
	return err
}

func TestWhatTheCacheLeavesOutIsNotNeeded(t *testing.T) {
	c := newCluster(t)
	applier := &apply.Applier{Client: c.operator, Reader: slimmed{c.operator}, Live: c.operator}
	pass := func() int64 {
		t.Helper()
		before := c.writes.Load()
		if err := applier.Apply(t.Context(), c.deployment()); err != nil {
			t.Fatal(err)
		}
		return c.writes.Load() - before
	}
	pass()
	if n := pass(); n != 0 {
		t.Errorf("applying what is there already made %d writes", n)
	}
	live := c.deployment()
	c.get(live)
	before := len(live.String())
	if apply.Slim(live); len(live.String()) > before*3/4 || len(live.ManagedFields) == 0 {
		t.Errorf("of %d characters %d are left, with %d entries of managedFields", before, len(live.String()), len(live.ManagedFields))
	}

	change(c, c.deployment(), func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "spy", Image: "spy:1"})
		d.Spec.Template.Spec.HostNetwork = true
	})
	pass()
	got := c.deployment()
	c.get(got)
	if pod := got.Spec.Template.Spec; len(pod.Containers) != 1 || pod.HostNetwork {
		t.Errorf("what a stranger added is still there: %+v", pod)
	}
	if n := pass(); n != 0 {
		t.Errorf("the pass after that made %d writes", n)
	}
	// What we don't want any more goes, so the taking over kept what was ours.
	wanted := c.deployment()
	env := wanted.Spec.Template.Spec.Containers[0].Env
	wanted.Spec.Template.Spec.Containers[0].Env = env[:1]
	if err := applier.Apply(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	c.get(got)
	if n := len(got.Spec.Template.Spec.Containers[0].Env); len(env) < 2 || n != 1 {
		t.Errorf("%d of %d variables are left, want 1", n, len(env))
	}
}
