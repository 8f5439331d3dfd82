package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

func (d *demo) runRetention(ctx context.Context, say say) error {
	for _, h := range hotels {
		for _, policy := range h.policies {
			before, err := d.policy(ctx, h, policy)
			if err != nil {
				return err
			}
			if err := d.runPolicy(ctx, h, policy); err != nil {
				return err
			}
			var run v1alpha1.RetentionRun
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
			if err != nil {
				return err
			}
			for _, cat := range run.Categories {
				say("%s/%s #%d: %-15s up to %s: %d deleted, %s overdue", h.name, policy, run.Sequence, cat.Category,
					cat.Cutoff.UTC().Format(time.DateTime), cat.Deleted, counted(cat.Overdue))
			}
		}
	}
	return nil
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
