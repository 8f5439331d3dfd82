package datasubjectrequest

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// observe finds what is still there of a request that was carried out.
func (r *Reconciler) observe(ctx context.Context, s *scope, st *v1alpha1.DataSubjectRequestStatus) error {
	if s.in.Tenant == nil || st.CompletedAt == nil {
		return nil
	}
	if st.Download != nil && !r.Now().Before(st.Download.ExpiresAt.Time) {
		st.Download = nil
	}
	if s.request.Spec.Subject == nil {
		return nil
	}
	defer func() {
		if st.SecretBroughtBackAt != nil {
			s.facts.BroughtBack = s.request.Spec.Subject.SecretName
		}
	}()
	secret, refusal, err := observe.Subject(ctx, r.Client, s.request.Namespace, s.request.Spec.Subject.SecretName,
		func(data map[string][]byte) error { return plan.CheckSubject(s.request, data) })
	if err != nil || refusal != nil {
		return err // gone; or something else by that name, which is not ours to remove
	}
	needed, err := r.needed(ctx, s.request)
	if err != nil || needed {
		return err
	}
	s.leftover = secret
	if secret.CreationTimestamp.After(st.CompletedAt.Time) {
		st.SecretBroughtBackAt = secret.CreationTimestamp.DeepCopy()
	}
	return nil
}

// needed says that a hold, or another request that was not carried out yet, names the same person.
func (r *Reconciler) needed(ctx context.Context, q *v1alpha1.DataSubjectRequest) (bool, error) {
	var requests v1alpha1.DataSubjectRequestList
	var holds v1alpha1.LegalHoldList
	if err := r.Client.List(ctx, &requests, client.InNamespace(q.Namespace)); err != nil {
		return false, err
	}
	if err := r.Client.List(ctx, &holds, client.InNamespace(q.Namespace)); err != nil {
		return false, err
	}
	same := func(subject *v1alpha1.SubjectReference, deleted *metav1.Time) bool {
		return deleted.IsZero() && subject != nil && subject.SecretName == q.Spec.Subject.SecretName
	}
	for _, other := range requests.Items {
		if other.Name != q.Name && other.Status.CompletedAt == nil && same(other.Spec.Subject, other.DeletionTimestamp) {
			return true, nil
		}
	}
	for i := range holds.Items {
		if h := &holds.Items[i]; !plan.Expired(h, r.Now()) && same(h.Spec.Match.Subject, h.DeletionTimestamp) {
			return true, nil
		}
	}
	return false, nil
}

// tidy removes what a request needed: Jobs whose results are in status, the Secret of
// the person when it was carried out, and the token of an archive that has ended.
func (r *Reconciler) tidy(ctx context.Context, s *scope) error {
	q := s.request
	if s.in.Tenant == nil {
		return nil
	}
	var jobs batchv1.JobList
	if err := r.Client.List(ctx, &jobs, client.InNamespace(q.Namespace), client.MatchingLabels(plan.SubjectLabels(s.in.Tenant.Name, q.Name))); err != nil {
		return fmt.Errorf("reading the Jobs of request %s: %w", q.Name, err)
	}
	current := plan.SubjectJob(q, after(q))
	for i := range jobs.Items {
		job := &jobs.Items[i]
		if !metav1.IsControlledBy(job, q) || !job.DeletionTimestamp.IsZero() || (q.Status.CompletedAt == nil && job.Name == current) {
			continue
		}
		if err := r.removeJob(ctx, job); err != nil {
			return err
		}
	}
	if q.Spec.Type == v1alpha1.RequestAccess && q.Status.CompletedAt != nil && q.Status.Download == nil {
		token := &corev1.Secret{}
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: q.Namespace, Name: name.Download(q.Name)}, token)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading Secret %s: %w", name.Download(q.Name), err)
		}
		if err == nil && metav1.IsControlledBy(token, q) {
			if err := r.removeSecret(ctx, token); err != nil {
				return err
			}
		}
	}
	if s.leftover != nil {
		return r.removeSecret(ctx, s.leftover)
	}
	return nil
}

// removeSecret removes a Secret as it was read, and none that came or changed since.
func (r *Reconciler) removeSecret(ctx context.Context, secret *corev1.Secret) error {
	uid, version := secret.UID, secret.ResourceVersion
	err := r.Client.Delete(ctx, secret, client.Preconditions{UID: &uid, ResourceVersion: &version})
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("removing Secret %s: %w", secret.Name, err)
	}
	return nil
}
