// Package retentionpolicy reconciles RetentionPolicies: a CronJob each, and in status
// what its runs have proven.
package retentionpolicy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/served"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=retentionpolicies;tenants;regions,verbs=get;list;watch
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=retentionpolicies/finalizers,verbs=update
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=retentionpolicies/status,verbs=patch

// Reconciler brings RetentionPolicies about.
type Reconciler struct {
	Client            client.Client
	Jobs              observe.Jobs
	Applier           *apply.Applier
	Recorder          events.EventRecorder
	Status            *status.Writer
	Images            plan.Images
	OperatorNamespace string
	Ledger            *ledger.Ledger
	Now               func() time.Time
	Regions           served.Regions
}

type scope struct {
	policy *v1alpha1.RetentionPolicy
	in     plan.Tenant
	next   time.Time
	facts  judge.RetentionFacts
}

// Reconcile is one pass over one RetentionPolicy.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	p := &v1alpha1.RetentionPolicy{}
	if err := r.Client.Get(ctx, req.NamespacedName, p); err != nil || !p.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	s := &scope{policy: p, facts: judge.RetentionFacts{Policy: p}, in: plan.Tenant{Images: r.Images, OperatorNamespace: r.OperatorNamespace}}
	return r.report(ctx, s, step.Run(ctx, r.steps(s)))
}

func (r *Reconciler) steps(s *scope) []step.Step {
	with := func(do func(context.Context, *scope) error) func(context.Context) error {
		return func(ctx context.Context) error { return do(ctx, s) }
	}
	return []step.Step{
		{Name: "see whether the region is served", Do: func(ctx context.Context) error { return r.Regions.Check(ctx, r.Client, s.policy.Namespace) }},
		{Name: "find the tenant", Do: with(r.loadTenant)},
		{Name: "check the policy against its region", Do: with(r.accept)},
		{Name: "look for policies of the same categories", Do: with(r.findShared)},
		{Name: "apply the CronJob", Do: with(r.applyCronJob)},
	}
}

func (r *Reconciler) loadTenant(ctx context.Context, s *scope) error {
	tenant, region, err := observe.TenantOf(ctx, r.Client, s.policy.Namespace)
	if err != nil {
		return err
	}
	if tenant == nil {
		// The Tenant was deleted and its data kept: nothing runs, and there is no database to run on.
		err := r.Applier.Prune(ctx, s.policy.Namespace, map[string]string{v1alpha1.LabelPolicy: s.policy.Name}, nil, &batchv1.CronJobList{})
		if err != nil {
			return err
		}
		return step.NoTenant(s.policy.Namespace)
	}
	if region == nil {
		return step.NoRegion(tenant.Spec.Region)
	}
	s.in.Tenant, s.in.Region = tenant, region
	return nil
}

// accept refuses what the region does not allow. Rules that were accepted before
// stay enforced: a mistake never ends deletion silently.
func (r *Reconciler) accept(_ context.Context, s *scope) error {
	if refusal := plan.Accept(s.in.Region, s.policy); refusal != nil {
		return &step.Stall{Condition: v1alpha1.ConditionAccepted, Reason: refusal.Reason, Message: refusal.Message}
	}
	s.facts.Accepted = true
	return nil
}

func (r *Reconciler) applyCronJob(ctx context.Context, s *scope) error {
	setup, err := r.Jobs.Setup(ctx, s.in.Tenant, s.policy.Namespace, "")
	if err != nil {
		return err
	}
	if setup.Usable[contract.ComponentRetain] == 0 {
		return &step.Wait{
			Condition: v1alpha1.ConditionScheduled, Reason: v1alpha1.ReasonWaiting,
			Message: "the tenant's database is not set up yet; see kubectl describe tenant " + s.in.Tenant.Name + " if this lasts",
		}
	}
	s.in.Versions = setup.Usable
	if err := r.Applier.Apply(ctx, plan.Retention(s.in, s.policy)); err != nil {
		return err
	}
	s.facts.Scheduled = true
	return nil
}

// maxRuns is how many runs status shows; all are in the tenant's database.
const maxRuns = 10

func (r *Reconciler) report(ctx context.Context, s *scope, outcome error) (ctrl.Result, error) {
	before := s.policy.DeepCopy()
	st := &s.policy.Status
	observed := r.observe(ctx, s, st)
	s.facts.Outcome = errors.Join(outcome, observed)
	st.ObservedGeneration = s.policy.Generation
	st.PolicyDigest = plan.RetentionOf(s.policy).Digest
	if len(st.Runs) > 0 {
		s.facts.Last, s.facts.Plan = &st.Runs[0], st.Plan
		st.Sequence, st.LastRun = st.Runs[0].Sequence, summary(&st.Runs[0])
	}
	status.SetConditions(&st.Conditions, judge.Retention(s.facts), s.policy.Generation)
	if err := r.Status.Patch(ctx, r.Client, s.policy, before); err != nil {
		return step.Result(err)
	}
	status.Events(r.Recorder, s.policy, before.Status.Conditions, st.Conditions)
	result, err := step.Result(errors.Join(outcome, observed))
	if err == nil && result.RequeueAfter == 0 && !s.next.IsZero() {
		result.RequeueAfter = max(s.next.Add(startGrace).Sub(r.Now()), time.Second)
	}
	return result, err
}

// startGrace is how late a run may begin before it counts as missing.
const startGrace = 3 * time.Minute

// observe takes what the policy's Jobs told into status, and finds runs that are missing.
func (r *Reconciler) observe(ctx context.Context, s *scope, st *v1alpha1.RetentionPolicyStatus) error {
	if s.in.Tenant == nil {
		return nil
	}
	runs, err := r.Jobs.Runs(ctx, s.in.Tenant.Name, s.policy.Namespace, s.policy.Name)
	if err != nil {
		return err
	}
	s.facts.Failed, s.facts.FailedAt = runs.Failed, runs.FailedAt
	signed, err := r.countersign(ctx, s, st, runs)
	if err != nil {
		return err
	}
	for _, result := range signed {
		if !slices.ContainsFunc(st.Runs, func(known v1alpha1.RetentionRun) bool { return known.Sequence == result.Sequence }) {
			st.Runs = append(st.Runs, runOf(result))
		}
	}
	slices.SortFunc(st.Runs, func(a, b v1alpha1.RetentionRun) int { return cmp.Compare(b.Sequence, a.Sequence) })
	st.Runs = st.Runs[:min(len(st.Runs), maxRuns)]
	for _, result := range signed {
		if result.Plan != nil && (st.Plan == nil || result.Plan.PlannedAt.After(st.Plan.PlannedAt.Time)) {
			st.Plan = planOf(*result.Plan)
		}
	}

	schedule, err := plan.Schedule(s.policy)
	if err != nil {
		return nil //nolint:nilerr // told by accept
	}
	now := r.Now()
	began := latest(runs.Started, s.policy.CreationTimestamp.Time)
	if len(st.Runs) > 0 {
		began = latest(began, st.Runs[0].StartedAt.Time)
	}
	if due := schedule.Next(began); now.Sub(due) > startGrace && s.facts.Scheduled {
		s.facts.MissedSince = due
	}
	s.next = schedule.Next(now)
	next := metav1.NewTime(s.next)
	st.NextRun = &next
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
