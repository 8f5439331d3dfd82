package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=erasurecertificates,verbs=create

// waitForHolds keeps what the law says must be kept: a tenant is erased when no hold is left.
func (r *Reconciler) waitForHolds(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil || !ns.DeletionTimestamp.IsZero() {
		return err
	}
	var list v1alpha1.LegalHoldList
	if err := r.Client.List(ctx, &list, client.InNamespace(ns.Name)); err != nil {
		return err
	}
	var names []string
	after := time.Duration(0)
	for i := range list.Items {
		h := &list.Items[i]
		if !h.DeletionTimestamp.IsZero() || plan.Expired(h, r.Now()) {
			continue
		}
		names = append(names, h.Name)
		if h.Spec.Until != nil {
			if left := h.Spec.Until.Sub(r.Now()) + time.Second; after == 0 || left < after {
				after = left
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonHeld, After: after,
		Message: fmt.Sprintf("LegalHold %s keeps the data: it is erased when the hold ends, or is released by kubectl -n %s delete legalhold NAME",
			strings.Join(names[:min(len(names), 10)], ", "), ns.Name),
	}
}

// count writes into status what there is, before it goes. What can't be counted in time
// is erased all the same, and the certificate says so.
func (r *Reconciler) count(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil || s.tenant.Status.Erasure != nil {
		return err
	}
	erasure := &v1alpha1.Erasure{}
	if erasure.Volumes, err = r.volumes(ctx, s); err != nil {
		return err
	}
	wait := &step.Wait{Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonCounting, Message: "what is to be erased is counted by Job " + name.Count}
	told, err := r.counted(ctx, s)
	var pending *pendingError
	switch {
	case err == nil:
		erasure.Counted = true
		for _, c := range told.Counts {
			erasure.Counts = append(erasure.Counts, v1alpha1.CategoryCount{Category: c.Category, Rows: c.Rows})
		}
	case errors.As(err, &pending) && !pending.never:
		wait.After = 5 * time.Second
		return wait
	case errors.As(err, &pending):
		erasure.Unchecked = "rows of every category: " + pending.Error()
	default:
		return err
	}
	s.tenant.Status.Erasure = erasure
	wait.Message, wait.After = "what is to be erased was counted", time.Millisecond
	return wait // so that status has it before anything goes
}

// pendingError is why a count is not there; never says that it will not come.
type pendingError struct {
	why   string
	never bool
}

func (e *pendingError) Error() string { return e.why }

func (r *Reconciler) counted(ctx context.Context, s *scope) (contract.CountResult, error) {
	setup, err := r.Jobs.Setup(ctx, s.tenant, s.in.Namespace(), "")
	if err != nil {
		return contract.CountResult{}, err
	}
	err = r.Client.Get(ctx, client.ObjectKey{Name: s.tenant.Spec.Region}, s.in.Region)
	switch {
	case apierrors.IsNotFound(err):
		return contract.CountResult{}, &pendingError{"its Region " + s.tenant.Spec.Region + " is gone, so that nothing could be started there", true}
	case err != nil:
		return contract.CountResult{}, err
	case setup.Usable[contract.ComponentRetain] == 0:
		return contract.CountResult{}, &pendingError{"its database was never set up", true}
	}
	boundary, err := observe.Boundary(ctx, r.Client, s.in.Namespace())
	if err != nil {
		return contract.CountResult{}, err
	}
	s.in.Region, s.in.Versions = plan.InForce(s.in.Region, boundary), setup.Usable // a change that waits never counts here
	job, err := r.Jobs.Read(ctx, s.tenant, client.ObjectKey{Namespace: s.in.Namespace(), Name: name.Count})
	switch {
	case err != nil:
		return contract.CountResult{}, err
	case job.Job == nil:
		err := r.Client.Create(ctx, plan.Count(s.in), client.FieldOwner(apply.FieldOwner))
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return contract.CountResult{}, fmt.Errorf("making Job %s: %w", name.Count, err)
		}
		return contract.CountResult{}, &pendingError{"the Job that counts did not end", false}
	case job.Done && job.Result.Count != nil:
		return *job.Result.Count, nil
	case job.Done || job.Failed:
		return contract.CountResult{}, &pendingError{orNothing(job.Result.Error), true}
	default: // the time that holds and an export took before does not count
		late := r.Now().Sub(job.Job.CreationTimestamp.Time) > plan.CountDeadline*time.Second
		return contract.CountResult{}, &pendingError{"the Job that counts did not end in time" + detail(job.Result.Error), late}
	}
}

func detail(message string) string {
	if message == "" {
		return ""
	}
	return ": " + message
}

// volumes are those that are bound to the tenant's claims.
func (r *Reconciler) volumes(ctx context.Context, s *scope) ([]string, error) {
	var all corev1.PersistentVolumeList
	if err := r.Client.List(ctx, &all); err != nil {
		return nil, err
	}
	var names []string
	for _, v := range all.Items {
		if v.Spec.ClaimRef != nil && v.Spec.ClaimRef.Namespace == s.in.Namespace() {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), 32)], nil
}

// certify leaves the certificate behind, once all has gone.
func (r *Reconciler) certify(ctx context.Context, s *scope) error {
	if s.tenant.Status.Erasure == nil && s.tenant.Status.SchemaVersion == 0 {
		return nil // nothing was ever made of it: its namespace may be another's
	}
	head, err := r.Ledger.Newest(ctx, s.tenant)
	if err != nil {
		return err
	}
	erasure := s.tenant.Status.Erasure
	if erasure == nil {
		erasure = &v1alpha1.Erasure{Unchecked: "rows of every category: the namespace was gone, or another's, before they could be counted"}
	}
	certificate := plan.Certificate(s.in, *erasure, head, r.Now())
	key, err := r.Ledger.Keeper.Current(ctx)
	if err != nil {
		return err
	}
	envelope, err := statement.SignErasure(ctx, key, plan.ErasureOf(certificate.Spec))
	if err != nil {
		return err
	}
	certificate.Spec.Envelope = string(envelope)
	err = r.Client.Create(ctx, certificate, client.FieldOwner(apply.FieldOwner))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("leaving ErasureCertificate %s: %w", certificate.Name, err)
	}
	return nil
}
