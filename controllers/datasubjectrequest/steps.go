package datasubjectrequest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

func (r *Reconciler) loadTenant(ctx context.Context, s *scope) error {
	namespace := s.request.Namespace
	tenant, region, err := observe.TenantOf(ctx, r.Client, namespace)
	if err != nil {
		return err
	}
	if tenant == nil {
		return step.NoTenant(namespace)
	}
	if region == nil {
		return step.NoRegion(tenant.Spec.Region)
	}
	s.in.Tenant, s.in.Region = tenant, region
	s.setup, err = r.Jobs.Setup(ctx, tenant, namespace, "")
	s.facts.Accepted = s.request.Status.CompletedAt != nil
	return err
}

// awaitAnswer ends the story of a complaint: people answer it, and say when.
func (r *Reconciler) awaitAnswer(_ context.Context, s *scope) error {
	if s.request.Spec.Type != v1alpha1.RequestComplaint {
		return nil
	}
	s.facts.Accepted = true
	s.request.Status.CompletedAt = s.request.Spec.AnsweredAt.DeepCopy()
	if s.request.Spec.AnsweredAt == nil {
		return &step.Wait{
			Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonWaiting,
			Message: "answer the complaint, then set spec.answeredAt",
		}
	}
	return nil
}

// waitForHolds keeps an erasure from outrunning a hold that was asked for before it, and
// a deferred one from trying what can't be done yet.
func (r *Reconciler) waitForHolds(ctx context.Context, s *scope) error {
	var list v1alpha1.LegalHoldList
	if err := r.Live.List(ctx, &list, client.InNamespace(s.request.Namespace)); err != nil {
		return err
	}
	asked := map[string]bool{}
	for i := range list.Items {
		h := &list.Items[i]
		if !h.DeletionTimestamp.IsZero() || plan.Expired(h, r.Now()) {
			continue
		}
		asked[h.Name] = true
		if s.request.Spec.Type == v1alpha1.RequestErasure && !s.setup.Holds[h.Name].Is(h) {
			return &step.Wait{
				Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonWaiting,
				Message: fmt.Sprintf("LegalHold %s has to be in force first; see kubectl -n %s describe legalhold %s", h.Name, h.Namespace, h.Name),
			}
		}
	}
	refused := s.request.Status.Refused
	if len(refused) == 0 || len(s.request.Status.Receipts) == 0 {
		return nil
	}
	s.facts.Accepted = true
	rows, names := int64(0), []string{}
	for _, f := range refused {
		if _, held := s.setup.Holds[f.Hold]; !held && !asked[f.Hold] {
			return r.pace(s) // that one has ended: what it kept can go
		}
		rows += f.Rows
		names = append(names, f.Hold)
	}
	slices.Sort(names)
	return &step.Wait{
		Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonHeldBack,
		Message: fmt.Sprintf("%d rows are kept by LegalHold %s; they go when it ends", rows, strings.Join(slices.Compact(names), ", ")),
	}
}

// pace keeps attempts apart that all are refused, whatever the reason.
func (r *Reconciler) pace(s *scope) error {
	receipts := s.request.Status.Receipts
	if age := r.Now().Sub(receipts[0].FinishedAt.Time); len(receipts) > 1 && age < retryAfter {
		return &step.Wait{
			Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonHeldBack, After: retryAfter - age,
			Message: "a hold has ended; what it kept is tried again in a minute",
		}
	}
	return nil
}

func (r *Reconciler) findLogin(_ context.Context, s *scope) error {
	if s.setup.Usable[contract.ComponentSubject] == 0 {
		return &step.Wait{
			Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonWaiting,
			Message: "the tenant's database is not set up yet; see kubectl describe tenant " + s.in.Tenant.Name + " if this lasts",
		}
	}
	s.in.Versions = s.setup.Usable
	return nil
}

// askAgain is how soon a missing Secret is looked for again: Secrets are not watched (docs/design/0003).
const askAgain = 3 * time.Second

func (r *Reconciler) checkSubject(ctx context.Context, s *scope) error {
	_, refusal, err := observe.Subject(ctx, r.Client, s.request.Namespace, s.request.Spec.Subject.SecretName,
		func(data map[string][]byte) error { return plan.CheckSubject(s.request, data) })
	switch {
	case apierrors.IsForbidden(err):
		// The binding that the Tenant's pass has just made takes a moment to reach the authorizer.
		return &step.Wait{
			Condition: v1alpha1.ConditionAccepted, Reason: v1alpha1.ReasonProgressing, After: 200 * time.Millisecond,
			Message: "the operator's rights in the namespace are on their way",
		}
	case err != nil:
		return err
	case refusal != nil:
		return &step.Stall{Condition: v1alpha1.ConditionAccepted, Reason: refusal.Reason, Message: refusal.Message, After: askAgain}
	}
	s.facts.Accepted = true
	return nil
}

// makeToken makes the Secret that lets whoever holds it fetch the archive, once.
func (r *Reconciler) makeToken(ctx context.Context, s *scope) error {
	if s.request.Spec.Type != v1alpha1.RequestAccess {
		return nil
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	token := plan.Download(s.in, s.request, base64.RawURLEncoding.EncodeToString(random))
	found := &corev1.Secret{}
	err := r.Client.Get(ctx, client.ObjectKeyFromObject(token), found)
	switch {
	case apierrors.IsNotFound(err):
		if err := r.Client.Create(ctx, token, client.FieldOwner(apply.FieldOwner)); err != nil {
			return fmt.Errorf("making Secret %s: %w", token.Name, err)
		}
	case err != nil:
		return fmt.Errorf("reading Secret %s: %w", token.Name, err)
	case !metav1.IsControlledBy(found, s.request):
		return &step.Stall{
			Condition: v1alpha1.ConditionAccepted, Reason: v1alpha1.ReasonWaiting, After: askAgain,
			Message: fmt.Sprintf("Secret %s exists and is not this request's: remove it, or file the request by another name", token.Name),
		}
	}
	return nil
}

func (r *Reconciler) start(ctx context.Context, s *scope) error {
	job := plan.Subject(s.in, s.request, after(s.request))
	if err := r.Applier.Apply(ctx, job); err != nil {
		return err
	}
	s.running = true
	return &step.Wait{
		Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonProgressing,
		Message: "Job " + job.Name + " carries it out",
	}
}

// after is the digest of the newest receipt: what tells one attempt from the next.
func after(q *v1alpha1.DataSubjectRequest) string {
	if len(q.Status.Receipts) == 0 {
		return ""
	}
	return q.Status.Receipts[0].Digest
}
