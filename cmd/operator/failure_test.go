package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// says holds a condition to its status, reason and a part of its message.
func says(conditions []metav1.Condition, name string, want metav1.ConditionStatus, reason, part string) error {
	if err := condition(conditions, name, want, reason); err != nil {
		return err
	}
	if m := meta.FindStatusCondition(conditions, name).Message; !strings.Contains(m, part) {
		return fmt.Errorf("%s says %q, want %q in it", name, m, part)
	}
	return nil
}

// migration waits for the one Job of a client that has not finished.
func (h hotel) migration(t *testing.T, not types.UID) *batchv1.Job {
	t.Helper()
	var jobs batchv1.JobList
	eventually(t, "the migration", func(ctx context.Context) error {
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		jobs.Items = slices.DeleteFunc(jobs.Items, func(j batchv1.Job) bool { return strings.HasPrefix(j.Name, "probe-") })
		if len(jobs.Items) != 1 || jobs.Items[0].UID == not || !jobs.Items[0].DeletionTimestamp.IsZero() {
			return fmt.Errorf("there are %d Jobs, and no new migration among them", len(jobs.Items))
		}
		return nil
	})
	return &jobs.Items[0]
}

// whatFails is told by its error, and tried again.
func whatFails(t *testing.T, c testCluster) {
	h := c.book(t, "unlucky", same)
	h.databaseReady(t)
	migrated := func(t *testing.T, what, reason, part string) {
		t.Helper()
		eventually(t, what, func(context.Context) error {
			conditions := h.tenant(t).Status.Conditions
			return errors.Join(
				says(conditions, v1alpha1.ConditionMigrated, metav1.ConditionFalse, reason, part),
				says(conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, "", ""),
			)
		})
	}
	t.Run("a migration's failed attempt is told while it tries again", func(t *testing.T) {
		job := h.migration(t, "")
		if err := c.speak(t.Context(), job, "Failed", `{"error":"the database is not there yet"}`); err != nil {
			t.Fatal(err)
		}
		begun := metav1.NewTime(time.Now().Add(-time.Minute))
		job.Status = batchv1.JobStatus{StartTime: &begun, Active: 1, Failed: 1}
		if err := c.Status().Update(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		migrated(t, "the attempt's error", v1alpha1.ReasonProgressing, "the database is not there yet")
	})
	t.Run("a failed migration shows its error and is made again after a minute", func(t *testing.T) {
		job := h.migration(t, "")
		nextSecond(t)
		// Fifty seconds of the minute are over.
		if err := c.fail(t.Context(), job, `{"error":"the disk is full"}`, time.Now().Add(-50*time.Second)); err != nil {
			t.Fatal(err)
		}
		migrated(t, "the failure", v1alpha1.ReasonMigrationFailed, "the disk is full")
		if again := h.migration(t, job.UID); again.Name != job.Name {
			t.Errorf("what is asked for is the same, and its Job is %s after %s", again.Name, job.Name)
		}
	})
	h.settle(t)

	policy := func(t *testing.T, what string, holds func(*v1alpha1.RetentionPolicy) error) {
		t.Helper()
		eventually(t, what, func(ctx context.Context) error {
			p := &v1alpha1.RetentionPolicy{}
			if err := c.Get(ctx, h.key("guests"), p); err != nil {
				return err
			}
			return holds(p)
		})
	}
	enforced := func(status metav1.ConditionStatus, reason, part string) func(*v1alpha1.RetentionPolicy) error {
		return func(p *v1alpha1.RetentionPolicy) error {
			return says(p.Status.Conditions, v1alpha1.ConditionEnforced, status, reason, part)
		}
	}
	t.Run("a policy that never ran is not Enforced", func(t *testing.T) {
		policy(t, "never run", enforced(metav1.ConditionUnknown, v1alpha1.ReasonNeverRun, ""))
	})
	t.Run("a run that ended well and left what can't be read proves nothing", func(t *testing.T) {
		if err := c.finish(t.Context(), h.run(t, "retain-guests-1"), `{"retention":{"sequence":"one`); err != nil {
			t.Fatal(err)
		}
		policy(t, "told", enforced(metav1.ConditionFalse, v1alpha1.ReasonRunFailed, "can't be read"))
	})
	t.Run("a run whose receipt is another policy's proves nothing either", func(t *testing.T) {
		nextSecond(t)
		if err := c.finish(t.Context(), h.run(t, "retain-guests-2"), receipt("others", 1, time.Now())); err != nil {
			t.Fatal(err)
		}
		policy(t, "told", func(p *v1alpha1.RetentionPolicy) error {
			if len(p.Status.Runs) != 0 {
				return fmt.Errorf("status shows %v", p.Status.Runs)
			}
			return enforced(metav1.ConditionFalse, v1alpha1.ReasonRunFailed, "left no result")(p)
		})
	})
	t.Run("a good run makes up for it", func(t *testing.T) {
		nextSecond(t)
		if err := c.finish(t.Context(), h.run(t, "retain-guests-3"), h.receipt(t, "guests", 1, time.Now().Add(time.Second))); err != nil {
			t.Fatal(err)
		}
		policy(t, "enforced", func(p *v1alpha1.RetentionPolicy) error {
			if p.Status.Sequence != 1 || len(p.Status.Runs) != 1 || p.Status.Runs[0].Digest != hash("run 1") {
				return fmt.Errorf("status is %+v", p.Status)
			}
			return errors.Join(enforced(metav1.ConditionTrue, "", "run 1")(p),
				condition(p.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""))
		})
	})
	t.Run("its receipt is countersigned, and a run that contradicts it is not believed", func(t *testing.T) { countersigned(t, c, h, policy) })
	t.Run("a failed run after it says why, and what was proven stays", func(t *testing.T) {
		nextSecond(t)
		nextSecond(t) // the good run ended in the one before
		job := h.run(t, "retain-guests-4")
		if err := c.fail(t.Context(), job, `{"error":"no connection to the database"}`, time.Now()); err != nil {
			t.Fatal(err)
		}
		policy(t, "told", func(p *v1alpha1.RetentionPolicy) error {
			if p.Status.Sequence != 1 {
				return fmt.Errorf("the sequence is %d", p.Status.Sequence)
			}
			return errors.Join(enforced(metav1.ConditionFalse, v1alpha1.ReasonRunFailed, "no connection to the database")(p),
				condition(p.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRunFailed))
		})
	})
}

// nextSecond waits for it: creation times count seconds, and what was made in one has no order.
func nextSecond(t *testing.T) {
	t.Helper()
	begun := time.Now().Truncate(time.Second)
	eventually(t, "the next second", func(context.Context) error {
		if !time.Now().Truncate(time.Second).After(begun) {
			return errors.New("it is the same second")
		}
		return nil
	})
}

// run makes a Job as the policy's CronJob would.
func (h hotel) run(t *testing.T, name string) *batchv1.Job {
	t.Helper()
	cron, yes := get(t, h, "retain-guests", &batchv1.CronJob{}), true
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: h.namespace, Labels: cron.Spec.JobTemplate.Labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: cron.Name, UID: cron.UID, Controller: &yes}},
		},
		Spec: *cron.Spec.JobTemplate.Spec.DeepCopy(),
	}
	create(t, h, job)
	return job
}

// receipt of a run of the rules that the policy has now.
func (h hotel) receipt(t *testing.T, policy string, sequence int, at time.Time) string {
	t.Helper()
	digest := get(t, h, policy, &v1alpha1.RetentionPolicy{}).Status.PolicyDigest
	return strings.ReplaceAll(receipt(policy, sequence, at), hash("rules"), digest)
}

func receipt(policy string, sequence int, at time.Time) string {
	when := at.UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"retention":{"sequence":%d,"policy":%q,"generation":1,"policyDigest":%q,"startedAt":%q,"finishedAt":%q,`+
		`"categories":[{"category":"Messages","cutoff":%q,"deleted":0,"heldBack":0,"overdue":0}],"previousDigest":%q,"digest":%q}}`,
		sequence, policy, hash("rules"), when, when, when, hash(fmt.Sprintf("run %d", sequence-1)), hash(fmt.Sprintf("run %d", sequence)))
}

// hash stands for a digest.
func hash(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:])
}
