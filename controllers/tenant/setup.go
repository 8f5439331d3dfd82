package tenant

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

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
	s.limits = limits
	holds, err := r.holds(ctx, s)
	if err != nil {
		return err
	}
	accepted := slices.DeleteFunc(slices.Clone(s.channels), func(c v1alpha1.Channel) bool {
		_, refusal := plan.Processor(s.in.Region, &c)
		return refusal != nil
	})
	s.in.Versions = map[string]int{}
	if admin := s.found[name.Admin]; len(admin) > 0 { // a provider's server has another
		s.in.Versions[name.Admin] = admin[len(admin)-1]
	}
	s.job = plan.Setup(s.in, logins, accepted, limits, holds)
	s.facts.Setup, err = r.Jobs.Setup(ctx, s.tenant, s.in.Namespace(), s.job.Name)
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
	policies, err := r.policies(ctx, s)
	if err != nil {
		return nil, err
	}
	var limits []contract.Retention
	for i := range policies {
		p := &policies[i]
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

// policies are the tenant's, with the Region's default as this pass has applied it: a cache that does not know it yet would have the
// database set up without it, and once more right after.
func (r *Reconciler) policies(ctx context.Context, s *scope) ([]v1alpha1.RetentionPolicy, error) {
	var policies v1alpha1.RetentionPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(s.in.Namespace())); err != nil {
		return nil, err
	}
	current := func(p v1alpha1.RetentionPolicy) bool {
		return p.Name == s.fallback.Name && plan.RetentionOf(&p).Digest == plan.RetentionOf(s.fallback).Digest
	}
	if s.fallback == nil || slices.ContainsFunc(policies.Items, current) {
		return policies.Items, nil
	}
	applied := v1alpha1.RetentionPolicy{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(s.fallback), &applied); err != nil {
		return nil, fmt.Errorf("reading the policy of the region's default: %w", err)
	}
	others := slices.DeleteFunc(policies.Items, func(p v1alpha1.RetentionPolicy) bool { return p.Name == applied.Name })
	return append(others, applied), nil
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
		wait := &step.Wait{
			Condition: v1alpha1.ConditionMigrated, Reason: v1alpha1.ReasonProgressing,
			Message: "Job " + s.job.Name + " brings the database to what is asked for",
		}
		if setup.Error != "" {
			wait.Message += "; it tries again after: " + setup.Error
		}
		return wait
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
