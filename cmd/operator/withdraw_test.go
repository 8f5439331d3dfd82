package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// bot gives a client a channel by Telegram, and waits until it works.
func (h hotel) bot(t *testing.T, channel string) {
	t.Helper()
	create(t, h, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: channel, Namespace: h.namespace},
		StringData: map[string]string{"botToken": "123456789:AAE-token_of-the-test-0000000000000", "secretToken": "secret_token-of-the-test"},
	})
	o := byTelegram("hotel_" + channel + "_bot")
	o.Name, o.Namespace, o.Spec.Telegram.CredentialsSecretRef.Name = channel, h.namespace, channel
	create(t, h, o)
	eventually(t, channel+" works", func(ctx context.Context) error {
		o := &v1alpha1.Channel{}
		return errors.Join(h.play(ctx, h.namespace), h.Get(ctx, h.key(channel), o),
			says(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, ""))
	})
}

// withdrawals names the Job and the policy of a channel.
func (h hotel) withdrawals(t *testing.T, channel string) string {
	t.Helper()
	return "withdraw-" + channel + "-" + string(get(t, h, channel, &v1alpha1.Channel{}).UID)[:8]
}

// withdrawal waits for the Job that takes a channel's webhook back, and looks at what is there meanwhile.
func (h hotel) withdrawal(t *testing.T, channel string) *batchv1.Job {
	t.Helper()
	job, called := &batchv1.Job{}, h.withdrawals(t, channel)
	eventually(t, "the Job for "+channel, func(ctx context.Context) error {
		o := &v1alpha1.Channel{}
		return errors.Join(h.Get(ctx, h.key(called), job), h.Get(ctx, h.key(channel), o),
			says(o.Status.Conditions, v1alpha1.ConditionTerminating, metav1.ConditionTrue, v1alpha1.ReasonWithdrawing, "Job withdraw-"+channel))
	})
	h.testCluster.gone(t, h.key("connector-"+channel), &appsv1.Deployment{}) // it would set the webhook anew
	get(t, h, channel, &corev1.Secret{})
	if policy := get(t, h, called, &networkingv1.NetworkPolicy{}); len(policy.Spec.Egress) != 2 || len(policy.Spec.Ingress) != 0 {
		t.Errorf("the Job may reach %+v, and be reached by %+v", policy.Spec.Egress, policy.Spec.Ingress)
	}
	for _, owner := range job.OwnerReferences {
		if owner.Kind != "Tenant" { // or it would go first, when the Channel is deleted in the foreground
			t.Errorf("the Job is owned by %s %s", owner.Kind, owner.Name)
		}
	}
	return job
}

// withdrawn follows channels whose webhooks stand at their provider to their end.
func withdrawn(t *testing.T, c testCluster) {
	h := c.book(t, "withdrawn", same)
	h.bot(t, "lobby")
	if desk := get(t, h, "desk", &v1alpha1.Channel{}); len(desk.Finalizers) != 0 {
		t.Errorf("a channel that sets nothing up at its provider waits for %v", desk.Finalizers)
	}
	remove := func(channel string) {
		t.Helper()
		if err := h.Delete(t.Context(), get(t, h, channel, &v1alpha1.Channel{})); err != nil {
			t.Fatal(err)
		}
	}
	end := func(channel string, job *batchv1.Job) {
		t.Helper()
		c.gone(t, h.key(channel), &v1alpha1.Channel{})
		c.gone(t, client.ObjectKeyFromObject(job), &networkingv1.NetworkPolicy{})
		if err := h.Get(t.Context(), client.ObjectKeyFromObject(job), job); err != nil || *job.Spec.TTLSecondsAfterFinished > 600 {
			t.Errorf("the Job goes at another time: %v", err)
		}
	}

	remove("lobby")
	job := h.withdrawal(t, "lobby")
	h.finishes(t, job, `{"withdraw":{"gone":true}}`)
	end("lobby", job)

	h.bot(t, "revoked")
	remove("revoked")
	job = h.withdrawal(t, "revoked")
	h.finishes(t, job, `{"withdraw":{"gone":false,"problem":"refused","code":"401"}}`)
	end("revoked", job)
	h.leaves(t, "revoked", "Telegram does not take the credentials")

	h.bot(t, "failing")
	remove("failing")
	job = h.withdrawal(t, "failing")
	if err := h.fail(t.Context(), job, "", metav1.Now().Time); err != nil {
		t.Fatal(err)
	}
	end("failing", job)
	h.leaves(t, "failing", "Job withdraw-failing-")

	t.Run("and its tenant goes with Retain", func(t *testing.T) { withdrawnAndKept(t, c) })
	t.Run("with its tenant", func(t *testing.T) { withdrawnAndErased(t, c) })
}

// leaves waits for the event that tells what is left of a channel at its provider.
func (h hotel) leaves(t *testing.T, channel, part string) {
	t.Helper()
	eventually(t, "an event tells what is left of "+channel, func(ctx context.Context) error {
		var all corev1.EventList
		if err := h.List(ctx, &all, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		for _, e := range all.Items {
			if e.InvolvedObject.Name == channel && e.Type == corev1.EventTypeWarning && e.Reason == v1alpha1.ReasonWebhookLeft {
				if !strings.Contains(e.Message, part) {
					return fmt.Errorf("it says %s", e.Message)
				}
				return nil
			}
		}
		return errors.New("none does")
	})
}

// withdrawnAndKept is what becomes of webhooks when their tenant goes and its namespace stays: they are taken back before, and set anew
// when the tenant is taken up.
func withdrawnAndKept(t *testing.T, c testCluster) {
	h := c.book(t, "resting", same)
	h.bot(t, "lobby")
	h.bot(t, "revoked")
	jobs := map[string]client.ObjectKey{"lobby": h.key(h.withdrawals(t, "lobby")), "revoked": h.key(h.withdrawals(t, "revoked"))}
	if err := h.Delete(t.Context(), h.tenant(t)); err != nil {
		t.Fatal(err)
	}
	h.terminating(t, v1alpha1.ReasonWithdrawing, "Channel lobby, revoked")
	for channel, message := range map[string]string{"lobby": `{"withdraw":{"gone":true}}`, "revoked": `{"withdraw":{"gone":false,"problem":"refused","code":"401"}}`} {
		job := &batchv1.Job{}
		eventually(t, "the Job for "+channel, func(ctx context.Context) error {
			o := &v1alpha1.Channel{}
			return errors.Join(h.Get(ctx, jobs[channel], job), h.Get(ctx, h.key(channel), o),
				says(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWithdrawing, "Job withdraw-"+channel))
		})
		c.gone(t, h.key("connector-"+channel), &appsv1.Deployment{}) // it would set the webhook anew
		h.tenant(t)
		h.finishes(t, job, message)
	}
	c.gone(t, client.ObjectKey{Name: h.name}, &v1alpha1.Tenant{})
	h.leaves(t, "revoked", "Telegram does not take the credentials")
	for channel, job := range jobs {
		if o := get(t, h, channel, &v1alpha1.Channel{}); len(o.Finalizers) != 0 {
			t.Errorf("%s waits for %v, though nobody could do more for it", channel, o.Finalizers)
		}
		c.gone(t, job, &networkingv1.NetworkPolicy{})
	}
	h.collect(t)
	create(t, c, aTenant(func(o *v1alpha1.Tenant) { o.Name, o.Spec.Hostname = h.name, h.name+".example" }))
	eventually(t, "the channel is taken up", func(ctx context.Context) error {
		o := &v1alpha1.Channel{}
		if err := errors.Join(h.play(ctx, h.namespace), h.Get(ctx, h.key("lobby"), o)); err != nil {
			return err
		}
		if len(o.Finalizers) != 1 {
			return errors.New("it does not wait for its end")
		}
		return says(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	})
}

// withdrawnAndErased is what becomes of webhooks when their tenant is erased: its certificate tells of those that are left.
func withdrawnAndErased(t *testing.T, c testCluster) {
	h := c.book(t, "unplugged", func(s *v1alpha1.TenantSpec) { s.DeletionPolicy = v1alpha1.DeletionErase })
	h.bot(t, "lobby")
	h.bot(t, "revoked")
	if err := h.Delete(t.Context(), h.tenant(t)); err != nil {
		t.Fatal(err)
	}
	h.terminating(t, v1alpha1.ReasonCounting, "counted by Job count")
	h.finishes(t, get(t, h, "count", &batchv1.Job{}), `{"count":{"counts":[{"category":"Messages","rows":7}]}}`)
	h.terminating(t, v1alpha1.ReasonWithdrawing, "Channel lobby, revoked")
	h.finishes(t, h.withdrawal(t, "lobby"), `{"withdraw":{"gone":true}}`)
	h.finishes(t, h.withdrawal(t, "revoked"), `{"withdraw":{"gone":false,"problem":"refused","code":"401"}}`)
	h.terminating(t, v1alpha1.ReasonObjectsRemain, "waiting for pods to end: ")
	c.gone(t, h.key("lobby"), &v1alpha1.Channel{})
	c.gone(t, h.key("revoked"), &v1alpha1.Channel{})
	got := h.tenant(t).Status.Erasure.Webhooks
	if len(got) != 1 || !slices.ContainsFunc(got, func(s string) bool {
		return strings.HasPrefix(s, "Channel revoked: the webhook is not known to be gone at Telegram")
	}) {
		t.Errorf("the certificate is to say %q", got)
	}
}
