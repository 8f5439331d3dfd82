package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// admission is what the policies add to the creation of a pod in a tenant's namespace, in milliseconds.
type admission struct {
	Samples     int     `json:"samples"` // of each
	With        float64 `json:"withP99"`
	Without     float64 `json:"withoutP99"` // the same pods, in a namespace alike that is no tenant's
	WithHalf    float64 `json:"withMedian"`
	WithoutHalf float64 `json:"withoutMedian"`
}

// samples is how many pods are created in each of the two namespaces, in turns.
const samples = 2000

// unjudged is a namespace like a tenant's that the policies don't look at.
const unjudged = "no-tenant"

func (w *world) measureAdmission(ctx context.Context) (admission, error) {
	a := admission{Samples: samples}
	if _, err := w.op.rest(ctx, w.Tenants, 5*time.Minute); err != nil {
		return a, err
	}
	pod, err := w.aPod(ctx)
	if err != nil {
		return a, err
	}
	if err := w.unjudged(ctx, pod); err != nil {
		return a, err
	}
	var with, without []time.Duration
	for i := range samples + 50 {
		for _, of := range []struct {
			namespace string
			took      *[]time.Duration
		}{{pod.Namespace, &with}, {unjudged, &without}} {
			o := pod.DeepCopy()
			o.Namespace = of.namespace
			start := time.Now()
			if err := w.admin.Create(ctx, o, client.DryRunAll); err != nil {
				return a, fmt.Errorf("creating a pod: %w", err)
			}
			if i >= 50 { // the first ones warm up
				*of.took = append(*of.took, time.Since(start))
			}
		}
	}
	slices.Sort(with)
	slices.Sort(without)
	a.With, a.Without = ms(with[len(with)*99/100]), ms(without[len(without)*99/100])
	a.WithHalf, a.WithoutHalf = ms(with[len(with)/2]), ms(without[len(without)/2])
	return a, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// aPod is one of a tenant's server, as somebody may create it again.
func (w *world) aPod(ctx context.Context) (*corev1.Pod, error) {
	namespace := name.Namespace(tenantName(0))
	pods, err := w.typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of a tenant: %w", err)
	}
	for i := range pods.Items {
		if strings.HasPrefix(pods.Items[i].Name, name.Serve+"-") {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "measured", Namespace: namespace}, Spec: *pods.Items[i].Spec.DeepCopy()}
			pod.Spec.NodeName = ""
			return pod, nil
		}
	}
	return nil, fmt.Errorf("namespace %s has no pod of the server", namespace)
}

// unjudged makes a namespace like that of a pod, with its quota and bounds and without the label by which it is a tenant's. It
// fails when the policies judge a pod there, or don't judge it in the tenant's.
func (w *world) unjudged(ctx context.Context, pod *corev1.Pod) error {
	like := &corev1.Namespace{}
	if err := w.admin.Get(ctx, client.ObjectKey{Name: pod.Namespace}, like); err != nil {
		return fmt.Errorf("reading a tenant's namespace: %w", err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: unjudged, Labels: map[string]string{}}}
	for k, v := range like.Labels {
		if !strings.HasPrefix(k, v1alpha1.GroupVersion.Group) && !strings.HasPrefix(k, "app.kubernetes.io/") && k != corev1.LabelMetadataName {
			ns.Labels[k] = v
		}
	}
	objects := []client.Object{ns}
	for _, list := range []client.ObjectList{&corev1.ResourceQuotaList{}, &corev1.LimitRangeList{}} {
		if err := w.admin.List(ctx, list, client.InNamespace(pod.Namespace)); err != nil {
			return fmt.Errorf("reading a tenant's bounds: %w", err)
		}
		if err := eachItem(list, func(o client.Object) {
			copied(o, unjudged)
			objects = append(objects, o)
		}); err != nil {
			return err
		}
	}
	for _, o := range objects {
		if err := client.IgnoreAlreadyExists(w.admin.Create(ctx, o)); err != nil {
			return fmt.Errorf("making a namespace that is no tenant's: %w", err)
		}
	}
	outside := pod.DeepCopy()
	outside.Spec.Affinity, outside.Spec.NodeSelector = nil, nil
	if err := w.admin.Create(ctx, outside.DeepCopy(), client.DryRunAll); !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
		return fmt.Errorf("the policies let a pod into a tenant's namespace that may run anywhere: %w", err)
	}
	outside.Namespace = unjudged
	for range 300 { // until its quota and its service account are there
		if err := w.admin.Create(ctx, outside.DeepCopy(), client.DryRunAll); err == nil {
			return nil
		} else if !apierrors.IsForbidden(err) {
			return fmt.Errorf("creating a pod in a namespace that is no tenant's: %w", err)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("namespace %s takes no pods after 30 s", unjudged)
}
