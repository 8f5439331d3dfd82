package datasubjectrequest

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
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Setup registers the reconciler with what it made and what it depends on, and its metric.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	changed := builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))
	inNamespace := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		return r.requestsIn(ctx, o.GetNamespace())
	})
	err := ctrl.NewControllerManagedBy(mgr).Named("datasubjectrequest").
		For(&v1alpha1.DataSubjectRequest{}). // its status too: see status.Patch
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 4,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, 30*time.Second),
		}).
		Owns(&batchv1.Job{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(byLabel)).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			t, ok := o.(*v1alpha1.Tenant)
			if !ok {
				return nil
			}
			return r.requestsIn(ctx, plan.Tenant{Tenant: t}.Namespace())
		}), changed). // an annotation accepts evidence
		// A hold keeps what a request wants, and a migration puts it in force or lets it go.
		Watches(&v1alpha1.LegalHold{}, inNamespace).
		Watches(&batchv1.Job{}, inNamespace, builder.WithPredicates(predicate.NewPredicateFuncs(plan.IsMigration))).
		Complete(r)
	if err != nil {
		return fmt.Errorf("watching DataSubjectRequests: %w", err)
	}
	return metric.Lead(mgr, "requests", NewCollector(mgr.GetClient(), r.Now))
}

// byLabel leads from an attempt's pod to its request.
func byLabel(_ context.Context, o client.Object) []reconcile.Request {
	if request := o.GetLabels()[v1alpha1.LabelRequest]; request != "" {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: request}}}
	}
	return nil
}

func (r *Reconciler) requestsIn(ctx context.Context, namespace string) []reconcile.Request {
	var list v1alpha1.DataSubjectRequestList
	if err := r.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil // the cache is not synced: the first list reconciles all of them anyway
	}
	var requests []reconcile.Request
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}
