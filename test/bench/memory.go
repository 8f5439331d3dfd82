package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

// idleFor is how long the processes stand idle before their memory is read: past a resync of the
// caches' first lists and a garbage collection.
const idleFor = 30 * time.Second

// measureMemory reads the largest resident set so far of idle processes from their nodes.
func (t *subject) measureMemory(ctx context.Context, m *memory) error {
	timer := time.NewTimer(idleFor)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	operators := &corev1.PodList{}
	if err := t.cluster.List(ctx, operators, client.InNamespace(fixture.OperatorNamespace)); err != nil {
		return fmt.Errorf("listing the operator's pods: %w", err)
	}
	for i := range operators.Items {
		if !cluster.IsReady(&operators.Items[i]) {
			continue
		}
		kib, err := t.cluster.PeakRSS(ctx, &operators.Items[i], "")
		if err != nil {
			return err
		}
		m.Operator = max(m.Operator, kib)
	}
	for service, into := range map[string]*int64{"serve": &m.Serve, "connector-front-desk": &m.Connect} {
		pod, err := t.cluster.ReadyPod(ctx, namespace, service)
		if err != nil {
			return err
		}
		if *into, err = t.cluster.PeakRSS(ctx, pod, ""); err != nil {
			return err
		}
	}
	return nil
}
