package tenant

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// steps is the story of a Tenant. What runs already is applied before anything is
// waited for, so that drift is put back whatever is under way.
func (r *Reconciler) steps(s *scope) []step.Step {
	with := func(do func(context.Context, *scope) error) func(context.Context) error {
		return func(ctx context.Context) error { return do(ctx, s) }
	}
	return []step.Step{
		{Name: "add the finalizer", Do: with(r.addFinalizer)},
		{Name: "switch to the other region", Do: with(r.switchRegion)},
		{Name: "find the region", Do: with(r.loadRegion)},
		{Name: "make the namespace", Do: with(r.ensureNamespace)},
		{Name: "see how far a move has come", Do: with(r.lookAtMove)},
		{Name: "draw the boundary", Do: with(r.drawBoundary)},
		{Name: "close the namespace", Do: with(r.applyIsolation)}, // before anything runs in it
		{Name: "tell nobody while something is outside", Do: with(r.stopWebhooks)},
		{Name: "make the credentials", Do: with(r.ensureCredentials)},
		{Name: "tell the pods what the database held", Do: with(r.applyAnchor)},
		{Name: "bound what no policy bounds", Do: with(r.coverRetention)},
		{Name: "put a backup back", Do: with(r.putBack)},
		{Name: "apply the database", Do: with(r.applyDatabase)},
		{Name: "hand the database over", Do: with(r.handOver)}, // nothing may write to it from here on
		{Name: "take a turn at another image", Do: with(r.takeTurn)},
		{Name: "plan the migration", Do: with(r.planSetup)},
		{Name: "change the image", Do: with(r.changeImage)},
		{Name: "apply the server", Do: with(r.applyServer)},
		{Name: "look at how staff sign in", Do: with(r.checkStaffOIDC)},
		{Name: "tell other systems", Do: with(r.applyWebhooks)},
		{Name: "wait for the database", Do: with(r.waitForDatabase)},
		{Name: "migrate the database", Do: with(r.applySetup)},
		{Name: "replay what a database that was put back lacks", Do: with(r.replay)},
		{Name: "run the policies that a hold kept back", Do: with(r.release)},
		{Name: "back the database up", Do: with(r.backUp)},
		{Name: "remove migrations of before", Do: with(r.removeOutdated)},
		{Name: "retire old credentials", Do: with(r.retireCredentials)},
		{Name: "probe the network", Do: with(r.probeNetwork)},
		{Name: "check the object store", Do: with(r.checkStore)},
		{Name: "move to another region", Do: with(r.moveOn)},
	}
}

func (r *Reconciler) addFinalizer(ctx context.Context, s *scope) error {
	before := s.tenant.DeepCopy()
	if !controllerutil.AddFinalizer(s.tenant, v1alpha1.FinalizerTenant) {
		return nil
	}
	return r.Client.Patch(ctx, s.tenant, client.MergeFrom(before))
}

func (r *Reconciler) loadRegion(ctx context.Context, s *scope) error {
	err := r.Client.Get(ctx, client.ObjectKey{Name: s.tenant.Spec.Region}, s.in.Region)
	if apierrors.IsNotFound(err) {
		return &step.Stall{
			Condition: v1alpha1.ConditionNamespaceReady, Reason: v1alpha1.ReasonRegionNotFound,
			Message: fmt.Sprintf("there is no Region %q: apply it, or delete this Tenant and name one of kubectl get regions", s.tenant.Spec.Region),
		}
	}
	return err
}

// ensureNamespace makes the namespace, or adopts one that bears the tenant's label.
func (r *Reconciler) ensureNamespace(ctx context.Context, s *scope) error {
	ns, namespace := &corev1.Namespace{}, s.in.Namespace()
	err := r.Client.Get(ctx, client.ObjectKey{Name: namespace}, ns)
	switch {
	case apierrors.IsNotFound(err):
		// Created, not applied: of two Tenants that claim one name, only one succeeds.
		ns = plan.Namespace(s.in)
		if err := r.Client.Create(ctx, ns); err != nil {
			return err
		}
	case err != nil:
		return err
	case !ns.DeletionTimestamp.IsZero():
		return &step.Wait{
			Condition: v1alpha1.ConditionNamespaceReady, Reason: v1alpha1.ReasonNamespaceTerminating,
			Message: fmt.Sprintf("namespace %s is being deleted; it is made anew when it has gone", namespace),
		}
	case ns.Labels[v1alpha1.LabelTenant] == "":
		return &step.Stall{
			Condition: v1alpha1.ConditionNamespaceReady, Reason: v1alpha1.ReasonNamespaceNotAdoptable,
			Message: fmt.Sprintf("namespace %s exists and was not made for this tenant: to have it adopted, run kubectl label namespace %s %s=%s",
				namespace, namespace, v1alpha1.LabelTenant, s.tenant.Name),
		}
	case ns.Labels[v1alpha1.LabelTenant] != s.tenant.Name:
		return &step.Stall{
			Condition: v1alpha1.ConditionNamespaceReady, Reason: v1alpha1.ReasonNamespaceOfOtherTenant,
			Message: fmt.Sprintf("namespace %s belongs to tenant %s: delete this Tenant and name another namespace", namespace, ns.Labels[v1alpha1.LabelTenant]),
		}
	}
	if _, retained := ns.Labels[v1alpha1.LabelRetained]; retained {
		before := ns.DeepCopy()
		delete(ns.Labels, v1alpha1.LabelRetained)
		if err := r.Client.Patch(ctx, ns, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("taking up a retained namespace: %w", err)
		}
	}
	if err := r.Applier.Apply(ctx, plan.Namespace(s.in), plan.ManagerBinding(s.in)); err != nil {
		return err
	}
	s.namespace = ns.UID
	s.facts.NamespaceReady, s.facts.GlassBroken = true, ns.Annotations[v1alpha1.AnnotationBreakGlass] != ""
	return nil
}

func (r *Reconciler) applyIsolation(ctx context.Context, s *scope) error {
	objects := plan.Isolation(s.in)
	if err := rights(r.Applier.Apply(ctx, objects...)); err != nil {
		return err
	}
	err := r.Applier.Prune(ctx, s.in.Namespace(), plan.IsolationLabels(s.tenant.Name), objects, &networkingv1.NetworkPolicyList{})
	s.facts.Isolated = err == nil
	return err
}

func (r *Reconciler) applyDatabase(ctx context.Context, s *scope) error {
	if plan.CloudNativePG(s.in.Region) != nil && !r.Clusters {
		return &step.Stall{
			Condition: v1alpha1.ConditionDatabaseReady, Reason: v1alpha1.ReasonEngineMissing,
			Message: "the cluster knows no Clusters of CloudNativePG: install it, then restart this operator",
		}
	}
	// A Region may have changed its defaults since: the volume that is there stays as it is.
	claim, err := observe.DatabaseClaim(ctx, r.Client, s.in.Namespace(), s.in.DatabaseName())
	if err != nil {
		return err
	}
	s.in.Claim = claim
	return r.Applier.Apply(ctx, plan.Database(s.in)...)
}

func (r *Reconciler) applyServer(ctx context.Context, s *scope) error {
	if s.in.Versions[contract.ComponentServe] == 0 {
		return nil // its login does not exist in the database yet
	}
	objects := plan.Server(s.in)
	if err := r.Applier.Apply(ctx, objects...); err != nil {
		return err
	}
	return r.Applier.Prune(ctx, s.in.Namespace(), plan.ServerLabels(s.tenant.Name), objects, plan.Routes(r.Gateway)...)
}

func (r *Reconciler) waitForDatabase(ctx context.Context, s *scope) error {
	if plan.External(s.in.Region) != nil {
		return r.checkDatabase(ctx, s)
	}
	if err := r.observeDatabase(ctx, s); err != nil || s.facts.Database.Settled {
		return err
	}
	return &step.Wait{
		Condition: v1alpha1.ConditionDatabaseReady, Reason: v1alpha1.ReasonProgressing,
		Message: "the database is not ready; see kubectl -n " + s.in.Namespace() + " describe " + s.facts.DatabaseObject() + " if this lasts",
	}
}
