package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Runs are what the Jobs of a policy told.
type Runs struct {
	// Results by sequence, newest first.
	Results []contract.RetentionResult
	// Rules by their digest, as the Jobs were given them.
	Rules map[string][]contract.RetentionRule
	// Failed is why the newest finished Job proves nothing, empty when it does.
	Failed   string
	FailedAt time.Time
	// Started is when the newest Job began.
	Started time.Time
}

// Runs reads the Jobs that a policy's CronJob made.
func (j Jobs) Runs(ctx context.Context, tenant, namespace, policy string) (Runs, error) {
	runs := Runs{Rules: map[string][]contract.RetentionRule{}}
	selector := plan.TenantLabels(tenant)
	selector[v1alpha1.LabelPolicy] = policy
	_, jobs, err := j.scheduled(ctx, client.ObjectKey{Namespace: namespace, Name: name.Retain(policy)}, selector)
	if err != nil {
		return runs, err
	}
	judged := false
	for i := range jobs {
		job := &jobs[i]
		runs.Started = latest(runs.Started, job.CreationTimestamp.Time)
		complete, failed := finished(job, batchv1.JobComplete), finished(job, batchv1.JobFailed)
		if !complete && !failed {
			continue
		}
		result, err := j.result(ctx, job)
		if err != nil {
			return runs, err
		}
		if given, ok := given(job.Spec.Template.Spec); ok {
			runs.Rules[contract.Digest(given.Rules)] = given.Rules
		}
		told := result.Retention != nil && result.Retention.Policy == policy
		if told {
			runs.Results = append(runs.Results, *result.Retention)
		}
		// A run that ended well and whose receipt can't be read proves nothing.
		if (failed || !told) && !judged {
			runs.Failed, runs.FailedAt = result.Error, job.CreationTimestamp.Time
			if runs.Failed == "" {
				runs.Failed = "its pod left no result; see kubectl -n " + namespace + " describe job " + job.Name
			}
		}
		judged = true
	}
	slices.SortFunc(runs.Results, func(a, b contract.RetentionResult) int { return int(b.Sequence - a.Sequence) })
	return runs, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// InForce is the policy that a CronJob enforces already; false when there is none.
func InForce(ctx context.Context, r client.Reader, namespace, policy string) (contract.Retention, bool, error) {
	job := &batchv1.CronJob{}
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name.Retain(policy)}, job)
	if err != nil {
		return contract.Retention{}, false, wrap("reading CronJob "+name.Retain(policy), client.IgnoreNotFound(err))
	}
	limits, found := given(job.Spec.JobTemplate.Spec.Template.Spec)
	return limits, found, nil
}

// given is the policy that a pod is given to enforce.
func given(pod corev1.PodSpec) (contract.Retention, bool) {
	for _, c := range pod.Containers {
		for _, e := range c.Env {
			var limits contract.Retention
			if e.Name == contract.EnvRetention && json.Unmarshal([]byte(e.Value), &limits) == nil {
				return limits, true
			}
		}
	}
	return contract.Retention{}, false
}

// RunsUseSecret says whether all retention CronJobs of a tenant are to mount a Secret.
func RunsUseSecret(ctx context.Context, r client.Reader, tenant, namespace, secret string) (bool, error) {
	var jobs batchv1.CronJobList
	if err := r.List(ctx, &jobs, client.InNamespace(namespace), client.MatchingLabels(component(tenant, "retain"))); err != nil {
		return false, fmt.Errorf("reading the retention CronJobs: %w", err)
	}
	return !slices.ContainsFunc(jobs.Items, func(j batchv1.CronJob) bool {
		return !mounts(j.Spec.JobTemplate.Spec.Template.Spec, secret)
	}), nil
}

// ActiveJobs counts the Jobs of one component of a tenant that have not finished.
func ActiveJobs(ctx context.Context, r client.Reader, tenant, namespace, of string) (int, error) {
	var jobs batchv1.JobList
	if err := r.List(ctx, &jobs, client.InNamespace(namespace), client.MatchingLabels(component(tenant, of))); err != nil {
		return 0, fmt.Errorf("reading the Jobs of %s: %w", of, err)
	}
	active := 0
	for i := range jobs.Items {
		if !finished(&jobs.Items[i], batchv1.JobComplete) && !finished(&jobs.Items[i], batchv1.JobFailed) {
			active++
		}
	}
	return active, nil
}

// CronJob of a policy; nil when there is none that is the policy's.
func CronJob(ctx context.Context, r client.Reader, policy *v1alpha1.RetentionPolicy) (*batchv1.CronJob, error) {
	job := &batchv1.CronJob{}
	err := r.Get(ctx, client.ObjectKey{Namespace: policy.Namespace, Name: name.Retain(policy.Name)}, job)
	if err != nil || !metav1.IsControlledBy(job, policy) {
		return nil, wrap("reading CronJob "+name.Retain(policy.Name), client.IgnoreNotFound(err))
	}
	return job, nil
}
