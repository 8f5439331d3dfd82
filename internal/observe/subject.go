package observe

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
