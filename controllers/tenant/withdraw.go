package tenant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// maxWebhooks bounds what status lists of webhooks that are left.
const maxWebhooks = 8

// withdraw lets the Channels go whose webhooks stand at their providers, while the namespace can start what takes them back. What a
// Channel could not take back is noted for the certificate.
func (r *Reconciler) withdraw(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil || !ns.DeletionTimestamp.IsZero() || s.tenant.Status.Erasure == nil {
		return err
	}
	var channels v1alpha1.ChannelList
	if err := r.Client.List(ctx, &channels, client.InNamespace(ns.Name)); err != nil {
		return fmt.Errorf("listing the Channels: %w", err)
	}
	var waiting []string
	erasure := s.tenant.Status.Erasure
	for i := range channels.Items {
		c := &channels.Items[i]
		if !controllerutil.ContainsFinalizer(c, v1alpha1.FinalizerChannel) {
			continue
		}
		waiting = append(waiting, c.Name)
		if c.DeletionTimestamp.IsZero() {
			uid := c.UID
			if err := r.Client.Delete(ctx, c, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("deleting Channel %s: %w", c.Name, err)
			}
			continue
		}
		end := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionTerminating)
		if end == nil || end.Status != metav1.ConditionTrue || end.Reason != v1alpha1.ReasonWebhookLeft {
			continue
		}
		note := fmt.Sprintf("Channel %s: %s", c.Name, end.Message)
		note = strings.ToValidUTF8(note[:min(len(note), 1024)], "")
		if !slices.Contains(erasure.Webhooks, note) && len(erasure.Webhooks) < maxWebhooks {
			erasure.Webhooks = append(erasure.Webhooks, note)
			return &step.Wait{
				Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonWithdrawing, After: time.Millisecond, // so that status has it
				Message: "it was noted what is left at a provider",
			}
		}
		bound := c.DeepCopy()
		controllerutil.RemoveFinalizer(c, v1alpha1.FinalizerChannel)
		if err := r.Client.Patch(ctx, c, client.MergeFrom(bound)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("letting Channel %s go: %w", c.Name, err)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	return withdrawing(waiting, v1alpha1.ConditionTerminating)
}

// waitForWebhooks lets the Channels that stay have their webhooks taken from their providers, while the Tenant is there to start
// something for it. A provider that can't be told holds it up for plan.WithdrawDeadline at most.
func (r *Reconciler) waitForWebhooks(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil || !ns.DeletionTimestamp.IsZero() || r.Now().Sub(s.tenant.DeletionTimestamp.Time) > plan.WithdrawDeadline+withdrawGrace {
		return err
	}
	var channels v1alpha1.ChannelList
	if err := r.Client.List(ctx, &channels, client.InNamespace(ns.Name)); err != nil {
		return fmt.Errorf("listing the Channels: %w", err)
	}
	var waiting []string
	for i := range channels.Items {
		if c := &channels.Items[i]; controllerutil.ContainsFinalizer(c, v1alpha1.FinalizerChannel) {
			waiting = append(waiting, c.Name)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	return withdrawing(waiting, v1alpha1.ConditionReady)
}

// withdrawGrace is how much longer the Tenant waits than each Channel does, which tells what is left.
const withdrawGrace = time.Minute

func withdrawing(channels []string, condition string) *step.Wait {
	slices.Sort(channels)
	return &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonWithdrawing, After: 2 * time.Second,
		Message: fmt.Sprintf("webhooks are taken from their providers: see condition %s of Channel %s", condition, strings.Join(channels[:min(len(channels), 10)], ", ")),
	}
}
