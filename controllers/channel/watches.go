package channel

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/metric"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Setup registers the reconciler with what it made and what it depends on.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	b := ctrl.NewControllerManagedBy(mgr).Named("channel").
		For(&v1alpha1.Channel{}). // its status too: see status.Patch
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 12, // a new Channel's pass waits for the API server most of the time
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, 30*time.Second),
		}).
		Watches(&v1alpha1.Region{}, handler.EnqueueRequestsFromMapFunc(r.channelsOf(func(client.Object) []client.ListOption { return nil })), changed).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(r.channelsOf(func(o client.Object) []client.ListOption {
			t, ok := o.(*v1alpha1.Tenant)
			if !ok {
				return nil
			}
			return []client.ListOption{client.InNamespace(plan.Tenant{Tenant: t}.Namespace())}
		})), builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, egressChanged, observe.ImageChanged))).
		// What a Tenant is held to, when its Region was changed.
		Watches(&v1alpha1.ResidencyBoundary{}, handler.EnqueueRequestsFromMapFunc(r.channelsOf(inNamespace)), changed).
		// A migration that ends brings new logins; and a webhook that was taken back lets its Channel go.
		Watches(&batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(r.channelsOf(inNamespace)), builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool {
			return plan.IsMigration(o) || plan.IsWithdrawal(o)
		})))
	for _, owned := range []client.Object{
		&appsv1.Deployment{}, &corev1.Service{}, &networkingv1.NetworkPolicy{}, &networkingv1.Ingress{}, &policyv1.PodDisruptionBudget{},
	} {
		b.Owns(owned)
	}
	b.WatchesRawSource(source.Channel(r.Checks.Changed, &handler.EnqueueRequestForObject{}))
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("watching Channels: %w", err)
	}
	return metric.Lead(mgr, "channels' conditions", &Collector{Reader: mgr.GetClient()})
}

// egressChanged lets through that something of a tenant left its region, or came back: the tenant's reconciler looks at
// nodes, pods and volumes, and says so.
var egressChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*v1alpha1.Tenant)
	after, is := e.ObjectNew.(*v1alpha1.Tenant)
	return ok && is && plan.Tenant{Tenant: before}.EgressClosed() != plan.Tenant{Tenant: after}.EgressClosed()
}}

func inNamespace(o client.Object) []client.ListOption {
	return []client.ListOption{client.InNamespace(o.GetNamespace())}
}

// channelsOf leads from an object to the channels that it concerns.
func (r *Reconciler) channelsOf(options func(client.Object) []client.ListOption) handler.MapFunc {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		var channels v1alpha1.ChannelList
		if err := r.Client.List(ctx, &channels, options(o)...); err != nil {
			return nil // the cache is not synced: the first list reconciles all of them anyway
		}
		var requests []reconcile.Request
		for i := range channels.Items {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&channels.Items[i])})
		}
		return requests
	}
}
