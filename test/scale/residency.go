package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// reaction is how long it takes until Tenants tell of a node that left their region.
type reaction struct {
	Nodes   int     `json:"nodes"`         // that were relabelled, one after the other
	Tenants int     `json:"tenants"`       // that had pods there
	Stayed  int     `json:"stayed"`        // that still had when the node came back
	Pods    int     `json:"podsOfTheNode"` // of the fullest one
	Outside seconds `json:"outside"`       // until ResidencyCompliant was False
	Back    seconds `json:"back"`          // until it was True again
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
	r := reaction{Nodes: w.Relabels}
	var outside, back []time.Duration
	for i := range w.Relabels {
		node, concerned, pods, err := w.occupied(ctx, i)
		if err != nil {
			return r, err
		}
		r.Tenants, r.Pods = r.Tenants+len(concerned), max(r.Pods, pods)
		took, err := w.relabel(ctx, node, regions[1], concerned, metav1.ConditionFalse)
		if err != nil {
			return r, err
		}
		outside = append(outside, took...)
		stayed, err := w.stayed(ctx, node, concerned)
		if err != nil {
			return r, err
		}
		r.Stayed += len(stayed)
		if took, err = w.relabel(ctx, node, regions[0], stayed, metav1.ConditionTrue); err != nil {
			return r, err
		}
		back = append(back, took...)
		if _, err := w.op.rest(ctx, w.Tenants, 5*time.Minute); err != nil {
			return r, err
		}
	}
	r.Outside, r.Back = secondsOf(outside), secondsOf(back)
	return r, nil
}

// occupied gives a node of the first region that tenants have pods on, another one each time if there are more, with what tenantsOn says.
func (w *world) occupied(ctx context.Context, turn int) (string, map[string]bool, int, error) {
	for i := range w.Nodes {
		node := nodeName(0, (turn+i)%w.Nodes)
		if concerned, pods, err := w.tenantsOn(ctx, node); err != nil || len(concerned) > 0 {
			return node, concerned, pods, err
		}
	}
	return "", nil, 0, errors.New("no tenant has a pod on any node of the first region: raise -tenants")
}

// stayed gives the tenants that still have pods on a node once all has come to rest: they alone have something to tell when it comes
// back. Who had nothing but connectors there is compliant by now, since those were stopped, and run elsewhere.
func (w *world) stayed(ctx context.Context, node string, concerned map[string]bool) (map[string]bool, error) {
	if _, err := w.op.rest(ctx, w.Tenants, 5*time.Minute); err != nil {
		return nil, err
	}
	stayed, _, err := w.tenantsOn(ctx, node)
	if err != nil {
		return nil, err
	}
	for tenant := range concerned {
		t := &v1alpha1.Tenant{}
		if err := w.admin.Get(ctx, client.ObjectKey{Name: tenant}, t); err != nil {
			return nil, fmt.Errorf("reading a Tenant: %w", err)
		}
		if meta.IsStatusConditionFalse(t.Status.Conditions, v1alpha1.ConditionResidencyCompliant) != stayed[tenant] {
			return nil, fmt.Errorf("with node %s outside, of Tenant %s it is %t that it has pods there: %s", node, tenant, stayed[tenant], w.describe(ctx, node, map[string]bool{tenant: true}))
		}
	}
	return stayed, nil
}

// tenantsOn gives the tenants with pods on a node that run, and how many pods there are of anybody.
func (w *world) tenantsOn(ctx context.Context, node string) (map[string]bool, int, error) {
	pods, err := w.typed.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node + ",status.phase=Running"})
	if err != nil {
		return nil, 0, fmt.Errorf("listing the pods of node %s: %w", node, err)
	}
	return tenantsOf(pods.Items), len(pods.Items), nil
}

// tenantsOf gives those whose pods they are. The namespace says so: pods of the reference bear a tenant's label, too.
func tenantsOf(pods []corev1.Pod) map[string]bool {
	tenants := map[string]bool{}
	for i := range pods {
		if t := pods[i].Labels[v1alpha1.LabelTenant]; t != "" && pods[i].Namespace == name.Namespace(t) {
			tenants[t] = true
		}
	}
	return tenants
}

// relabel moves a node to another region by its label, and waits until all Tenants concerned say so.
func (w *world) relabel(ctx context.Context, node, region string, concerned map[string]bool, want metav1.ConditionStatus) ([]time.Duration, error) {
	var mu sync.Mutex
	var start time.Time
	took := map[string]time.Duration{}
	done := make(chan struct{})
	informer, err := w.seen.GetInformer(ctx, &v1alpha1.Tenant{})
	if err != nil {
		return nil, fmt.Errorf("watching Tenants: %w", err)
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
		return nil, fmt.Errorf("watching Tenants: %w", err)
	}
	defer func() { _ = informer.RemoveEventHandler(handler) }()
	mu.Lock()
	start = time.Now()
	mu.Unlock()
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, corev1.LabelTopologyRegion, region))
	if err := w.admin.Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, patch); err != nil {
		return nil, fmt.Errorf("labelling node %s: %w", node, err)
	}
	if len(concerned) == 0 {
		return nil, nil
	}
	select {
	case <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(5 * time.Minute):
		mu.Lock()
		defer mu.Unlock()
		silent := maps.Clone(concerned)
		maps.DeleteFunc(silent, func(tenant string, _ bool) bool { _, told := took[tenant]; return told })
		return nil, fmt.Errorf("after 5 minutes %d of %d Tenants have told that node %s is in %s; these have not: %s", len(took), len(concerned), node, region, w.describe(ctx, node, silent))
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Collect(maps.Values(took)), nil
}

// describe says what Tenants tell of their residency, and which pods they have on a node.
func (w *world) describe(ctx context.Context, node string, tenants map[string]bool) string {
	all := map[string]string{}
	for tenant := range tenants {
		t := &v1alpha1.Tenant{}
		if err := w.admin.Get(ctx, client.ObjectKey{Name: tenant}, t); err != nil {
			return err.Error()
		}
		all[tenant] = fmt.Sprintf("%+v", meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionResidencyCompliant))
	}
	pods, err := w.typed.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return err.Error()
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		if said, is := all[p.Labels[v1alpha1.LabelTenant]]; is {
			all[p.Labels[v1alpha1.LabelTenant]] = said + fmt.Sprintf(", %s/%s %s", p.Namespace, p.Name, p.Status.Phase)
		}
	}
	return fmt.Sprint(all)
}
