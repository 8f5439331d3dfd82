package apply_test

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/apply"
)

// TestThroughTheOperatorsCache reads as the operator does: from a cache that
// sees only what bears our label.
func TestThroughTheOperatorsCache(t *testing.T) {
	c := newCluster(t)
	reader, err := cache.New(restConfig, cache.Options{ByObject: map[client.Object]cache.ByObject{
		&appsv1.Deployment{}: {Label: labels.SelectorFromSet(labels.Set{apply.ManagedBy: apply.ManagedByValue})},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- reader.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	applier := &apply.Applier{Client: c.operator, Reader: reader}

	// settles applies until a pass writes nothing: the cache follows the writes.
	settles := func() {
		t.Helper()
		err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
			before := c.writes.Load()
			err := applier.Apply(ctx, c.deployment())
			return err == nil && c.writes.Load() == before, nil
		})
		if err != nil {
			t.Fatal("it never came to rest:", err)
		}
	}
	settles()
	change(c, c.deployment(), func(d *appsv1.Deployment) {
		delete(d.Labels, apply.ManagedBy) // and so it leaves the cache
		d.Spec.Paused = true
	})
	got := c.deployment()
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		if err := applier.Apply(ctx, c.deployment()); err != nil {
			return false, nil // a conflict with what the cache doesn't show yet
		}
		c.get(got)
		return got.Labels[apply.ManagedBy] == apply.ManagedByValue && !got.Spec.Paused, nil
	})
	if err != nil {
		t.Fatalf("it was not put back: %v, paused %t", got.Labels, got.Spec.Paused)
	}
	settles()
}
