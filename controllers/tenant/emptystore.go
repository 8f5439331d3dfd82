package tenant

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// emptyStore removes what a tenant has in its object store, files and backups, before the credentials for it go. A store
// that can't be emptied in time holds the erasure up no longer: the certificate says what is not known to be gone.
func (r *Reconciler) emptyStore(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil || !ns.DeletionTimestamp.IsZero() {
		return err
	}
	wanted, erasure := s.tenant.Spec.ObjectStore, s.tenant.Status.Erasure
	if wanted == nil || erasure == nil || erasure.Objects != nil {
		return nil
	}
	objects, err := r.emptied(ctx, s)
	if err != nil {
		return err
	}
	wait := &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonEmptyingStore, After: 5 * time.Second,
		Message: fmt.Sprintf("Job %s removes what the tenant has in object store %s, bucket %s, and tries again while the store can't be reached: see its log; after %s the rest is erased without it, and the ErasureCertificate says so",
			name.EmptyBucket, wanted.Name, wanted.Bucket, plan.EmptyDeadline),
	}
	if objects != nil {
		erasure.Objects = objects
		wait.Message, wait.After = "what the tenant had in its object store was counted", time.Millisecond // so that status has it
	}
	return wait
}

// emptied gives what became of the objects; nil while that is not known.
func (r *Reconciler) emptied(ctx context.Context, s *scope) (*v1alpha1.ErasedObjects, error) {
	gone := func(problem string) *v1alpha1.ErasedObjects {
		return &v1alpha1.ErasedObjects{Problem: problem[:min(len(problem), 512)]}
	}
	err := r.Client.Get(ctx, client.ObjectKey{Name: s.tenant.Spec.Region}, s.in.Region)
	if apierrors.IsNotFound(err) {
		return gone("its Region " + s.tenant.Spec.Region + " is gone, and so is the store's address"), nil
	}
	if err != nil {
		return nil, err
	}
	if _, refusal := plan.Store(s.in); refusal != nil {
		return gone(refusal.Message), nil
	}
	job := plan.EmptyBucket(s.in)
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
	case a.Done && a.Result.Bucket != nil:
		o := gone(a.Result.Bucket.Message)
		o.Removed = a.Result.Bucket.Removed
		return o, nil
	case a.Done, a.Failed:
		return gone(orNothing(a.Result.Error)), nil
	case r.Now().Sub(s.tenant.DeletionTimestamp.Time) > plan.EmptyDeadline:
		return gone("the Job that removes them did not end in time" + detail(a.Result.Error)), nil
	}
	return nil, nil
}
