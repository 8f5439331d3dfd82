package tenant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/credentials"
	"github.com/switchboard-operator/switchboard/internal/name"
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
		{Name: "find the region", Do: with(r.loadRegion)},
		{Name: "make the namespace", Do: with(r.ensureNamespace)},
		{Name: "close the namespace", Do: with(r.applyIsolation)}, // before anything runs in it
		{Name: "make the credentials", Do: with(r.ensureCredentials)},
		{Name: "apply the database", Do: with(r.applyDatabase)},
		{Name: "plan the migration", Do: with(r.planSetup)},
		{Name: "apply the server", Do: with(r.applyServer)},
		{Name: "wait for the database", Do: with(r.waitForDatabase)},
		{Name: "migrate the database", Do: with(r.applySetup)},
		{Name: "retire old credentials", Do: with(r.retireCredentials)},
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
		if err := r.Client.Create(ctx, plan.Namespace(s.in)); err != nil {
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
	s.facts.NamespaceReady = true
	return nil
}

func (r *Reconciler) applyIsolation(ctx context.Context, s *scope) error {
	objects := plan.Isolation(s.in)
	err := r.Applier.Apply(ctx, objects...)
	if apierrors.IsForbidden(err) {
		// The binding just made takes a moment to reach the authorizer.
		return &step.Wait{
			Condition: v1alpha1.ConditionIsolated, Reason: v1alpha1.ReasonProgressing, After: 200 * time.Millisecond,
			Message: "the operator's rights in the namespace are on their way",
		}
	}
	if err != nil {
		return err
	}
	err = r.Applier.Prune(ctx, s.in.Namespace(), plan.IsolationLabels(s.tenant.Name), objects, &networkingv1.NetworkPolicyList{})
	s.facts.Isolated = err == nil
	return err
}

func (r *Reconciler) ensureCredentials(ctx context.Context, s *scope) error {
	var channels v1alpha1.ChannelList
	if err := r.Client.List(ctx, &channels, client.InNamespace(s.in.Namespace())); err != nil {
		return err
	}
	s.channels = slices.DeleteFunc(channels.Items, func(c v1alpha1.Channel) bool { return !c.DeletionTimestamp.IsZero() })
	slices.SortFunc(s.channels, func(a, b v1alpha1.Channel) int { return strings.Compare(a.Name, b.Name) })
	wanted := credentials.Wanted{
		Tenant: s.tenant.Name, Namespace: s.in.Namespace(), Hostname: s.tenant.Spec.Hostname,
		Rotation:   s.tenant.Annotations[v1alpha1.AnnotationRotateCredentials],
		Components: s.components(),
		Servers:    map[string]string{name.PostgresTLS: name.Postgres, name.ServeTLS: name.Serve},
		Public:     []string{name.ServeTLS},
	}
	for _, c := range s.channels {
		wanted.Servers[name.ConnectorTLS(c.Name)] = name.Connector(c.Name)
		wanted.Public = append(wanted.Public, name.ConnectorTLS(c.Name))
	}
	found, err := r.Keeper.Ensure(ctx, wanted)
	s.found = found
	s.facts.CredentialsReady = err == nil
	return err
}

// components that log in to the tenant's database.
func (s *scope) components() []string {
	all := []string{contract.ComponentServe, contract.ComponentRetain}
	for _, c := range s.channels {
		all = append(all, contract.ComponentConnector(c.Name))
	}
	return all
}

func (r *Reconciler) applyDatabase(ctx context.Context, s *scope) error {
	return r.Applier.Apply(ctx, plan.Database(s.in)...)
}

// planSetup finds the migration that stands for what is asked for, and what the
// ones before it brought about.
func (r *Reconciler) planSetup(ctx context.Context, s *scope) error {
	var logins []plan.Login
	for _, c := range s.components() {
		for _, v := range s.found[c] {
			logins = append(logins, plan.Login{Component: c, Version: v})
		}
	}
	limits, err := r.limits(ctx, s)
	if err != nil {
		return err
	}
	accepted := slices.DeleteFunc(slices.Clone(s.channels), func(c v1alpha1.Channel) bool {
		_, refusal := plan.Processor(s.in.Region, &c)
		return refusal != nil
	})
	admin := s.found[name.Admin]
	s.in.Versions = map[string]int{name.Admin: admin[len(admin)-1]}
	s.job = plan.Setup(s.in, logins, accepted, limits)
	s.facts.Setup, err = observe.ReadSetup(ctx, r.Client, s.tenant.Name, s.in.Namespace(), s.job.Name)
	if err != nil {
		return err
	}
	for c, v := range s.facts.Setup.Usable {
		s.in.Versions[c] = v
	}
	return nil
}

// limits are the rules in force: those of every policy that was accepted, and of one
// that was not what its CronJob still enforces. A mistake never ends deletion silently.
func (r *Reconciler) limits(ctx context.Context, s *scope) ([]contract.Retention, error) {
	var policies v1alpha1.RetentionPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(s.in.Namespace())); err != nil {
		return nil, err
	}
	var limits []contract.Retention
	for i := range policies.Items {
		p := &policies.Items[i]
		if !p.DeletionTimestamp.IsZero() {
			continue
		}
		if plan.Accept(s.in.Region, p) == nil {
			limits = append(limits, plan.RetentionOf(p))
			continue
		}
		old, found, err := observe.InForce(ctx, r.Client, s.in.Namespace(), p.Name)
		if err != nil {
			return nil, err
		}
		if found {
			limits = append(limits, old)
		}
	}
	return limits, nil
}

func (r *Reconciler) applyServer(ctx context.Context, s *scope) error {
	if s.in.Versions[contract.ComponentServe] == 0 {
		return nil // its login does not exist in the database yet
	}
	return r.Applier.Apply(ctx, plan.Server(s.in)...)
}

func (r *Reconciler) waitForDatabase(ctx context.Context, s *scope) error {
	database, err := observe.Database(ctx, r.Client, s.in.Namespace())
	if err != nil || database.Settled {
		return err
	}
	return &step.Wait{
		Condition: v1alpha1.ConditionDatabaseReady, Reason: v1alpha1.ReasonProgressing,
		Message: "the database is not ready; see kubectl -n " + s.in.Namespace() + " describe pod postgres-0 if this lasts",
	}
}

// setupRetry is how long a failed migration is left to be looked at before it is made again.
const setupRetry = time.Minute

func (r *Reconciler) applySetup(ctx context.Context, s *scope) error {
	setup := s.facts.Setup
	switch {
	case setup.Failed:
		return r.retrySetup(ctx, s)
	case !setup.Done:
		if err := r.Applier.Apply(ctx, s.job); err != nil {
			return err
		}
		return &step.Wait{
			Condition: v1alpha1.ConditionMigrated, Reason: v1alpha1.ReasonProgressing,
			Message: "Job " + s.job.Name + " brings the database to what is asked for",
		}
	}
	for _, outdated := range setup.Outdated {
		if err := r.removeJob(ctx, s, outdated); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) retrySetup(ctx context.Context, s *scope) error {
	job := &batchv1.Job{}
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(s.job), job); err != nil {
		return client.IgnoreNotFound(err)
	}
	if age := r.Now().Sub(failedAt(job)); age < setupRetry {
		return &step.Wait{
			Condition: v1alpha1.ConditionMigrated, Reason: v1alpha1.ReasonMigrationFailed, After: setupRetry - age,
			Message: fmt.Sprintf("the migration failed and is made again every minute: %s", orNothing(s.facts.Setup.Error)),
		}
	}
	return r.removeJob(ctx, s, s.job.Name)
}

func orNothing(message string) string {
	if message == "" {
		return "its pod said nothing; see kubectl describe job in the tenant's namespace"
	}
	return message
}

func failedAt(job *batchv1.Job) time.Time {
	for _, c := range job.Status.Conditions {
		if c.Type == batchv1.JobFailed {
			return c.LastTransitionTime.Time
		}
	}
	return job.CreationTimestamp.Time
}

func (r *Reconciler) removeJob(ctx context.Context, s *scope, job string) error {
	err := r.Client.Delete(ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: job, Namespace: s.in.Namespace()}},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	return client.IgnoreNotFound(err)
}

// retireCredentials removes logins that nothing uses any more: the next migration
// then drops their roles. A login goes only when every pod has moved to the newer one.
func (r *Reconciler) retireCredentials(ctx context.Context, s *scope) error {
	wanted := s.components()
	for component, versions := range s.found {
		if component == name.Admin {
			continue
		}
		newest := versions[len(versions)-1]
		for _, v := range versions {
			if slices.Contains(wanted, component) {
				if v == newest || s.facts.Setup.Usable[component] != newest {
					continue
				}
				moved, err := r.moved(ctx, s, component)
				if err != nil {
					return err
				}
				if !moved {
					continue
				}
			}
			if err := r.Keeper.Remove(ctx, s.in.Namespace(), component, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// moved says that a component's pods all use its newest login.
func (r *Reconciler) moved(ctx context.Context, s *scope, component string) (bool, error) {
	if component == contract.ComponentRetain {
		return r.runsMoved(ctx, s)
	}
	deployment := component // connector-CHANNEL
	if component == contract.ComponentServe {
		deployment = name.Serve
	}
	uses, err := observe.UsesSecret(ctx, r.Client, s.in.Namespace(), deployment, name.Credentials(component, s.facts.Setup.Usable[component]))
	if err != nil || !uses {
		return false, err
	}
	w, err := observe.Deployment(ctx, r.Client, s.in.Namespace(), deployment)
	return w.Settled, err
}

// runsMoved says that no retention Job runs, and none to come uses an older login.
func (r *Reconciler) runsMoved(ctx context.Context, s *scope) (bool, error) {
	newest := name.Credentials(contract.ComponentRetain, s.facts.Setup.Usable[contract.ComponentRetain])
	uses, err := observe.RunsUseSecret(ctx, r.Client, s.tenant.Name, s.in.Namespace(), newest)
	if err != nil || !uses {
		return false, err
	}
	active, err := observe.ActiveRuns(ctx, r.Client, s.tenant.Name, s.in.Namespace())
	return active == 0, err
}
