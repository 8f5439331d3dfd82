package retentionpolicy

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/metric"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Setup registers the reconciler with what it made and what it depends on.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	inNamespace := func(o client.Object) []client.ListOption {
		return []client.ListOption{client.InNamespace(o.GetNamespace())}
	}
	err := ctrl.NewControllerManagedBy(mgr).Named("retentionpolicy").
		For(&v1alpha1.RetentionPolicy{}). // its status too: see status.Patch
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 8, // a new policy's pass waits for the API server most of the time
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, 30*time.Second),
		}).
		Owns(&batchv1.CronJob{}).
		Watches(&v1alpha1.Region{}, handler.EnqueueRequestsFromMapFunc(r.policiesOf(func(client.Object) []client.ListOption { return nil })), changed).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(r.policiesOf(func(o client.Object) []client.ListOption {
			t, ok := o.(*v1alpha1.Tenant)
			if !ok {
				return nil
			}
			return []client.ListOption{client.InNamespace(plan.Tenant{Tenant: t}.Namespace())}
		})), builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, observe.ImageChanged))).
		// Another policy may bound the same category; a migration that ends brings the login to all of them.
		Watches(&v1alpha1.RetentionPolicy{}, handler.EnqueueRequestsFromMapFunc(r.policiesOf(inNamespace)), changed).
		Watches(&batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			if plan.IsMigration(o) {
				return r.policiesOf(inNamespace)(ctx, o)
			}
			return byLabel(ctx, o)
		})).
		// What the Tenant is held to, when its Region was changed.
		Watches(&v1alpha1.ResidencyBoundary{}, handler.EnqueueRequestsFromMapFunc(r.policiesOf(inNamespace)), changed).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(byLabel)).
		Complete(r)
	if err != nil {
		return fmt.Errorf("watching RetentionPolicies: %w", err)
	}
	return metric.Lead(mgr, "retention", &Collector{Reader: mgr.GetClient()})
}

// byLabel leads from a run's Job or pod to its policy.
func byLabel(_ context.Context, o client.Object) []reconcile.Request {
	if policy := o.GetLabels()[v1alpha1.LabelPolicy]; policy != "" {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: policy}}}
	}
	return nil
}

// policiesOf leads from an object to the policies that it concerns.
func (r *Reconciler) policiesOf(options func(client.Object) []client.ListOption) handler.MapFunc {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		var policies v1alpha1.RetentionPolicyList
		if err := r.Client.List(ctx, &policies, options(o)...); err != nil {
			return nil // the cache is not synced: the first list reconciles all of them anyway
		}
		var requests []reconcile.Request
		for i := range policies.Items {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&policies.Items[i])})
		}
		return requests
	}
}
