package main

import (
	"context"
	"errors"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// chatted follows web chats: one whose guests nobody vouches for needs no Secret, another waits for its own.
func chatted(t *testing.T, c testCluster) {
	h := c.book(t, "chatted", same)
	for _, document := range documents(t, "../../config/samples/hotel-berlin/web-chat.example.yaml") {
		sample := decode(t, c, document)
		sample.SetNamespace(h.namespace)
		if err := c.Create(t.Context(), sample, client.DryRunAll); err != nil {
			t.Errorf("the API server does not take the sample: %v", err)
		}
	}
	create(t, c, byWebChat(func(o *v1alpha1.Channel) { o.Name, o.Namespace = "open", h.namespace }))
	create(t, c, byWebChat(func(o *v1alpha1.Channel) {
		o.Name, o.Namespace = "vouched", h.namespace
		o.Spec.WebChat.Identity = &v1alpha1.WebChatIdentity{SecretRef: v1alpha1.SecretReference{Name: "identity"}}
	}))
	becomes := func(channel, condition string, status metav1.ConditionStatus, reason, message string) {
		t.Helper()
		eventually(t, channel+" "+condition, func(ctx context.Context) error {
			o := &v1alpha1.Channel{}
			return errors.Join(h.play(ctx, h.namespace), h.Get(ctx, h.key(channel), o), says(o.Status.Conditions, condition, status, reason, message))
		})
	}
	becomes("open", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	becomes("vouched", v1alpha1.ConditionCredentialsReady, metav1.ConditionFalse, v1alpha1.ReasonSecretMissing, "--from-file=identitySecret=FILE")
	create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "identity", Namespace: h.namespace}, StringData: map[string]string{"identitySecret": "0123456789abcdef0123456789abcdef"}})
	becomes("vouched", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	for channel, secrets := range map[string]int{"open": 0, "vouched": 1} {
		mounted := 0
		for _, v := range get(t, h, "connector-"+channel, &appsv1.Deployment{}).Spec.Template.Spec.Volumes {
			if v.Name == "channel" {
				mounted++
			}
		}
		if mounted != secrets {
			t.Errorf("channel %s mounts %d Secrets of its own, want %d", channel, mounted, secrets)
		}
		for _, rule := range get(t, h, "connector-"+channel, &networkingv1.NetworkPolicy{}).Spec.Egress {
			for _, to := range rule.To {
				if to.IPBlock != nil {
					t.Errorf("channel %s may reach %s", channel, to.IPBlock.CIDR)
				}
			}
		}
		if url := get(t, h, channel, &v1alpha1.Channel{}).Status.WebhookURL; url != "https://chatted.example/webhooks/"+channel+"/chat" {
			t.Errorf("channel %s is at %s", channel, url)
		}
	}
	for _, p := range h.tenant(t).Status.Residency.SubProcessors {
		if p.Channel != "desk" {
			t.Errorf("channel %s has the sub-processor %q", p.Channel, p.Name)
		}
	}
}
