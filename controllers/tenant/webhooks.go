package tenant

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// applyWebhooks has the client's other systems told of what happens. A webhook that the region does not allow, or whose secrets are not
// there, keeps up nothing else: the others are sent to, and its condition says what to do.
func (r *Reconciler) applyWebhooks(ctx context.Context, s *scope) error {
	known, told := r.Journal.Known(s.tenant.UID)
	s.facts.Webhooks.Told = told
	var ready []v1alpha1.Webhook
	for i := range s.tenant.Spec.Webhooks {
		w := &s.tenant.Spec.Webhooks[i]
		fact := judge.Webhook{Name: w.Name}
		for _, state := range known.State.Webhooks {
			if state.Name == w.Name {
				fact.State = state
			}
		}
		if _, refusal := plan.Webhook(s.in.Region, w); refusal != nil {
			fact.Refusal = refusal
		} else if refusal, err := r.webhookSecrets(ctx, s, w); err != nil {
			return err
		} else if refusal != nil {
			fact.Refusal, s.secretMissing = refusal, true
		} else {
			ready = append(ready, *w)
		}
		s.facts.Webhooks.All = append(s.facts.Webhooks.All, fact)
	}
	if s.in.Versions[contract.ComponentWebhooks] == 0 {
		ready = nil // its login does not exist in the database yet
	}
	objects := plan.Webhooks(s.in, ready)
	if err := r.Applier.Apply(ctx, objects...); err != nil {
		return err
	}
	return r.Applier.Prune(ctx, s.in.Namespace(), plan.WebhooksLabels(s.tenant.Name), objects,
		&appsv1.DeploymentList{}, &networkingv1.NetworkPolicyList{}, &policyv1.PodDisruptionBudgetList{})
}

// stopWebhooks ends pods that may tell nobody now. It waits for nothing; where all is well they are planned anew, and none runs.
func (r *Reconciler) stopWebhooks(ctx context.Context, s *scope) error {
	if !s.in.EgressClosed() {
		return nil
	}
	running, err := observe.Deployment(ctx, r.Client, s.in.Namespace(), name.Webhooks)
	if err != nil || running.Wanted <= 0 {
		return err
	}
	return r.Applier.Prune(ctx, s.in.Namespace(), plan.WebhooksLabels(s.tenant.Name), nil, &appsv1.DeploymentList{}, &networkingv1.NetworkPolicyList{})
}

// webhookSecrets looks at the Secrets that a webhook is signed with.
func (r *Reconciler) webhookSecrets(ctx context.Context, s *scope, w *v1alpha1.Webhook) (*plan.Refusal, error) {
	for _, ref := range w.SecretRefs {
		secret := &corev1.Secret{}
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.in.Namespace(), Name: ref.Name}, secret)
		refuse := func(reason, what string) *plan.Refusal {
			return &plan.Refusal{Reason: reason, Message: fmt.Sprintf("%s create it with echo whsec_$(openssl rand -base64 32) | kubectl -n %s create secret generic %s --from-file=%s=/dev/stdin",
				what, s.in.Namespace(), ref.Name, plan.WebhookSecret)}
		}
		switch {
		case apierrors.IsNotFound(err):
			return refuse(v1alpha1.ReasonSecretMissing, fmt.Sprintf("there is no Secret %s:", ref.Name)), nil
		case err != nil:
			return nil, rights(err)
		case !contract.SigningSecret(secret.Data[plan.WebhookSecret]):
			return refuse(v1alpha1.ReasonKeyMissing, fmt.Sprintf("Secret %s has no key %s that is whsec_ and 24 to 64 bytes in base64: delete it, and", ref.Name, plan.WebhookSecret)), nil
		}
	}
	return nil, nil
}
