package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

const operatorUser = "system:serviceaccount:switchboard-system:switchboard-operator"

// policies installs those of config/admission that keep tenants in their regions.
func policies(t *testing.T, c client.Client) {
	t.Helper()
	files, err := filepath.Glob("../../config/admission/residency_*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("found %d files of policies: the test looks in the wrong place (%v)", len(files), err)
	}
	for _, file := range append(files, "../../config/admission/operator_bounds.yaml") {
		for _, document := range documents(t, file) {
			create(t, c, decode(t, c, document))
		}
	}
}

// as gives a client that has all rights and another name.
func as(t *testing.T, config *rest.Config, like client.Client, user string, groups ...string) client.Client {
	t.Helper()
	them := rest.CopyConfig(config)
	them.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	c, err := client.New(them, client.Options{Scheme: like.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// theirs is a kind of somebody else's, as far as admission looks at it.
func theirs(group, version, kind, plural string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(fmt.Appendf(nil, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: %[4]s.%[1]s
  annotations: {api-approved.kubernetes.io: "unapproved, for a test"}
spec:
  group: %[1]s
  scope: Namespaced
  names: {kind: %[3]s, plural: %[4]s}
  versions:
  - name: %[2]s
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`, group, version, kind, plural), o); err != nil {
		panic(err)
	}
	return o
}

// residencyServer is an API server with the policies, the namespace of a tenant whose boundary is drawn (bounded), that of
// one that the operator has not come to (new), and one that is nobody's (free).
func residencyServer(t *testing.T) (config *rest.Config, c client.Client) {
	t.Helper()
	config = startServer(t)
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	if err := admissionv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if c, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []*unstructured.Unstructured{
		theirs("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"), theirs("gateway.networking.k8s.io", "v1", "Gateway", "gateways"),
		theirs("gateway.networking.k8s.io", "v1", "BackendTLSPolicy", "backendtlspolicies"),
		theirs("snapshot.storage.k8s.io", "v1", "VolumeSnapshot", "volumesnapshots"),
		theirs("groupsnapshot.storage.k8s.io", "v1", "VolumeGroupSnapshot", "volumegroupsnapshots"),
		theirs("multicluster.x-k8s.io", "v1", "ServiceExport", "serviceexports"),
		theirs("cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies"),
	} {
		create(t, c, kind)
	}
	policies(t, c)
	for name, labels := range map[string]map[string]string{
		"bounded": {v1alpha1.LabelTenant: "hotel", v1alpha1.LabelRegion: "eu-central"}, "new": {v1alpha1.LabelTenant: "fresh"}, "free": nil,
	} {
		create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
	operator := as(t, config, c, operatorUser, "system:masters")
	eventually(t, "the boundary", func(ctx context.Context) error { return operator.Create(ctx, aBoundary()) })
	// Each policy refuses something, or does not count yet.
	counts := map[string]client.Object{
		"pods": &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}, HostNetwork: true}},
	}
	for _, r := range refusals() {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(r.refused), &o.Object); err != nil {
			t.Fatalf("%s: %v in\n%s", r.sentence, err, r.refused)
		}
		counts[o.GetKind()] = o
	}
	for what, o := range counts {
		o.SetName("x")
		o.SetNamespace("bounded")
		eventually(t, "the policies count for "+what, func(ctx context.Context) error {
			if err := c.Create(ctx, o.DeepCopyObject().(client.Object), client.DryRunAll); err == nil || !strings.Contains(err.Error(), "switchboard-residency-") {
				return fmt.Errorf("it is not refused (%w)", err)
			}
			return nil
		})
	}
	return config, c
}

func aBoundary() *v1alpha1.ResidencyBoundary {
	return &v1alpha1.ResidencyBoundary{
		ObjectMeta: metav1.ObjectMeta{Name: "residency", Namespace: "bounded"},
		Spec: v1alpha1.ResidencyBoundarySpec{
			Region: "eu-central", Jurisdiction: "EU", NodeSelector: map[string]v1alpha1.LabelValue{corev1.LabelTopologyRegion: "eu-central", "tenants": "yes"},
			Tolerations:      []corev1.Toleration{{Key: "tenants", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}},
			StorageClassName: "local-eu", VolumeSnapshotClassName: "snap-eu", Hostname: "messages.hotel.example",
			Gateway: &v1alpha1.GatewayReference{Name: "public", Namespace: "gateways"}, IngressClassName: "nginx",
		},
	}
}

// refusal is one object that a policy refuses, and its nearest neighbour, which it lets in.
type refusal struct {
	sentence string
	refused  string // YAML
	says     string
	neighbor string // YAML; empty where there is none
}

// TestNobodyPutsATenantElsewhere holds config/admission, rule by rule, to what a real API server makes of it when a
// cluster administrator asks.
func TestNobodyPutsATenantElsewhere(t *testing.T) {
	config, c := residencyServer(t)
	for _, r := range refusals() {
		t.Run(r.sentence, func(t *testing.T) {
			try := func(manifest, namespace string) error {
				o := &unstructured.Unstructured{}
				if err := yaml.UnmarshalStrict([]byte(manifest), &o.Object); err != nil {
					t.Fatalf("%v in\n%s", err, manifest)
				}
				o.SetNamespace(namespace)
				o.SetName("x")
				return c.Create(t.Context(), o, client.DryRunAll)
			}
			if err := try(r.refused, "bounded"); err == nil || !strings.Contains(err.Error(), "switchboard-residency-") || !strings.Contains(err.Error(), r.says) {
				t.Errorf("err = %v, want %q", err, r.says)
			}
			if err := try(r.refused, "free"); err != nil {
				t.Errorf("in a namespace that is no tenant's: %v", err)
			}
			if err := try(r.refused, "new"); err == nil {
				t.Error("it is let in before the operator has drawn the boundary")
			}
			if r.neighbor != "" {
				if err := try(r.neighbor, "bounded"); err != nil {
					t.Errorf("its neighbour: %v", err)
				}
			}
		})
	}
	t.Run("changes", func(t *testing.T) { whatChanges(t, config, c) })
	t.Run("doors", func(t *testing.T) { doors(t, config, c) })
	t.Run("guard", func(t *testing.T) { guard(t, config, c) })
	t.Run("glass", func(t *testing.T) { glass(t, config, c) })
}

// whatChanges tries to lead astray what was let in.
func whatChanges(t *testing.T, config *rest.Config, c client.Client) {
	ctx := t.Context()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "astray", Namespace: "bounded"}, Spec: regional()}
	create(t, c, pod)
	t.Run("a toleration that is added afterwards", func(t *testing.T) {
		astray := pod.DeepCopy()
		astray.Spec.Tolerations = append(astray.Spec.Tolerations, corev1.Toleration{Key: "elsewhere", Operator: corev1.TolerationOpExists})
		refuses(t, c.Update(ctx, astray, client.DryRunAll), "the toleration of elsewhere")
		fine := pod.DeepCopy()
		fine.Spec.Tolerations = append(fine.Spec.Tolerations, corev1.Toleration{Key: "tenants", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
		if err := c.Update(ctx, fine, client.DryRunAll); err != nil {
			t.Error("the Region's own:", err)
		}
	})
	t.Run("a template that is changed afterwards", func(t *testing.T) {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "astray", Namespace: "bounded"}, Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "x"}}, Spec: regional()},
		}}
		create(t, c, d)
		astray := d.DeepCopy()
		astray.Spec.Template.Spec.NodeSelector = nil
		refuses(t, c.Update(ctx, astray, client.DryRunAll), "it could run outside of region eu-central")
		fine := d.DeepCopy()
		fine.Spec.Template.Spec.Containers[0].Image = "another"
		if err := c.Update(ctx, fine, client.DryRunAll); err != nil {
			t.Error("another image:", err)
		}
	})
	t.Run("a workload of before can be scaled, and not changed", func(t *testing.T) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "moved"}}
		create(t, c, ns)
		old := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "old", Namespace: "moved"}, Spec: appsv1.ReplicaSetSpec{
			Replicas: ptrTo(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "x"}}, Spec: corev1.PodSpec{
				NodeSelector: map[string]string{"of": "before"}, Containers: []corev1.Container{{Name: "c", Image: "i"}},
			}},
		}}
		create(t, c, old)
		ns.Labels[v1alpha1.LabelTenant] = "moved"
		if err := c.Update(ctx, ns); err != nil {
			t.Fatal(err)
		}
		boundary := aBoundary()
		boundary.Namespace = "moved"
		if err := as(t, config, c, operatorUser, "system:masters").Create(ctx, boundary); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the label counts", func(ctx context.Context) error {
			changed := old.DeepCopy()
			changed.Spec.Template.Spec.Containers[0].Image = "another"
			if err := c.Update(ctx, changed, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "it could run outside") {
				return fmt.Errorf("a change is let in (%w)", err)
			}
			return nil
		})
		old.Spec.Replicas = ptrTo(int32(0))
		if err := c.Update(ctx, old); err != nil {
			t.Error(err)
		}
	})
	t.Run("whom a network policy closes", func(t *testing.T) {
		deny := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "deny", Namespace: "bounded"}, Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		}}
		create(t, c, deny)
		const closes = "whom a network policy closes is for the operator to say"
		fewer := deny.DeepCopy()
		fewer.Spec.PodSelector.MatchLabels = map[string]string{"app": "x"}
		refuses(t, c.Update(ctx, fewer, client.DryRunAll), closes)
		less := deny.DeepCopy()
		less.Spec.PolicyTypes = less.Spec.PolicyTypes[:1]
		refuses(t, c.Update(ctx, less.DeepCopy(), client.DryRunAll), closes)
		if err := as(t, config, c, operatorUser, "system:masters").Update(ctx, less, client.DryRunAll); err != nil {
			t.Error("the operator:", err)
		}
		more := deny.DeepCopy()
		more.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
		if err := c.Update(ctx, more, client.DryRunAll); err != nil {
			t.Error("an opening for who comes in:", err)
		}
	})
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "astray", Namespace: "bounded"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: ptrTo("local-eu"),
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: quantity("1Gi")}},
	}}
	create(t, c, claim)
	t.Run("a volume that is picked afterwards, by anyone but the cluster", func(t *testing.T) {
		picked := claim.DeepCopy()
		picked.Spec.VolumeName = "far"
		refuses(t, c.Update(ctx, picked.DeepCopy(), client.DryRunAll), "spec.volumeName picks a volume")
		binder := as(t, config, c, "system:serviceaccount:kube-system:persistent-volume-binder", "system:masters")
		if err := binder.Update(ctx, picked, client.DryRunAll); err != nil {
			t.Error("the cluster itself:", err)
		}
	})
	t.Run("a node that a volume is to be made on, by anyone but the scheduler", func(t *testing.T) {
		placed := claim.DeepCopy()
		placed.Annotations = map[string]string{"volume.kubernetes.io/selected-node": "far"}
		refuses(t, c.Update(ctx, placed.DeepCopy(), client.DryRunAll), "leave it to the scheduler")
		scheduler := as(t, config, c, "system:kube-scheduler", "system:masters")
		if err := scheduler.Update(ctx, placed, client.DryRunAll); err != nil {
			t.Error("the scheduler:", err)
		}
	})
	t.Run("finalizers come off what could not be made", func(t *testing.T) {
		// As in a namespace that was offered before the operator came, or that is going: its boundary is not there.
		old := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "old", Namespace: "offered", Finalizers: []string{"example.com/slow"}}, Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "c", Image: "i"}}, HostNetwork: true,
		}}
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "offered"}}
		create(t, c, ns)
		create(t, c, old)
		ns.Labels[v1alpha1.LabelTenant] = "late"
		if err := c.Update(ctx, ns); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the label counts", func(ctx context.Context) error {
			another := old.DeepCopy()
			another.ObjectMeta = metav1.ObjectMeta{Name: "another", Namespace: "offered"}
			if c.Create(ctx, another, client.DryRunAll) == nil {
				return errors.New("it is let in")
			}
			return nil
		})
		old.Finalizers = nil
		if err := c.Update(ctx, old); err != nil {
			t.Error(err)
		}
	})
}
