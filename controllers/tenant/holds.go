package tenant

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// holds are the LegalHolds of the namespace whose time is not over. One whose Secret
// is missing or can't be read waits outside, so that it keeps nothing else from being
// brought about; but one that is in force already stays so, as it is known. A mistake
// never ends a hold silently.
func (r *Reconciler) holds(ctx context.Context, s *scope) ([]plan.Hold, error) {
	var list v1alpha1.LegalHoldList
	if err := r.Client.List(ctx, &list, client.InNamespace(s.in.Namespace())); err != nil {
		return nil, err
	}
	var holds []plan.Hold
	for i := range list.Items {
		h := &list.Items[i]
		if !h.DeletionTimestamp.IsZero() || plan.Expired(h, r.Now()) {
			continue
		}
		if h.Spec.Match.Subject == nil {
			holds = append(holds, plan.HoldOf(h, ""))
			continue
		}
		secret, refusal, err := observe.Subject(ctx, r.Client, h.Namespace, h.Spec.Match.Subject.SecretName, contract.CheckSubject)
		if err != nil {
			return nil, err
		}
		if refusal == nil {
			holds = append(holds, plan.HoldOf(h, secret.ResourceVersion))
		} else if known, ok := s.known(h); ok {
			holds = append(holds, known)
		}
	}
	return holds, nil
}

// known is a hold as it is in force.
func (s *scope) known(h *v1alpha1.LegalHold) (plan.Hold, bool) {
	known, ok := s.before.Holds[h.Name]
	switch {
	case ok && known.UID() == string(h.UID):
		known.Expires = plan.HoldOf(h, "").Expires
	case meta.IsStatusConditionTrue(h.Status.Conditions, v1alpha1.ConditionInForce): // its Job was removed
		known = plan.HoldOf(h, "")
	default:
		return plan.Hold{}, false
	}
	known.Secret = ""
	return known, true
}

// release gives every policy one run beside its schedule for each hold that has gone,
// so that what it kept back goes at once.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	if len(s.facts.Setup.Gone) == 0 {
		return nil
	}
	var policies v1alpha1.RetentionPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(s.in.Namespace())); err != nil {
		return err
	}
	for i := range policies.Items {
		for _, hold := range s.facts.Setup.Gone {
			if _, err := r.runOnce(ctx, &policies.Items[i], hold); err != nil {
				return err
			}
		}
	}
	return nil
}

// runOnce gives a policy one run beside its schedule for a reason, however often it is
// asked. It says false when the policy has no CronJob: then it never ran.
func (r *Reconciler) runOnce(ctx context.Context, policy *v1alpha1.RetentionPolicy, reason string) (bool, error) {
	cron, err := observe.CronJob(ctx, r.Client, policy)
	if err != nil || cron == nil {
		return false, err
	}
	// Created, not applied: once made, the run is what it was made as.
	job := plan.Release(cron, policy.Name, reason)
	err = r.Client.Create(ctx, job, client.FieldOwner(apply.FieldOwner))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return false, fmt.Errorf("making Job %s: %w", job.Name, err)
	}
	return true, nil
}

// removeOutdated removes migrations that stand for what was asked for before. Their
// holds are known until then, so that none is forgotten between two passes.
func (r *Reconciler) removeOutdated(ctx context.Context, s *scope) error {
	for _, outdated := range s.facts.Setup.Outdated {
		if err := r.removeJob(ctx, s, outdated); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) removeJob(ctx context.Context, s *scope, job string) error {
	err := r.Client.Delete(ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: job, Namespace: s.in.Namespace()}},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	return client.IgnoreNotFound(err)
}
