// Package region reconciles Regions: it counts their nodes and tenants.
package region

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=regions;tenants,verbs=get;list;watch
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=regions/status,verbs=patch

// Reconciler keeps the status of Regions.
type Reconciler struct {
	Client   client.Client
	Recorder events.EventRecorder
}

// Reconcile is one pass over one Region.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	region := &v1alpha1.Region{}
	if err := r.Client.Get(ctx, req.NamespacedName, region); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	var nodes corev1.NodeList
	var tenants v1alpha1.TenantList
	outcome := errors.Join(
		r.Client.List(ctx, &nodes, client.MatchingLabels(plan.NodeSelector(region))),
		r.Client.List(ctx, &tenants),
	)
	before := region.DeepCopy()
	st := &region.Status
	st.ObservedGeneration = region.Generation
	st.Nodes, st.Tenants = int32(len(nodes.Items)), 0 //nolint:gosec // a cluster has fewer
	for _, t := range tenants.Items {
		if t.Spec.Region == region.Name {
			st.Tenants++
		}
	}
	status.SetConditions(&st.Conditions, judge.Region(st.Nodes, outcome), region.Generation)
	if err := status.Patch(ctx, r.Client, region, before); err != nil {
		return step.Result(err)
	}
	status.Events(r.Recorder, region, before.Status.Conditions, st.Conditions)
	return step.Result(outcome)
}

// Setup registers the reconciler.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("region").
		For(&v1alpha1.Region{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			if t, ok := o.(*v1alpha1.Tenant); ok {
				return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: t.Spec.Region}}}
			}
			return nil
		}), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
	if err != nil {
		return fmt.Errorf("watching Regions: %w", err)
	}
	return nil
}

func (r *Reconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	var regions v1alpha1.RegionList
	if err := r.Client.List(ctx, &regions); err != nil {
		return nil // the cache is not synced: the first list reconciles all of them anyway
	}
	var requests []reconcile.Request
	for i := range regions.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&regions.Items[i])})
	}
	return requests
}
