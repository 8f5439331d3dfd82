package tenant

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// probeRetry is how long a probe that failed is left to be looked at before another is made.
const probeRetry = 10 * time.Minute

// probePatience is how long the first probe waits, once there is a database, for the server to run. Its neighbours come about beside
// it, and another probe is made whenever one's Services came: of sixty tenants that come at once, 45 had a probe too many.
const probePatience = time.Minute

// settling is for how long a tenant's first probe may wait yet; 0 when it is due.
func settling(st *v1alpha1.TenantStatus, now time.Time) time.Duration {
	if st.Network != nil || meta.IsStatusConditionTrue(st.Conditions, v1alpha1.ConditionInstanceAvailable) {
		return 0
	}
	migrated := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionMigrated)
	if migrated == nil || migrated.Status != metav1.ConditionTrue {
		return probePatience
	}
	return max(migrated.LastTransitionTime.Add(probePatience).Sub(now), 0)
}

// probeNetwork has a pod of the tenant try what its network lets through: when what is tried or its policies have changed, and every
// judge.ProbeEvery. Nothing waits for it.
func (r *Reconciler) probeNetwork(ctx context.Context, s *scope) error {
	if wait := settling(&s.tenant.Status, r.Now()); wait > 0 {
		s.again = sooner(s.again, wait)
		return nil
	}
	tried, neighbours, err := r.whatToProbe(ctx, s)
	if err != nil {
		return err
	}
	last := s.tenant.Status.Network
	job, digest := plan.Probe(s.in, tried, "")
	var renews *metav1.Time
	if last != nil && last.Digest == digest {
		age := r.Now().Sub(last.ProbedAt.Time)
		if renews = last.Renews; age >= judge.ProbeEvery {
			renews = &last.ProbedAt
		}
		if renews != nil {
			job, _ = plan.Probe(s.in, tried, renews.UTC().Format(time.RFC3339))
		}
		if age < judge.ProbeEvery {
			s.again = sooner(s.again, judge.ProbeEvery-age)
			return r.Applier.Prune(ctx, s.in.Namespace(), plan.ProbeLabels(s.tenant.Name), []client.Object{job}, &batchv1.JobList{})
		}
	}
	if err := r.Applier.Prune(ctx, s.in.Namespace(), plan.ProbeLabels(s.tenant.Name), []client.Object{job}, &batchv1.JobList{}); err != nil {
		return err
	}
	a, err := r.Jobs.Read(ctx, s.tenant, client.ObjectKeyFromObject(job))
	switch saw := a.Result.Probe; {
	case err != nil:
		return err
	case a.Job == nil:
		return r.Applier.Apply(ctx, job)
	case !a.Done && !a.Failed:
		return nil
	case a.Done && saw != nil && saw.Tried == len(tried.Closed):
		s.network = probed(saw, a.Job)
		s.network.Neighbours, s.network.Digest, s.network.Renews = neighbours, digest, renews
		s.again = sooner(s.again, judge.ProbeEvery)
		return nil
	}
	s.facts.Network.Problem = fmt.Sprintf("Job %s: %s", job.Name, orNothing(a.Result.Error))
	retry := probeRetry - r.Now().Sub(endedAt(a.Job))
	if retry <= 0 {
		s.again = sooner(s.again, time.Second)
		return r.removeJob(ctx, s, job.Name)
	}
	s.again = sooner(s.again, retry)
	return nil
}

// probed takes what a pod of the tenant's told, within the bounds of status.
func probed(saw *contract.ProbeResult, job *batchv1.Job) *v1alpha1.NetworkProbe {
	within := func(names []string, most int) []string {
		var kept []string
		for _, n := range names[:min(len(names), most)] {
			kept = append(kept, n[:min(len(n), 80)])
		}
		return kept
	}
	return &v1alpha1.NetworkProbe{
		// When it ended is the cluster's word: a pod could be wrong about the time.
		ProbedAt: metav1.NewTime(endedAt(job)), Node: saw.Node[:min(len(saw.Node), 253)], Tried: int32(min(saw.Tried, contract.MaxTargets)), //nolint:gosec // bounded
		Reached: within(saw.Reached, contract.MaxTargets), Missed: within(saw.Missed, 2*contract.MaxTargets),
	}
}

// whatToProbe gives what a tenant's pod should try, and how many other tenants are among that.
func (r *Reconciler) whatToProbe(ctx context.Context, s *scope) (contract.Probe, int32, error) {
	next, err := r.ring.after(ctx, r.Client, s.tenant.Name)
	if err != nil {
		return contract.Probe{}, 0, err
	}
	var others []plan.Neighbour
	for _, other := range next {
		var n plan.Neighbour
		for service, into := range map[string]*string{name.Postgres: &n.Database, name.Serve: &n.Serve} {
			address, err := observe.ServiceAddress(ctx, r.Client, other.name, client.ObjectKey{Namespace: other.namespace, Name: service})
			if err != nil {
				return contract.Probe{}, 0, err
			}
			*into = address
		}
		if n != (plan.Neighbour{}) {
			others = append(others, n)
		}
	}
	return plan.ProbeOf(s.in, others), int32(len(others)), nil //nolint:gosec // three at most
}

// networkFacts are what is known of the tenant's network, whether or not this pass came to it.
func (r *Reconciler) networkFacts(s *scope) {
	if s.network == nil {
		s.network = s.tenant.Status.Network
	}
	s.facts.Network.Last, s.facts.Network.Now = s.network, r.Now()
}

// comeAgain has a pass made when something is due that no watch tells of: a probe, or that the last one is too old to count.
func (r *Reconciler) comeAgain(s *scope, result ctrl.Result, err error) (ctrl.Result, error) {
	due := s.again
	if due <= 0 && s.network != nil {
		due = s.network.ProbedAt.Add(judge.ProbeCounts + time.Second).Sub(r.Now())
	}
	due = sooner(due, s.lookAgain)
	if s.secretMissing {
		due = sooner(due, askAgain)
	}
	if err == nil && due > 0 && (result.RequeueAfter == 0 || due < result.RequeueAfter) {
		result.RequeueAfter = due
	}
	return result, err
}

// neighboursOf leads from a Service of a tenant to the tenants whose probes try it.
func (r *Reconciler) neighboursOf(ctx context.Context, o client.Object) []reconcile.Request {
	tenant := o.GetLabels()[v1alpha1.LabelTenant]
	if _, isTenant := o.(*v1alpha1.Tenant); isTenant {
		tenant = o.GetName()
		if r.ring.look(ctx, r.Client, tenant) != nil {
			return nil
		}
	}
	if tenant == "" {
		return nil
	}
	others, err := r.ring.before(ctx, r.Client, tenant)
	if err != nil {
		return nil // the cache is not synced: the first list reconciles all of them anyway
	}
	var requests []reconcile.Request
	for _, other := range others {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: other}})
	}
	return requests
}

// probedServices lets through that a Service which probes try came or went.
var probedServices = predicate.And(
	predicate.NewPredicateFuncs(func(o client.Object) bool {
		_, is := o.(*corev1.Service)
		return is && (o.GetName() == name.Postgres || o.GetName() == name.Serve)
	}),
	cameOrWent,
)

var cameOrWent = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	},
}
