package tenant

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// checkStaffOIDC looks at whether staff can sign in by the provider that the tenant names. Nothing waits for it: the server has what
// there is, and takes passwords unless the provider is required.
func (r *Reconciler) checkStaffOIDC(ctx context.Context, s *scope) error {
	o := s.tenant.Spec.StaffOIDC
	if o == nil {
		return nil
	}
	s.facts.StaffOIDC = judge.StaffOIDC{Provider: o}
	if _, refusal := plan.StaffOIDC(s.in.Region, o); refusal != nil {
		s.facts.StaffOIDC.Looked, s.facts.StaffOIDC.Refusal = true, refusal
		return nil
	}
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.in.Namespace(), Name: o.ClientSecretRef.Name}, secret)
	if client.IgnoreNotFound(err) != nil {
		return rights(err)
	}
	s.facts.StaffOIDC.Looked, s.facts.StaffOIDC.Refusal = true, plan.StaffOIDCSecret(s.in, secret.Data, !apierrors.IsNotFound(err))
	if s.facts.StaffOIDC.Refusal != nil {
		s.secretMissing = true
	}
	return nil
}
