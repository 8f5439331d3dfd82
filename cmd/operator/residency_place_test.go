package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/controllers/tenant"
)

// within waits no longer than drift may last.
func (h hotel) within(t *testing.T, what string, check func() error) {
	t.Helper()
	begun := time.Now()
	var missing error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, driftLimit, true, func(context.Context) (bool, error) {
		missing = check()
		return missing == nil, nil
	})
	if err != nil {
		t.Fatalf("%s, within %s: %v", what, driftLimit, missing)
	}
	t.Logf("%s after %s", what, time.Since(begun).Round(time.Millisecond))
}

// egress checks how many openings outwards the connector has, and how many pods.
func (h hotel) egress(ctx context.Context, openings int, replicas int32) error {
	p, d := &networkingv1.NetworkPolicy{}, &appsv1.Deployment{}
	if err := errors.Join(h.Get(ctx, h.key("connector-desk"), p), h.Get(ctx, h.key("connector-desk"), d)); err != nil {
		return err
	}
	if len(p.Spec.Egress) != openings || *d.Spec.Replicas != replicas {
		return fmt.Errorf("the connector has %d openings and %d pods, want %d and %d", len(p.Spec.Egress), *d.Spec.Replicas, openings, replicas)
	}
	return nil
}

// placed checks which region the connector's pods are to run in.
func (h hotel) placed(ctx context.Context, region string) error {
	for _, name := range []string{"connector-desk", "serve"} {
		d := &appsv1.Deployment{}
		if err := h.Get(ctx, h.key(name), d); err != nil {
			return err
		}
		e := d.Spec.Template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions[0]
		if e.Key != corev1.LabelTopologyRegion || e.Values[0] != region {
			return fmt.Errorf("%s runs where %+v", name, e)
		}
	}
	return nil
}

// removeVolume deletes one that nothing protects here but its finalizer.
func removeVolume(t *testing.T, c testCluster, name string) {
	t.Helper()
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := c.Delete(t.Context(), pv); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKey{Name: name}, pv); err == nil {
		pv.Finalizers = nil
		if err := c.Update(t.Context(), pv); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
}

// events checks how many events with a reason tell of the tenant. Ready has the same reason at the same time: both are one series.
func (h hotel) events(t *testing.T, reason string, want int) error {
	t.Helper()
	events, err := client.New(h.config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	var all eventsv1.EventList
	if err := events.List(t.Context(), &all); err != nil {
		return err
	}
	n := 0
	for _, e := range all.Items {
		if e.Regarding.Kind == "Tenant" && e.Regarding.Name == h.name && e.Reason == reason {
			n++
		}
	}
	if n != want {
		return fmt.Errorf("%d events with reason %s, want %d", n, reason, want)
	}
	return nil
}

// runOn has a pod of somebody else's run in the tenant's namespace, on a node: the policies let it in, and the scheduler binds it.
func (h hotel) runOn(t *testing.T, name, node string) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: h.namespace}, Spec: regional()}
	no, yes := false, true
	pod.Spec.NodeSelector = map[string]string{corev1.LabelTopologyRegion: "movable"}
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
	pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: quantity("1m"), corev1.ResourceMemory: quantity("1Mi")}
	create(t, h, pod)
	scheduler := as(t, h.config, h.Client, "system:kube-scheduler", "system:masters")
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: h.namespace}, Target: corev1.ObjectReference{Kind: "Node", Name: node}}
	if err := scheduler.SubResource("binding").Create(t.Context(), pod, binding); err != nil {
		t.Fatal(err)
	}
}

func relabel(t *testing.T, c testCluster, node, region string) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, corev1.LabelTopologyRegion, region)
	if err := c.Patch(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
}

func changeRegion(t *testing.T, c testCluster, change func(*v1alpha1.Region)) {
	t.Helper()
	amend(t, c, aRegion("movable"), change)
}

func aRegion(name string) *v1alpha1.Region {
	return &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "EU", SubProcessors: []v1alpha1.SubProcessor{{
			Name: "twilio", Purpose: "delivery", Location: "US", TransferMechanism: "EU-US Data Privacy Framework",
			Egress: &v1alpha1.Egress{CIDRs: []v1alpha1.CIDR{"192.0.2.0/24"}},
		}},
	}}
}

func aNode(name, region string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyRegion: region, corev1.LabelTopologyZone: region + "-a"}}}
}

func aVolume(name, namespace, region string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeSpec{
		Capacity: corev1.ResourceList{corev1.ResourceStorage: quantity("1Gi")}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}},
		ClaimRef:               &corev1.ObjectReference{Namespace: namespace, Name: "data-postgres-0"},
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyRegion, Operator: corev1.NodeSelectorOpIn, Values: []string{region}}},
		}}}},
	}}
}

// violations is what the metric counts for a tenant.
func violations(t *testing.T, c testCluster, of string) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&tenant.Collector{Reader: c.Client})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum, series := 0.0, 0
	for _, family := range families {
		if family.GetName() != "switchboard_residency_violations" {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "tenant" && l.GetValue() == of {
					sum, series = sum+m.GetGauge().GetValue(), series+1
				}
			}
		}
	}
	if series != 2 {
		t.Fatalf("%d series of %s, want one for nodes and one for volumes", series, of)
	}
	return sum
}
