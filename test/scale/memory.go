package main

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// memory is the resident set in KiB.
type memory struct {
	Operator int64 `json:"operatorPeakKiB"` // at its highest, the onboarding included
	Now      int64 `json:"operatorKiB"`     // when all had come to rest
	Cache    int64 `json:"cachePeakKiB"`    // of a process that caches the same objects and does nothing else
	Pods     int   `json:"pods"`
}

// ballast is the namespace of pods that are no tenant's.
const ballast = "ballast"

// fill makes pods until there are as many as asked for, and has them spread over the nodes of the first region's first half.
func (w *world) fill(ctx context.Context) (int, error) {
	var pods metav1.PartialObjectMetadataList
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := w.admin.List(ctx, &pods); err != nil {
		return 0, fmt.Errorf("counting the pods: %w", err)
	}
	if err := client.IgnoreAlreadyExists(w.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ballast}})); err != nil {
		return 0, fmt.Errorf("making the namespace of other pods: %w", err)
	}
	missing := max(w.Pods-len(pods.Items), 0)
	err := inParallel(ctx, missing, 8, func(ctx context.Context, i int) error {
		no := false
		return w.admin.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("other-%05d", i), Namespace: ballast, Labels: map[string]string{"app": "other"}},
			Spec: corev1.PodSpec{
				NodeName: nodeName(i%len(regions), i/len(regions)%w.Nodes), AutomountServiceAccountToken: &no,
				Containers: []corev1.Container{{Name: "main", Image: "other:1", Env: []corev1.EnvVar{{Name: "A", Value: "value"}}}},
			},
		})
	})
	return len(pods.Items) + missing, err
}

func (w *world) measureMemory(ctx context.Context) (memory, error) {
	var m memory
	pods, err := w.fill(ctx)
	if err != nil {
		return m, err
	}
	m.Pods = pods
	if _, err := w.op.rest(ctx, w.Tenants, 5*time.Minute); err != nil {
		return m, err
	}
	if m.Now, m.Operator, err = w.op.memory(); err != nil {
		return m, err
	}
	m.Cache, err = w.cacheMemory(ctx)
	return m, err
}

// cacheMemory starts this program again, as a cache and nothing else.
func (w *world) cacheMemory(ctx context.Context) (int64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("finding this program: %w", err)
	}
	synced := w.plane.file("cache.synced")
	if err := os.RemoveAll(synced); err != nil {
		return 0, fmt.Errorf("preparing the bare cache: %w", err)
	}
	proc, err := startProcess(ctx, w.plane.file("cache.log"), self, []string{"cache", synced}, append([]string{"KUBECONFIG=" + w.plane.kubeconfig("admin")}, environment(w.MemoryLimit)...))
	if err != nil {
		return 0, err
	}
	defer proc.stop()
	limit := time.Now().Add(2 * time.Minute)
	for {
		if _, err := os.Stat(synced); err == nil {
			break
		}
		if err := proc.died(); err != nil {
			return 0, err
		}
		if time.Now().After(limit) {
			return 0, fmt.Errorf("the bare cache is not filled after 2 minutes; see %s", proc.log.Name())
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, err
		}
	}
	if err := pause(ctx, 10*time.Second); err != nil { // as long as the collector needs to come round
		return 0, err
	}
	_, peak, err := proc.memory()
	return peak, err
}
