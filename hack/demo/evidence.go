package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

func (d *demo) runRetention(ctx context.Context, say say) error {
	for _, h := range hotels {
		for _, policy := range h.policies {
			run, err := d.runOnce(ctx, h, policy)
			if err != nil {
				return err
			}
			if run.Outcome == contract.OutcomeBlocked {
				if err := d.approve(ctx, h, policy, say); err != nil {
					return err
				}
				if run, err = d.runOnce(ctx, h, policy); err != nil {
					return err
				}
			}
			for _, cat := range run.Categories {
				say("%s/%s #%d: %-15s up to %s: %d deleted, %s overdue", h.name, policy, run.Sequence, cat.Category,
					cat.Cutoff.UTC().Format(time.DateTime), cat.Deleted, counted(cat.Overdue))
			}
		}
	}
	return nil
}

// runOnce makes one run of a policy and waits for its receipt in status.
func (d *demo) runOnce(ctx context.Context, h hotel, policy string) (run v1alpha1.RetentionRun, err error) {
	before, err := d.policy(ctx, h, policy)
	if err != nil {
		return run, err
	}
	if err := d.runPolicy(ctx, h, policy); err != nil {
		return run, err
	}
	err = cluster.Until(ctx, 30*time.Second, "the receipt in status", func(ctx context.Context) error {
		p, err := d.policy(ctx, h, policy)
		if err != nil {
			return err
		}
		if len(p.Status.Runs) == 0 || p.Status.Sequence <= before.Status.Sequence {
			return fmt.Errorf("the status of %s is at sequence %d", policy, p.Status.Sequence)
		}
		run = p.Status.Runs[0]
		return nil
	})
	return run, err
}

// approve lets the plan pass that the guard has stopped: three years of history came in
// a moment ago, and nearly all of it has expired.
func (d *demo) approve(ctx context.Context, h hotel, policy string, say say) error {
	p, err := d.policy(ctx, h, policy)
	if err != nil {
		return err
	}
	if p.Status.Plan == nil {
		return fmt.Errorf("policy %s is blocked and shows no plan", policy)
	}
	for _, c := range p.Status.Plan.Categories {
		say("%s/%s: the guard stops the run: it would delete %d of %d %s", h.name, policy, c.Expired, c.Total, c.Category)
	}
	say("  approving plan %.12s…", p.Status.Plan.Digest)
	if _, err := d.cluster.Run(ctx, nil, "-n", h.namespace(), "patch", "retentionpolicy", policy, "--type=merge",
		"-p", fmt.Sprintf(`{"spec":{"approvedPlan":%q}}`, p.Status.Plan.Digest)); err != nil {
		return err
	}
	return cluster.Until(ctx, 30*time.Second, "the approval to reach the CronJob", func(ctx context.Context) error {
		job := &batchv1.CronJob{}
		if err := d.cluster.Get(ctx, client.ObjectKey{Namespace: h.namespace(), Name: "retain-" + policy}, job); err != nil {
			return fmt.Errorf("reading CronJob retain-%s: %w", policy, err)
		}
		for _, e := range job.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Env {
			if e.Name == contract.EnvRetention && strings.Contains(e.Value, p.Status.Plan.Digest) {
				return nil
			}
		}
		return errors.New("it still runs without")
	})
}

// counted spells a count that may be missing, which isn't none.
func counted(n *int64) string {
	if n == nil {
		return "unknown"
	}
	return fmt.Sprint(*n)
}

// runPolicy starts a Job from the policy's own CronJob, as it would at night.
func (d *demo) runPolicy(ctx context.Context, h hotel, policy string) error {
	job := fmt.Sprintf("demo-%s-%d", policy, time.Now().Unix())
	_, err := d.cluster.Run(ctx, nil, "-n", h.namespace(), "create", "job", job, "--from=cronjob/retain-"+policy)
	if err != nil {
		return err
	}
	return cluster.Until(ctx, time.Minute, "Job "+job, func(ctx context.Context) error {
		j := &batchv1.Job{}
		if err := d.cluster.Get(ctx, client.ObjectKey{Namespace: h.namespace(), Name: job}, j); err != nil {
			return fmt.Errorf("reading Job %s: %w", job, err)
		}
		if j.Status.Succeeded == 0 {
			return fmt.Errorf("not done yet, %d failed pods (kubectl -n %s logs job/%s)", j.Status.Failed, h.namespace(), job)
		}
		return nil
	})
}

func (d *demo) policy(ctx context.Context, h hotel, name string) (*v1alpha1.RetentionPolicy, error) {
	p := &v1alpha1.RetentionPolicy{}
	if err := d.cluster.Get(ctx, client.ObjectKey{Namespace: h.namespace(), Name: name}, p); err != nil {
		return nil, fmt.Errorf("reading RetentionPolicy %s: %w", name, err)
	}
	return p, nil
}

func (d *demo) show(ctx context.Context, say say) error {
	out, err := d.cluster.Run(ctx, nil, "get", "regions,tenants,channels,retentionpolicies", "-A")
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		say("%s", strings.TrimRight(line, "\n"))
	}
	return nil
}

func (d *demo) verify(ctx context.Context, say say) error {
	for _, h := range hotels {
		tenant, err := d.tenant(ctx, h)
		if err != nil {
			return err
		}
		var head v1alpha1.RetentionRun // the newest of the tenant's chain, whichever policy's it is
		for _, name := range h.policies {
			p, err := d.policy(ctx, h, name)
			if err != nil {
				return err
			}
			if len(p.Status.Runs) > 0 && p.Status.Runs[0].Sequence > head.Sequence {
				head = p.Status.Runs[0]
			}
		}
		anchor := fmt.Sprintf("%d:%s", head.Sequence, head.Digest)
		out, err := fixture.Verify(ctx, d.cluster, tenant, "", "--anchor", anchor)
		if err != nil {
			return err
		}
		say("%s: instance verify --anchor %s", h.name, anchor)
		say("  %s", strings.TrimSpace(out))
	}
	return nil
}
