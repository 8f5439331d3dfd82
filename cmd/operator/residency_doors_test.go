package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// doors are the ways past a pod's template.
func doors(t *testing.T, config *rest.Config, c client.Client) {
	ctx := t.Context()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "door", Namespace: "bounded"}, Spec: regional()}
	create(t, c, pod)
	t.Run("an ephemeral container", func(t *testing.T) {
		astray := pod.DeepCopy()
		astray.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "i"}}}
		refuses(t, c.SubResource("ephemeralcontainers").Update(ctx, astray), "an ephemeral container has the pod's network")
	})
	t.Run("a binding", func(t *testing.T) {
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "door", Namespace: "bounded"}, Target: corev1.ObjectReference{Kind: "Node", Name: "far"}}
		refuses(t, c.SubResource("binding").Create(ctx, pod, binding.DeepCopy()), "only the scheduler binds")
		refuses(t, c.Create(ctx, binding.DeepCopy()), "only the scheduler binds") // the door of old
		scheduler := as(t, config, c, "system:kube-scheduler", "system:masters")
		if err := scheduler.SubResource("binding").Create(ctx, pod, binding.DeepCopy()); err != nil {
			t.Error("the scheduler:", err)
		}
	})
	t.Run("a scheduled pod can still be labelled", func(t *testing.T) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil || pod.Spec.NodeName != "far" {
			t.Fatalf("the pod is on %q: %v", pod.Spec.NodeName, err)
		}
		pod.Labels = map[string]string{"seen": "yes"}
		pod.Spec.Containers[0].Image = "another"
		if err := c.Update(ctx, pod); err != nil {
			t.Error(err)
		}
	})
	t.Run("the mirror of a static pod, by a kubelet alone", func(t *testing.T) {
		mirror := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "static-far", Namespace: "bounded", Annotations: map[string]string{
			corev1.MirrorPodAnnotationKey: "hash",
		}}, Spec: corev1.PodSpec{NodeName: "far", Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
		refuses(t, c.Create(ctx, mirror.DeepCopy(), client.DryRunAll), "spec.nodeName goes past the scheduler")
		kubelet := as(t, config, c, "system:node:far", "system:nodes", "system:masters")
		if err := kubelet.Create(ctx, mirror, client.DryRunAll); err != nil {
			t.Error("a kubelet:", err)
		}
	})
	t.Run("where a Service leads, by the cluster alone", func(t *testing.T) {
		slice := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: door, namespace: bounded}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.1]}]\n"), slice); err != nil {
			t.Fatal(err)
		}
		controller := as(t, config, c, "system:serviceaccount:kube-system:endpointslice-controller", "system:masters")
		if err := controller.Create(ctx, slice); err != nil {
			t.Fatal("the cluster itself:", err)
		}
		slice.SetLabels(map[string]string{"seen": "yes"})
		if err := c.Update(ctx, slice, client.DryRunAll); err != nil {
			t.Error("a label:", err)
		}
		slice.Object["endpoints"] = []any{map[string]any{"addresses": []any{"192.0.2.2"}}}
		refuses(t, c.Update(ctx, slice, client.DryRunAll), "by hand can lead anywhere")
	})
}

// guard is of what the policies trust.
func guard(t *testing.T, config *rest.Config, c client.Client) {
	ctx := t.Context()
	boundary := &v1alpha1.ResidencyBoundary{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: "bounded", Name: "residency"}, boundary); err != nil {
		t.Fatal(err)
	}
	const kept = "kept by the operator alone"
	t.Run("the boundary", func(t *testing.T) {
		wider := boundary.DeepCopy()
		wider.Spec.StorageClassName = "anywhere"
		refuses(t, c.Update(ctx, wider.DeepCopy(), client.DryRunAll), kept)
		refuses(t, c.Delete(ctx, boundary.DeepCopy(), client.DryRunAll), kept)
		another := aBoundary()
		another.Namespace = "new"
		refuses(t, c.Create(ctx, another, client.DryRunAll), kept)
		labelled := boundary.DeepCopy()
		labelled.Labels = map[string]string{v1alpha1.LabelTenant: "another"}
		refuses(t, c.Update(ctx, labelled, client.DryRunAll), kept)
		held := boundary.DeepCopy()
		held.Finalizers = []string{"example.com/mine"}
		refuses(t, c.Update(ctx, held, client.DryRunAll), kept)
		if err := c.Update(ctx, boundary.DeepCopy(), client.DryRunAll); err != nil {
			t.Error("as it is, so that it is stored in another version:", err)
		}
		if err := as(t, config, c, operatorUser, "system:masters").Update(ctx, wider, client.DryRunAll); err != nil {
			t.Error("the operator:", err)
		}
		if err := as(t, config, c, "system:serviceaccount:kube-system:namespace-controller", "system:masters").Delete(ctx, boundary.DeepCopy(), client.DryRunAll); err != nil {
			t.Error("a namespace that goes:", err)
		}
	})
	t.Run("the namespace's labels", func(t *testing.T) {
		for patch, ok := range map[string]bool{
			`{"metadata":{"labels":{"messaging.switchboard.dev/tenant":null}}}`:        false,
			`{"metadata":{"labels":{"messaging.switchboard.dev/tenant":"another"}}}`:   false,
			`{"metadata":{"labels":{"messaging.switchboard.dev/region":"us-east"}}}`:   false,
			`{"metadata":{"labels":{"cost-centre":"7"},"annotations":{"seen":"yes"}}}`: true,
		} {
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bounded"}}
			err := c.Patch(ctx, ns, client.RawPatch("application/merge-patch+json", []byte(patch)), client.DryRunAll)
			if ok && err != nil {
				t.Errorf("%s: %v", patch, err)
			}
			if !ok {
				refuses(t, err, "leave them to the operator")
			}
		}
		relabelled := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"messaging.switchboard.dev/region":"us-east"}}}`))
		if err := as(t, config, c, operatorUser, "system:masters").Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bounded"}}, relabelled, client.DryRunAll); err != nil {
			t.Error("the operator:", err)
		}
	})
}

// glass is broken with a reason, by who may, and mended.
func glass(t *testing.T, config *rest.Config, c client.Client) {
	ctx := t.Context()
	for _, document := range documents(t, "../../config/rbac/break_glass.yaml") {
		create(t, c, decode(t, c, document))
	}
	// Editors may write namespaces, and no more; officers have the role besides.
	for _, document := range []string{
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: edit-namespaces}\nrules: [{apiGroups: [''], resources: [namespaces, pods], verbs: [get, create, update, patch]}]\n",
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: edit-namespaces}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit-namespaces}\nsubjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: staff}]\n",
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: officers, namespace: bounded}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: switchboard-break-glass}\nsubjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: officer}]\n",
	} {
		create(t, c, decode(t, c, []byte(document)))
	}
	editor, officer := as(t, config, c, "editor", "staff", "system:authenticated"), as(t, config, c, "officer", "staff", "system:authenticated")
	annotate := func(c client.Client, value string) error {
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"messaging.switchboard.dev/break-glass":%s}}}`, value)
		return c.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bounded"}}, client.RawPatch("application/merge-patch+json", patch))
	}
	elsewhere := func() error {
		return editor.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere", Namespace: "bounded"}, Spec: corev1.PodSpec{
			NodeName: "far", Containers: []corev1.Container{{Name: "c", Image: "i"}},
		}}, client.DryRunAll)
	}
	eventually(t, "the role counts", func(context.Context) error {
		if err := annotate(officer, `"short"`); err == nil || !strings.Contains(err.Error(), "say why the glass is broken") {
			return fmt.Errorf("without a reason: %w", err)
		}
		return nil
	})
	refuses(t, annotate(editor, `"incident 4711"`), "breaking the glass takes the verb breakglass")
	refuses(t, annotate(c, `"        "`), "say why the glass is broken")
	refuses(t, elsewhere(), "spec.nodeName")
	if err := annotate(officer, `"incident 4711"`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the glass is broken", func(context.Context) error { return elsewhere() })
	for _, r := range refusals() {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(r.refused), &o.Object); err != nil {
			t.Fatal(err)
		}
		o.SetNamespace("bounded")
		o.SetName("x")
		if err := c.Create(ctx, o, client.DryRunAll); err != nil {
			t.Errorf("%s, with the glass broken: %v", r.sentence, err)
		}
	}
	refuses(t, as(t, config, c, "editor", "system:masters").Delete(ctx, aBoundary(), client.DryRunAll), "kept by the operator alone")
	if err := annotate(editor, `null`); err != nil {
		t.Error("anyone who may write the namespace can mend it:", err)
	}
	eventually(t, "the glass is mended", func(context.Context) error {
		if elsewhere() == nil {
			return errors.New("it is let in")
		}
		return nil
	})
}

func refuses(t *testing.T, err error, says string) {
	t.Helper()
	if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), says) {
		t.Errorf("err = %v, want %q", err, says)
	}
}
