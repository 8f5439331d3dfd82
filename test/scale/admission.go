package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/name"
)

// admission is what the policies add to the creation of a pod in a tenant's namespace, in milliseconds.
type admission struct {
	Samples     int     `json:"samples"` // of each
	With        float64 `json:"withP99"`
	Without     float64 `json:"withoutP99"` // the same pods, with the policies' bindings taken away
	WithHalf    float64 `json:"withMedian"`
	WithoutHalf float64 `json:"withoutMedian"`
}

// samples is how many pods are created in each of the two ways, a quarter at a time.
const samples = 1200

func (w *world) measureAdmission(ctx context.Context) (admission, error) {
	a := admission{Samples: samples}
	pod, outside, err := w.aPod(ctx)
	if err != nil {
		return a, err
	}
	var bindings admissionv1.ValidatingAdmissionPolicyBindingList
	if err := w.admin.List(ctx, &bindings); err != nil {
		return a, fmt.Errorf("listing the policies' bindings: %w", err)
	}
	var with, without []time.Duration
	for range 2 {
		for _, bound := range []bool{true, false} {
			if err := w.bind(ctx, bindings.Items, bound, outside); err != nil {
				return a, err
			}
			took, err := w.createPods(ctx, pod, samples/2)
			if err != nil {
				return a, err
			}
			if bound {
				with = append(with, took...)
			} else {
				without = append(without, took...)
			}
		}
	}
	slices.Sort(with)
	slices.Sort(without)
	a.With, a.Without = ms(with[len(with)*99/100]), ms(without[len(without)*99/100])
	a.WithHalf, a.WithoutHalf = ms(with[len(with)/2]), ms(without[len(without)/2])
	return a, w.bind(ctx, bindings.Items, true, outside)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// aPod is one that the policies let in, and one that they refuse.
func (w *world) aPod(ctx context.Context) (inside, outside *corev1.Pod, err error) {
	namespace := name.Namespace(tenantName(0))
	pods, err := w.typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("listing the pods of a tenant: %w", err)
	}
	for i := range pods.Items {
		if !strings.HasPrefix(pods.Items[i].Name, name.Serve+"-") {
			continue
		}
		inside = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "measured", Namespace: namespace}, Spec: *pods.Items[i].Spec.DeepCopy()}
		inside.Spec.NodeName = ""
		outside = inside.DeepCopy()
		outside.Spec.Affinity = nil
		outside.Spec.NodeSelector = nil
		return inside, outside, nil
	}
	return nil, nil, fmt.Errorf("namespace %s has no pod of the server", namespace)
}

// bind brings the policies' bindings about, or takes them away, and waits until that counts.
func (w *world) bind(ctx context.Context, bindings []admissionv1.ValidatingAdmissionPolicyBinding, bound bool, outside *corev1.Pod) error {
	for i := range bindings {
		b := bindings[i].DeepCopy()
		b.ResourceVersion, b.UID, b.ManagedFields = "", "", nil
		var err error
		if bound {
			err = client.IgnoreAlreadyExists(w.admin.Create(ctx, b))
		} else {
			err = client.IgnoreNotFound(w.admin.Delete(ctx, b))
		}
		if err != nil {
			return fmt.Errorf("binding policy %s: %w", b.Name, err)
		}
	}
	for range 300 {
		err := w.admin.Create(ctx, outside.DeepCopy(), client.DryRunAll)
		if bound && (apierrors.IsInvalid(err) || apierrors.IsForbidden(err)) || !bound && err == nil {
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("the policies' bindings don't count as asked for (bound: %t) after 30 s", bound)
}

// createPods has the API server create pods, one after the other, and forget them.
func (w *world) createPods(ctx context.Context, pod *corev1.Pod, n int) ([]time.Duration, error) {
	var took []time.Duration
	for i := range n + 20 {
		o := pod.DeepCopy()
		start := time.Now()
		if err := w.admin.Create(ctx, o, client.DryRunAll); err != nil {
			return nil, fmt.Errorf("creating a pod: %w", err)
		}
		if i >= 20 { // the first ones warm up
			took = append(took, time.Since(start))
		}
	}
	return took, nil
}
