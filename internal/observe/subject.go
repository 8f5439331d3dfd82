package observe

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Subject reads the Secret that names a person, and checks it: a refusal says what is
// wrong with it. The operator's own Secrets name nobody, whatever they hold.
func Subject(
	ctx context.Context, r client.Reader, namespace, secret string, check func(map[string][]byte) error,
) (*corev1.Secret, *plan.Refusal, error) {
	s := &corev1.Secret{}
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: secret}, s)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &plan.Refusal{Reason: v1alpha1.ReasonSecretMissing, Message: fmt.Sprintf(
			"there is no Secret %s: create it with kubectl -n %s create secret generic %s --from-file=%s=FILE",
			secret, namespace, secret, contract.KindPhone)}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("reading Secret %s: %w", secret, err)
	}
	if s.Labels[v1alpha1.LabelTenant] != "" {
		return nil, &plan.Refusal{Reason: v1alpha1.ReasonInvalidSubject, Message: fmt.Sprintf(
			"Secret %s is the operator's: name one with the addresses of a person", secret)}, nil
	}
	if err := check(s.Data); err != nil {
		return nil, &plan.Refusal{Reason: v1alpha1.ReasonInvalidSubject, Message: fmt.Sprintf("Secret %s: %v", secret, err)}, nil
	}
	return s, nil, nil
}

// ReadJob reads a Job of the tenant's, and what it told.
func ReadJob(ctx context.Context, r client.Reader, tenant *v1alpha1.Tenant, job client.ObjectKey) (Attempt, error) {
	return readJob(ctx, r, tenant, job)
}

// Attempt is what is known of one attempt at a request.
type Attempt struct {
	Job          *batchv1.Job // nil when there is none
	Done, Failed bool
	Result       contract.Result
}

// ReadAttempt reads the Job of an attempt.
func ReadAttempt(ctx context.Context, r client.Reader, request *v1alpha1.DataSubjectRequest, job client.ObjectKey) (Attempt, error) {
	return readJob(ctx, r, request, job)
}

func readJob(ctx context.Context, r client.Reader, owner client.Object, job client.ObjectKey) (Attempt, error) {
	j := &batchv1.Job{}
	if err := r.Get(ctx, job, j); err != nil {
		return Attempt{}, wrap("reading Job "+job.Name, client.IgnoreNotFound(err))
	}
	if !metav1.IsControlledBy(j, owner) || !j.DeletionTimestamp.IsZero() {
		return Attempt{}, nil
	}
	a := Attempt{Job: j, Done: finished(j, batchv1.JobComplete), Failed: finished(j, batchv1.JobFailed)}
	if !a.Done && j.Status.Failed == 0 {
		return a, nil
	}
	var err error
	a.Result, err = Result(ctx, r, j)
	return a, err
}
