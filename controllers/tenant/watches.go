package tenant

import (
	"context"
	"fmt"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
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
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/metric"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// workers are so many passes at a time. A new tenant's pass waits for the API server most of the time, and for the client's bounds,
// which are counted for each kind of objects: while some wait to make Secrets, others make what is not bound by that.
const workers = 12

// Setup registers the reconciler with all that it watches: whatever it made, and
// whatever it depends on.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(mgr).Named("tenant").
		For(&v1alpha1.Tenant{}). // its status too: see status.Patch
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, 30*time.Second),
		}).
		Watches(&v1alpha1.Region{}, handler.EnqueueRequestsFromMapFunc(r.tenantsOf(func(t *v1alpha1.Tenant, o client.Object) bool {
			return t.Spec.Region == o.GetName() || t.Spec.Move != nil && t.Spec.Move.To == o.GetName()
		})), builder.WithPredicates(asked)). // not its status, which changes with each of its tenants
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return r.tenantsIn(ctx, o.GetName())
		})).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.tenantsOn), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&corev1.PersistentVolume{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			if v, ok := o.(*corev1.PersistentVolume); ok && v.Spec.ClaimRef != nil {
				return r.tenantsIn(ctx, v.Spec.ClaimRef.Namespace)
			}
			return nil
		}))
	b.Watches(&storagev1.StorageClass{}, handler.EnqueueRequestsFromMapFunc(r.tenantsOf(func(*v1alpha1.Tenant, client.Object) bool { return true }))).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(r.byNamespace), builder.WithPredicates(oursOrMoved))
	inNamespace := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		return r.tenantsIn(ctx, o.GetNamespace())
	})
	b.Watches(&v1alpha1.Channel{}, inNamespace, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.RetentionPolicy{}, inNamespace, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// Its status too: that its Secret came, changed or went is found by its own reconciler.
		Watches(&v1alpha1.LegalHold{}, inNamespace)
	for _, object := range []client.Object{
		&appsv1.Deployment{}, &appsv1.StatefulSet{}, &batchv1.Job{}, &corev1.Service{}, &corev1.ConfigMap{},
		&corev1.ResourceQuota{}, &corev1.LimitRange{}, &v1alpha1.ResidencyBoundary{}, &networkingv1.NetworkPolicy{}, &networkingv1.Ingress{},
		&policyv1.PodDisruptionBudget{}, &rbacv1.RoleBinding{}, &batchv1.CronJob{}, &corev1.PersistentVolumeClaim{},
	} {
		b.Watches(object, handler.EnqueueRequestsFromMapFunc(ByLabel))
	}
	b.Watches(&corev1.Service{}, handler.EnqueueRequestsFromMapFunc(r.neighboursOf), builder.WithPredicates(probedServices)).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(r.neighboursOf), builder.WithPredicates(cameOrWent)).
		Watches(&v1alpha1.Tenant{}, r.nextTurns())
	if r.Gateway {
		route := &metav1.PartialObjectMetadata{}
		route.SetGroupVersionKind(schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"})
		b.Watches(route, handler.EnqueueRequestsFromMapFunc(ByLabel))
	}
	if r.Clusters {
		cluster := &metav1.PartialObjectMetadata{}
		cluster.SetGroupVersionKind(plan.ClusterKind)
		b.Watches(cluster, handler.EnqueueRequestsFromMapFunc(ByLabel)) // its status too: a change of that is one of its metadata
	}
	b.WatchesRawSource(source.Channel(r.Journal.Changed, &handler.EnqueueRequestForObject{}))
	b.WatchesRawSource(source.Kind(r.Heads, ledger.Metadata(), handler.TypedEnqueueRequestsFromMapFunc(
		func(ctx context.Context, o *metav1.PartialObjectMetadata) []reconcile.Request { return ByLabel(ctx, o) },
	)))
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("watching Tenants: %w", err)
	}
	return metric.Lead(mgr, "residency", &Collector{Reader: mgr.GetClient()})
}

// asked lets through what somebody asks for by an object: of a Region, what it is and which change of it was approved.
var asked = predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, predicate.LabelChangedPredicate{})

// ByLabel leads from an object that was made for a tenant to the tenant.
func ByLabel(_ context.Context, o client.Object) []reconcile.Request {
	if tenant := o.GetLabels()[v1alpha1.LabelTenant]; tenant != "" {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: tenant}}}
	}
	return nil
}

// oursOrMoved lets through that a pod came, went, or is on another node or in another phase; of the operator's own also that they
// say something else: what the caches hold of them is all that a pass looks at.
var oursOrMoved = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*corev1.Pod)
	after, is := e.ObjectNew.(*corev1.Pod)
	if !ok || !is || before.Spec.NodeName != after.Spec.NodeName || before.Status.Phase != after.Status.Phase {
		return true
	}
	return after.Labels[v1alpha1.LabelTenant] != "" && (!equality.Semantic.DeepEqual(before.Status, after.Status) ||
		!maps.Equal(before.Labels, after.Labels) || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero())
}}

// byNamespace leads from an object to the tenant of its namespace.
func (r *Reconciler) byNamespace(ctx context.Context, o client.Object) []reconcile.Request {
	ns := &corev1.Namespace{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: o.GetNamespace()}, ns); err != nil {
		return ByLabel(ctx, o) // the namespace is not known yet, or has gone
	}
	return ByLabel(ctx, ns)
}

// tenantsIn leads to the tenants that claim a namespace.
func (r *Reconciler) tenantsIn(ctx context.Context, namespace string) []reconcile.Request {
	var tenants v1alpha1.TenantList
	if err := r.Client.List(ctx, &tenants, client.MatchingFields{observe.TenantNamespace: namespace}); err != nil {
		return nil // the cache is not synced: the first list reconciles all of them anyway
	}
	var requests []reconcile.Request
	for i := range tenants.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&tenants.Items[i])})
	}
	return requests
}

// tenantsOn leads from a node to the tenants in whose namespaces something is on it. A pod that comes to it later brings its
// tenant's pass along.
func (r *Reconciler) tenantsOn(ctx context.Context, node client.Object) []reconcile.Request {
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.MatchingFields{observe.PodNode: node.GetName()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache is not synced: the first list reconciles all of them anyway
	}
	var requests []reconcile.Request
	looked := map[string]bool{}
	for i := range pods.Items {
		if namespace := pods.Items[i].Namespace; !looked[namespace] {
			looked[namespace] = true
			requests = append(requests, r.tenantsIn(ctx, namespace)...)
		}
	}
	return requests
}

// tenantsOf leads from an object to the tenants that it concerns, out of all: for what changes seldom.
func (r *Reconciler) tenantsOf(concerns func(*v1alpha1.Tenant, client.Object) bool) handler.MapFunc {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		var tenants v1alpha1.TenantList
		if err := r.Client.List(ctx, &tenants, client.UnsafeDisableDeepCopy); err != nil {
			return nil // the cache is not synced: the first list reconciles all of them anyway
		}
		var requests []reconcile.Request
		for i := range tenants.Items {
			if concerns(&tenants.Items[i], o) {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&tenants.Items[i])})
			}
		}
		return requests
	}
}
