package tenant

import (
	"cmp"
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// databaseRetry is how long a refusal of a provider's server is left to be looked at before it is asked again.
const databaseRetry = time.Minute

// checkDatabase finds out whether a provider's server may be used, before anything is written there.
func (r *Reconciler) checkDatabase(ctx context.Context, s *scope) error {
	stall := func(refusal plan.Refusal, after time.Duration) error {
		return &step.Stall{Condition: v1alpha1.ConditionDatabaseReady, Reason: refusal.Reason, Message: refusal.Message, After: after}
	}
	if refusal := plan.DatabasePlace(s.in.Region); refusal != nil {
		return stall(*refusal, 0)
	}
	wanted := plan.External(s.in.Region).CredentialsSecretRef.Name
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.in.Namespace(), Name: wanted}, secret)
	if apierrors.IsNotFound(err) {
		return stall(plan.Refusal{Reason: v1alpha1.ReasonSecretMissing, Message: fmt.Sprintf(
			"there is no Secret %[1]s with the way to the provider's server: create it with kubectl -n %[2]s create secret generic %[1]s --from-file=host=FILE --from-file=dbname=FILE --from-file=user=FILE --from-file=password=FILE --from-file=ca.crt=FILE",
			wanted, s.in.Namespace())}, secretAgain)
	}
	if err != nil {
		return err
	}
	if refusal := plan.CheckExternal(s.in, secret.Data); refusal != nil {
		return stall(*refusal, secretAgain)
	}
	job := plan.CheckDatabase(s.in, string(secret.UID)+secret.ResourceVersion)
	if err := r.Applier.Prune(ctx, s.in.Namespace(), plan.ExternalLabels(s.tenant.Name), []client.Object{job}, &batchv1.JobList{}); err != nil {
		return err
	}
	return r.askDatabase(ctx, s, job)
}

// askDatabase takes the answer of the Job that asks, or waits for it. That it ended well is the answer.
func (r *Reconciler) askDatabase(ctx context.Context, s *scope, job *batchv1.Job) error {
	a, err := r.Jobs.Read(ctx, s.tenant, client.ObjectKeyFromObject(job))
	if err != nil {
		return err
	}
	switch {
	case a.Job == nil:
		if err := r.Applier.Apply(ctx, job); err != nil {
			return err
		}
		fallthrough
	case !a.Done && !a.Failed:
		return &step.Wait{Condition: v1alpha1.ConditionDatabaseReady, Reason: v1alpha1.ReasonProgressing, Message: "Job " + job.Name + " asks the provider's server whether it may be used"}
	case a.Done:
		s.facts.Database = observe.Workload{Exists: true, Settled: true}
		return nil
	}
	answer := cmp.Or(a.Result.Database, &contract.DatabaseResult{Class: contract.DatabaseFailed, Message: orNothing(a.Result.Error)})
	left := databaseRetry - r.Now().Sub(endedAt(a.Job))
	if left <= 0 {
		if err := r.removeJob(ctx, s, job.Name); err != nil {
			return err
		}
		left = time.Second
	}
	return &step.Stall{
		Condition: v1alpha1.ConditionDatabaseReady, Reason: databaseReason(answer.Class), After: min(left, secretAgain), // another Secret is asked with at once
		Message: fmt.Sprintf("provider %s: %s; nothing is changed there, and the server is asked again every minute, and when the Secret changes", plan.External(s.in.Region).Provider, answer.Message),
	}
}

func databaseReason(class string) string {
	switch class {
	case contract.DatabaseUnreachable:
		return v1alpha1.ReasonDatabaseUnreachable
	case contract.DatabaseUntrusted:
		return v1alpha1.ReasonDatabaseUntrusted
	case contract.DatabaseRefused:
		return v1alpha1.ReasonDatabaseLoginRefused
	case contract.DatabaseRights:
		return v1alpha1.ReasonDatabaseRightsMissing
	case contract.DatabaseTooOld:
		return v1alpha1.ReasonDatabaseTooOld
	case contract.DatabaseTaken:
		return v1alpha1.ReasonDatabaseTaken
	default:
		return v1alpha1.ReasonFailed
	}
}

// emptyDatabase removes what a tenant has on a provider's server, before the login for it goes with the namespace. A
// server that can't be emptied in time holds the erasure up no longer: the certificate says what is not known to be gone.
func (r *Reconciler) emptyDatabase(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil || !ns.DeletionTimestamp.IsZero() {
		return err
	}
	claimed := s.tenant.Status.Residency != nil && s.tenant.Status.Residency.Database != nil
	erasure := s.tenant.Status.Erasure
	if !claimed || erasure == nil || erasure.Database != nil {
		return nil
	}
	gone, err := r.emptiedDatabase(ctx, s)
	if err != nil {
		return err
	}
	wait := &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonEmptyingDatabase, After: 5 * time.Second,
		Message: fmt.Sprintf("Job %s removes the tenant's schemas and roles from the server of provider %s, and tries again while it can't: see its log; after that the rest is erased without it, and the ErasureCertificate says so",
			name.EraseDatabase, s.tenant.Status.Residency.Database.Provider),
	}
	if gone != nil {
		gone.Provider = s.tenant.Status.Residency.Database.Provider
		erasure.Database = gone
		wait.Message, wait.After = "what the tenant had in its provider's database was removed, or given up", time.Millisecond // so that status has it
	}
	return wait
}

// emptiedDatabase gives what became of schemas and roles; nil while that is not known.
func (r *Reconciler) emptiedDatabase(ctx context.Context, s *scope) (*v1alpha1.ErasedDatabase, error) {
	gone := func(problem string) *v1alpha1.ErasedDatabase {
		return &v1alpha1.ErasedDatabase{Problem: problem[:min(len(problem), 512)]}
	}
	err := r.Client.Get(ctx, client.ObjectKey{Name: s.tenant.Spec.Region}, s.in.Region)
	if apierrors.IsNotFound(err) || err == nil && plan.External(s.in.Region) == nil {
		return gone("its Region " + s.tenant.Spec.Region + " is gone, and so is the way to the server"), nil
	}
	if err != nil {
		return nil, err
	}
	boundary, err := observe.Boundary(ctx, r.Client, s.in.Namespace())
	if err != nil {
		return nil, err
	}
	s.in.Region = plan.InForce(s.in.Region, boundary) // a change that waits never counts here
	job := plan.EraseDatabase(s.in)
	a, err := r.Jobs.Read(ctx, s.tenant, client.ObjectKeyFromObject(job))
	switch {
	case err != nil:
		return nil, err
	case a.Job == nil:
		err := r.Client.Create(ctx, job, client.FieldOwner(apply.FieldOwner))
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("making Job %s: %w", job.Name, err)
		}
		return nil, nil
	case (a.Done || a.Failed) && a.Result.Database != nil:
		d := gone(a.Result.Database.Message)
		d.Schemas, d.Roles = int32(a.Result.Database.Schemas), int32(a.Result.Database.Roles) //nolint:gosec // few
		return d, nil
	case a.Done, a.Failed:
		return gone(orNothing(a.Result.Error)), nil
	case r.Now().Sub(a.Job.CreationTimestamp.Time) > plan.EraseDeadline:
		return gone("the Job that removes them did not end in time" + detail(a.Result.Error)), nil
	}
	return nil, nil
}
