package tenant

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

const (
	// secretAgain is how soon a missing Secret is looked for again: Secrets are not watched (docs/design/0003).
	secretAgain = 3 * time.Second
	// bucketRetry is how long an answer that refuses is left to be looked at before the store is asked again.
	bucketRetry = time.Minute
)

// checkStore finds out whether the tenant's object store may be used. It is the last step: whatever it says, nothing
// else waits for it. What it refuses is refused by the instance too, which asks the store itself before it stores.
func (r *Reconciler) checkStore(ctx context.Context, s *scope) error {
	wanted := s.tenant.Spec.ObjectStore
	if wanted == nil {
		return r.Applier.Prune(ctx, s.in.Namespace(), plan.BucketLabels(s.tenant.Name), nil, &batchv1.JobList{})
	}
	s.facts.StoreWanted = true
	stall := func(reason, message string, after time.Duration) error {
		return &step.Stall{Condition: v1alpha1.ConditionObjectStoreReady, Reason: reason, Message: message, After: after}
	}
	if _, refusal := plan.Store(s.in); refusal != nil {
		return stall(refusal.Reason, refusal.Message, 0)
	}
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.in.Namespace(), Name: wanted.CredentialsSecretRef.Name}, secret)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	for _, key := range []string{contract.FileAccessKeyID, contract.FileSecretAccessKey} {
		if len(secret.Data[key]) > 0 {
			continue
		}
		reason, what := v1alpha1.ReasonKeyMissing, fmt.Sprintf("Secret %s has no key %s", wanted.CredentialsSecretRef.Name, key)
		if err != nil {
			reason, what = v1alpha1.ReasonSecretMissing, "there is no Secret "+wanted.CredentialsSecretRef.Name
		}
		return stall(reason, fmt.Sprintf("%s: create it with kubectl -n %s create secret generic %s --from-file=%s=FILE --from-file=%s=FILE", what,
			s.in.Namespace(), wanted.CredentialsSecretRef.Name, contract.FileAccessKeyID, contract.FileSecretAccessKey), secretAgain)
	}
	job := plan.CheckBucket(s.in, string(secret.UID)+secret.ResourceVersion)
	if err := r.Applier.Prune(ctx, s.in.Namespace(), plan.BucketLabels(s.tenant.Name), []client.Object{job}, &batchv1.JobList{}); err != nil {
		return err
	}
	return r.askStore(ctx, s, job)
}

// askStore takes the answer of the Job that asks, or waits for it.
func (r *Reconciler) askStore(ctx context.Context, s *scope, job *batchv1.Job) error {
	a, err := r.Jobs.Read(ctx, s.tenant, client.ObjectKeyFromObject(job))
	if err != nil {
		return err
	}
	answer := a.Result.Bucket
	switch {
	case a.Job == nil:
		if err := r.Applier.Apply(ctx, job); err != nil {
			return err
		}
		fallthrough
	case !a.Done && !a.Failed:
		return &step.Wait{Condition: v1alpha1.ConditionObjectStoreReady, Reason: v1alpha1.ReasonProgressing, Message: "Job " + job.Name + " asks the object store for the bucket"}
	case a.Done && answer != nil && answer.Class == "":
		s.facts.StoreReady = true
		return nil
	case answer == nil:
		answer = &contract.BucketResult{Message: orNothing(a.Result.Error)}
	}
	left := bucketRetry - r.Now().Sub(endedAt(a.Job))
	if left <= 0 {
		if err := r.removeJob(ctx, s, job.Name); err != nil {
			return err
		}
		left = time.Second
	}
	return &step.Stall{
		Condition: v1alpha1.ConditionObjectStoreReady, Reason: storeReason(answer.Class), After: min(left, secretAgain), // as for a database
		Message: fmt.Sprintf("object store %s, bucket %s: %s; nothing is stored there, and the store is asked again every minute, and when the Secret changes",
			s.tenant.Spec.ObjectStore.Name, s.tenant.Spec.ObjectStore.Bucket, answer.Message),
	}
}

func storeReason(class string) string {
	switch class {
	case contract.StoreMisplaced:
		return v1alpha1.ReasonBucketMisplaced
	case contract.StoreVersioned:
		return v1alpha1.ReasonBucketVersioned
	case contract.StoreUnreachable:
		return v1alpha1.ReasonStoreUnreachable
	default:
		return v1alpha1.ReasonFailed
	}
}

func endedAt(job *batchv1.Job) time.Time {
	for _, c := range job.Status.Conditions {
		if c.Type == batchv1.JobFailed || c.Type == batchv1.JobComplete {
			return c.LastTransitionTime.Time
		}
	}
	return job.CreationTimestamp.Time
}
