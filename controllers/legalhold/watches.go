package legalhold

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Setup registers the reconciler with what it depends on: the tenant's migrations put
// holds in force, the runs of its policies tell what they keep.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	inNamespace := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		return r.holdsIn(ctx, o.GetNamespace())
	})
	migrations := builder.WithPredicates(predicate.NewPredicateFuncs(plan.IsMigration))
	err := ctrl.NewControllerManagedBy(mgr).Named("legalhold").
		For(&v1alpha1.LegalHold{}). // its status too: see status.Patch
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 2,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, 30*time.Second),
		}).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			t, ok := o.(*v1alpha1.Tenant)
			if !ok {
				return nil
			}
			return r.holdsIn(ctx, plan.Tenant{Tenant: t}.Namespace())
		}), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.RetentionPolicy{}, inNamespace).
		Watches(&batchv1.Job{}, inNamespace, migrations).
		Watches(&corev1.Pod{}, inNamespace, migrations).
		Complete(r)
	if err != nil {
		return fmt.Errorf("watching LegalHolds: %w", err)
	}
	return nil
}

func (r *Reconciler) holdsIn(ctx context.Context, namespace string) []reconcile.Request {
	var holds v1alpha1.LegalHoldList
	if err := r.Client.List(ctx, &holds, client.InNamespace(namespace)); err != nil {
		return nil // the cache is not synced: the first list reconciles all of them anyway
	}
	var requests []reconcile.Request
	for i := range holds.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&holds.Items[i])})
	}
	return requests
}
