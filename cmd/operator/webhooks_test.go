package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// aWebhook is a webhook to who the sample Region's register has, changed.
func aWebhook(change func(*v1alpha1.Webhook)) v1alpha1.Webhook {
	w := v1alpha1.Webhook{
		Name: "pms", URL: "https://pms.example/switchboard", SubProcessor: "twilio", Events: []v1alpha1.WebhookEvent{v1alpha1.WebhookMessageReceived},
		SecretRefs: []v1alpha1.SecretReference{{Name: "pms"}},
	}
	change(&w)
	return w
}

func withWebhook(change func(*v1alpha1.Webhook)) *v1alpha1.Tenant {
	return aTenant(func(o *v1alpha1.Tenant) { o.Spec.Webhooks = []v1alpha1.Webhook{aWebhook(change)} })
}

// webhooked follows a tenant that tells another system: not before the register has it, and its secret is there.
func webhooked(t *testing.T, c testCluster) {
	h := c.book(t, "webhooked", func(s *v1alpha1.TenantSpec) {
		s.Webhooks = []v1alpha1.Webhook{aWebhook(func(w *v1alpha1.Webhook) { w.SubProcessor = "nobody" })}
	})
	becomes := func(reason, message string) {
		t.Helper()
		eventually(t, "WebhooksDelivered "+reason, func(ctx context.Context) error {
			return errors.Join(h.play(ctx, h.namespace), says(h.tenant(t).Status.Conditions, v1alpha1.ConditionWebhooksDelivered, metav1.ConditionFalse, reason, message))
		})
	}
	none := func() {
		t.Helper()
		if err := h.Get(t.Context(), h.key("webhooks"), &appsv1.Deployment{}); !apierrors.IsNotFound(err) {
			t.Errorf("there is a Deployment webhooks (%v)", err)
		}
	}
	change := func(change func(*v1alpha1.Webhook)) {
		t.Helper()
		o := h.tenant(t)
		before := client.MergeFrom(o.DeepCopy())
		change(&o.Spec.Webhooks[0])
		if err := h.Patch(t.Context(), o, before); err != nil {
			t.Fatal(err)
		}
	}
	becomes(v1alpha1.ReasonSubProcessorNotRegistered, "spec.subProcessors")
	none()
	change(func(w *v1alpha1.Webhook) { w.SubProcessor, w.URL = "twilio", "https://pms.example:8443/" })
	becomes(v1alpha1.ReasonOutOfBounds, "port 8443")
	change(func(w *v1alpha1.Webhook) { w.URL = "https://pms.example/" })
	becomes(v1alpha1.ReasonSecretMissing, "create secret generic pms --from-file=signingSecret=/dev/stdin")
	none()
	create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pms", Namespace: h.namespace}, StringData: map[string]string{
		"signingSecret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
	}})
	eventually(t, "the webhooks' pod", func(ctx context.Context) error {
		o := &appsv1.Deployment{}
		if err := errors.Join(h.play(ctx, h.namespace), h.Get(ctx, h.key("webhooks"), o)); err != nil {
			return err
		}
		if o.Spec.Replicas == nil || *o.Spec.Replicas != 1 {
			return errors.New("it is not to run")
		}
		seen := h.tenant(t).Status.Residency
		if seen == nil {
			return errors.New("nothing was seen")
		}
		for _, p := range seen.SubProcessors {
			if p.Channel == "webhook/pms" && p.Name == "twilio" && p.Location == "US" && p.Allowed {
				return nil
			}
		}
		return fmt.Errorf("sub-processors seen are %+v", seen.SubProcessors)
	})
	if out := h.webhooksReach(t); len(out) != 1 || !strings.HasSuffix(out[0], " 443") {
		t.Errorf("it may reach %v", out)
	}
	running := func(replicas int32, ways int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d pods of webhooks", replicas), func(ctx context.Context) error {
			if err := h.play(ctx, h.namespace); err != nil {
				return err
			}
			if n, out := *get(t, h, "webhooks", &appsv1.Deployment{}).Spec.Replicas, h.webhooksReach(t); n != replicas || len(out) != ways {
				return fmt.Errorf("%d are to run, and reach %v", n, out)
			}
			return nil
		})
	}
	create(t, c, aVolume("pv-webhooked", h.namespace, "elsewhere"))
	running(0, 0)
	becomes(v1alpha1.ReasonEgressClosed, "nothing is sent")
	removeVolume(t, c, "pv-webhooked")
	running(1, 1)
	o := h.tenant(t)
	before := client.MergeFrom(o.DeepCopy())
	o.Spec.Webhooks = nil
	if err := h.Patch(t.Context(), o, before); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing of webhooks", func(ctx context.Context) error {
		if err := h.Get(ctx, h.key("webhooks"), &appsv1.Deployment{}); !apierrors.IsNotFound(err) {
			return errors.Join(h.play(ctx, h.namespace), fmt.Errorf("the Deployment is there (%w)", err))
		}
		return nil
	})
}

// webhooksReach lists what the webhooks' pod may reach outside.
func (h hotel) webhooksReach(t *testing.T) (out []string) {
	t.Helper()
	for _, rule := range get(t, h, "webhooks", &networkingv1.NetworkPolicy{}).Spec.Egress {
		for _, to := range rule.To {
			if to.IPBlock != nil {
				out = append(out, fmt.Sprint(to.IPBlock.CIDR, " ", rule.Ports[0].Port.IntVal))
			}
		}
	}
	return out
}
