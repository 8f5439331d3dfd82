// Package region reconciles Regions: it says what there is of them, and what is wrong.
package region

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/served"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=regions;tenants,verbs=get;list;watch
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=regions/status,verbs=patch

// Reconciler keeps the status of Regions.
type Reconciler struct {
	Client   client.Client
	Recorder events.EventRecorder
	Status   *status.Writer
	Regions  served.Regions
}

// maxNames is the API's bound on lists of names.
const maxNames = 64

// Reconcile is one pass over one Region. The status of one that is not served is for its own operator to write.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if !r.Regions.Serve(req.Name) {
		return ctrl.Result{}, nil
	}
	region := &v1alpha1.Region{}
	if err := r.Client.Get(ctx, req.NamespacedName, region); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	seen, outcome := observe.ReadRegion(ctx, r.Client, region)
	before := region.DeepCopy()
	st := &region.Status
	st.ObservedGeneration = region.Generation
	st.Nodes, st.Tenants = int32(len(seen.Nodes)), int32(len(seen.Tenants)) //nolint:gosec // a cluster has fewer
	st.NodeNames, st.TenantNames = seen.Nodes[:min(len(seen.Nodes), maxNames)], nil
	for _, t := range seen.Tenants[:min(len(seen.Tenants), maxNames)] {
		st.TenantNames = append(st.TenantNames, t.Name)
	}
	st.StorageClass, st.Jurisdictions = seen.Class, plan.Jurisdictions(region)
	st.Planned = judge.Planned(plan.PlaceDigest(region), seen.Tenants)
	facts := judge.RegionFacts{Outcome: outcome, Seen: seen, Planned: st.Planned, Uncovered: plan.Uncovered(region), DatabaseUncovered: plan.DatabasePlace(region) != nil}
	status.SetConditions(&st.Conditions, judge.Region(facts), region.Generation)
	if err := r.Status.Patch(ctx, r.Client, region, before); err != nil {
		return step.Result(err)
	}
	status.Events(r.Recorder, region, before.Status.Conditions, st.Conditions)
	return step.Result(outcome)
}

// Setup registers the reconciler.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("region").
		For(&v1alpha1.Region{}). // its status too: see status.Patch
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&storagev1.StorageClass{}, handler.EnqueueRequestsFromMapFunc(r.all)).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			if t, ok := o.(*v1alpha1.Tenant); ok {
				return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: t.Spec.Region}}}
			}
			return nil
		}), builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, residencyChanged))).
		Complete(r)
	if err != nil {
		return fmt.Errorf("watching Regions: %w", err)
	}
	return nil
}

// residencyChanged lets through that a tenant left its region or came back, or what it is held to.
var residencyChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*v1alpha1.Tenant)
	after, is := e.ObjectNew.(*v1alpha1.Tenant)
	return ok && is && !equality.Semantic.DeepEqual(before.Status.Residency, after.Status.Residency)
}}

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
