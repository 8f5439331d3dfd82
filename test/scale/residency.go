package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// reaction is how long it takes until Tenants tell of a node that left their region.
type reaction struct {
	Tenants int     `json:"tenants"` // that had pods there
	Pods    int     `json:"podsOfTheNode"`
	Outside seconds `json:"outside"` // until ResidencyCompliant was False
	Back    seconds `json:"back"`    // until it was True again
}

// seconds of several tenants.
type seconds struct {
	Median float64 `json:"median"`
	Worst  float64 `json:"worst"`
}

func secondsOf(all []time.Duration) seconds {
	if len(all) == 0 {
		return seconds{}
	}
	slices.Sort(all)
	return seconds{Median: all[len(all)/2].Seconds(), Worst: all[len(all)-1].Seconds()}
}

func (w *world) measureReaction(ctx context.Context) (reaction, error) {
	var r reaction
	node := nodeName(0, 0)
	concerned, pods, err := w.tenantsOn(ctx, node)
	if err != nil {
		return r, err
	}
	r.Tenants, r.Pods = len(concerned), pods
	if len(concerned) == 0 {
		return r, fmt.Errorf("no tenant has a pod on node %s: raise -tenants", node)
	}
	if r.Outside, err = w.relabel(ctx, node, regions[1], concerned, metav1.ConditionFalse); err != nil {
		return r, err
	}
	if _, err := w.op.rest(ctx, w.Tenants, 5*time.Minute); err != nil {
		return r, err
	}
	if r.Back, err = w.relabel(ctx, node, regions[0], concerned, metav1.ConditionTrue); err != nil {
		return r, err
	}
	_, err = w.op.rest(ctx, w.Tenants, 5*time.Minute)
	return r, err
}

// tenantsOn gives the tenants with pods on a node that run and stay, and how many pods there are of anybody.
func (w *world) tenantsOn(ctx context.Context, node string) (map[string]bool, int, error) {
	pods, err := w.typed.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node + ",status.phase=Running"})
	if err != nil {
		return nil, 0, fmt.Errorf("listing the pods of node %s: %w", node, err)
	}
	tenants := map[string]bool{}
	for i := range pods.Items {
		_, ends := pods.Items[i].Labels[batchv1.JobNameLabel] // by itself, maybe before the node is relabelled
		if t := pods.Items[i].Labels[v1alpha1.LabelTenant]; t != "" && !ends {
			tenants[t] = true
		}
	}
	return tenants, len(pods.Items), nil
}

// relabel moves a node to another region by its label, and waits until all Tenants concerned say so.
func (w *world) relabel(ctx context.Context, node, region string, concerned map[string]bool, want metav1.ConditionStatus) (seconds, error) {
	var mu sync.Mutex
	var start time.Time
	took := map[string]time.Duration{}
	done := make(chan struct{})
	informer, err := w.seen.GetInformer(ctx, &v1alpha1.Tenant{})
	if err != nil {
		return seconds{}, fmt.Errorf("watching Tenants: %w", err)
	}
	look := func(o any) {
		t, ok := o.(*v1alpha1.Tenant)
		if !ok || !concerned[t.Name] {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionResidencyCompliant)
		if _, told := took[t.Name]; told || start.IsZero() || c == nil || c.Status != want {
			return
		}
		took[t.Name] = time.Since(start)
		if len(took) == len(concerned) {
			close(done)
		}
	}
	handler, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(_, o any) { look(o) }})
	if err != nil {
		return seconds{}, fmt.Errorf("watching Tenants: %w", err)
	}
	defer func() { _ = informer.RemoveEventHandler(handler) }()
	mu.Lock()
	start = time.Now()
	mu.Unlock()
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, corev1.LabelTopologyRegion, region))
	if err := w.admin.Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, patch); err != nil {
		return seconds{}, fmt.Errorf("labelling node %s: %w", node, err)
	}
	select {
	case <-done:
	case <-ctx.Done():
		return seconds{}, ctx.Err()
	case <-time.After(5 * time.Minute):
		mu.Lock()
		defer mu.Unlock()
		return seconds{}, fmt.Errorf("after 5 minutes %d of %d Tenants have told of node %s; these have not: %s", len(took), len(concerned), node, w.silent(ctx, node, concerned, took))
	}
	mu.Lock()
	defer mu.Unlock()
	var all []time.Duration
	for _, d := range took {
		all = append(all, d)
	}
	return secondsOf(all), nil
}

// silent describes Tenants that have not told of a node, and their pods there.
func (w *world) silent(ctx context.Context, node string, concerned map[string]bool, took map[string]time.Duration) string {
	all := map[string]string{}
	for name := range concerned {
		if _, told := took[name]; told {
			continue
		}
		t := &v1alpha1.Tenant{}
		if err := w.admin.Get(ctx, client.ObjectKey{Name: name}, t); err != nil {
			return err.Error()
		}
		all[name] = fmt.Sprintf("%+v", meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionResidencyCompliant))
	}
	pods, err := w.typed.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return err.Error()
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		if said, is := all[p.Labels[v1alpha1.LabelTenant]]; is {
			all[p.Labels[v1alpha1.LabelTenant]] = said + fmt.Sprintf(", %s %s", p.Name, p.Status.Phase)
		}
	}
	return fmt.Sprint(all)
}
