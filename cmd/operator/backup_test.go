package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// is holds the Tenant to something, sooner or later.
func (h hotel) is(t *testing.T, what string, check func(*v1alpha1.Tenant) error) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) error {
		o := &v1alpha1.Tenant{}
		if err := h.Get(ctx, client.ObjectKey{Name: h.name}, o); err != nil {
			return err
		}
		return check(o)
	})
}

// replicas waits until the database is to have so many pods.
func (h hotel) replicas(t *testing.T, want int32) {
	t.Helper()
	eventually(t, fmt.Sprintf("a database of %d pods", want), func(ctx context.Context) error {
		s := &appsv1.StatefulSet{}
		if err := h.Get(ctx, h.key("postgres"), s); err != nil {
			return err
		}
		if *s.Spec.Replicas != want {
			return fmt.Errorf("it has %d", *s.Spec.Replicas)
		}
		return nil
	})
}

// restores asks for a backup and waits for the Job that puts it back.
func (h hotel) restores(t *testing.T, request string, not *batchv1.Job) *batchv1.Job {
	t.Helper()
	tenant := h.tenant(t)
	before := tenant.DeepCopy()
	metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, v1alpha1.AnnotationRestore, request)
	if err := h.Patch(t.Context(), tenant, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	h.replicas(t, 0)
	var found *batchv1.Job
	eventually(t, "the Job that restores", func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		for i := range jobs.Items {
			if strings.HasPrefix(jobs.Items[i].Name, "restore-") && (not == nil || jobs.Items[i].Name != not.Name) {
				found = &jobs.Items[i]
				return nil
			}
		}
		return fmt.Errorf("there are %d Jobs, none of them", len(jobs.Items))
	})
	return found
}

// backedUp takes a tenant through backups and the restore of one.
func backedUp(t *testing.T, c testCluster) {
	days := int32(30)
	h := c.book(t, "copied", func(s *v1alpha1.TenantSpec) { s.Backup = &v1alpha1.Backup{Schedule: "@weekly", KeepDays: &days} })
	h.settle(t)

	t.Run("a CronJob copies it, by the public key alone", func(t *testing.T) {
		cron := get(t, h, "backup", &batchv1.CronJob{})
		pod := cron.Spec.JobTemplate.Spec.Template.Spec
		for _, v := range pod.Volumes {
			if v.Secret != nil && v.Secret.SecretName == "backup-key" && (len(v.Secret.Items) != 1 || v.Secret.Items[0].Key != "recipient") {
				t.Errorf("it mounts %v", v.Secret.Items)
			}
		}
		claim := get(t, h, "backups", &corev1.PersistentVolumeClaim{})
		if len(claim.OwnerReferences) != 0 {
			t.Errorf("the backups go with %v", claim.OwnerReferences)
		}
		h.is(t, "no backup yet", func(o *v1alpha1.Tenant) error {
			return condition(o.Status.Conditions, v1alpha1.ConditionBackedUp, metav1.ConditionUnknown, v1alpha1.ReasonNeverRun)
		})
		if b := h.tenant(t).Status.Backup; b == nil || b.KeepDays != 30 {
			t.Errorf("status tells of %+v", b)
		}
	})

	t.Run("another size leaves the volume that is there", func(t *testing.T) {
		small := resource.MustParse("200Mi")
		amend(t, c, h.tenant(t), func(o *v1alpha1.Tenant) { o.Spec.Backup.Storage = &small })
		h.settle(t)
		if size := get(t, h, "backups", &corev1.PersistentVolumeClaim{}).Spec.Resources.Requests.Storage().String(); size == "200Mi" {
			t.Errorf("the volume is to have %s", size)
		}
	})

	t.Run("what it tells is shown", func(t *testing.T) {
		cron, yes := get(t, h, "backup", &batchv1.CronJob{}), true
		run := &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{
				Name: "backup-1", Namespace: h.namespace, Labels: cron.Spec.JobTemplate.Labels,
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: cron.Name, UID: cron.UID, Controller: &yes}},
			},
			Spec: cron.Spec.JobTemplate.Spec,
		}
		create(t, c, run)
		at := time.Now().UTC().Truncate(time.Second)
		result, err := json.Marshal(contract.Result{Backup: &contract.BackupResult{File: "20261124T020000Z-000000000003.tar.gz.age", Bytes: 9, StartedAt: at, Head: contract.ChainLink{Sequence: 3}, Count: 2, Oldest: &at}})
		if err != nil {
			t.Fatal(err)
		}
		h.finishes(t, run, string(result))
		h.is(t, "the backup", func(o *v1alpha1.Tenant) error {
			b := o.Status.Backup
			if b == nil || b.File != "20261124T020000Z-000000000003.tar.gz.age" || b.Count != 2 || b.Sequence != 3 || b.TakenAt == nil || b.CopiesExpireBy == nil || b.CopiesExpireBy.Before(b.TakenAt) {
				return fmt.Errorf("it is %+v", b)
			}
			return condition(o.Status.Conditions, v1alpha1.ConditionBackedUp, metav1.ConditionTrue, "")
		})
	})

	t.Run("one is put back with the database stopped", func(t *testing.T) {
		quiet(t, c)
		job := h.restores(t, "latest 2026-11-24T09:00:00Z", nil)
		h.is(t, "the restore", func(o *v1alpha1.Tenant) error {
			return condition(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, "")
		})
		c.restart(t) // in the midst of it
		h.replicas(t, 0)
		h.finishes(t, job, `{"restore":{"file":"20261124T020000Z-000000000003.tar.gz.age"}}`)
		h.replicas(t, 1)
		h.is(t, "the restore", func(o *v1alpha1.Tenant) error {
			if r := o.Status.Restore; r == nil || r.Phase != v1alpha1.RestoreDone || r.File != "20261124T020000Z-000000000003.tar.gz.age" {
				return fmt.Errorf("it is %+v", o.Status.Restore)
			}
			return nil
		})
		h.settle(t) // once: nothing stops it again

		failed := h.restores(t, "yesterday 2026-11-24T09:05:00Z", job)
		h.finishes(t, failed, `{"error":"restoring: there is no backup of that name"}`)
		h.replicas(t, 1)
		h.is(t, "the restore that failed", func(o *v1alpha1.Tenant) error {
			if r := o.Status.Restore; r == nil || r.Phase != v1alpha1.RestoreFailed || !strings.Contains(r.Message, "no backup of that name") {
				return fmt.Errorf("it is %+v", o.Status.Restore)
			}
			return nil
		})
	})

	t.Run("a schedule that can't be read is told, and what stands goes on", func(t *testing.T) {
		h.settle(t)
		amend(t, c, h.tenant(t), func(o *v1alpha1.Tenant) { o.Spec.Backup.Schedule = "61 * * * *" })
		h.is(t, "the schedule", func(o *v1alpha1.Tenant) error {
			if err := h.play(t.Context(), h.namespace); err != nil { // the database starts again after the restore
				return err
			}
			return says(o.Status.Conditions, v1alpha1.ConditionBackedUp, metav1.ConditionFalse, v1alpha1.ReasonInvalidSchedule, "use five fields")
		})
		if cron := get(t, h, "backup", &batchv1.CronJob{}); cron.Spec.Schedule != "@weekly" {
			t.Errorf("the CronJob has %q", cron.Spec.Schedule)
		}
		if b := h.tenant(t).Status.Backup; b == nil || b.Count != 2 {
			t.Errorf("status forgot %+v", b)
		}
	})

	t.Run("without a wish for them they end, and what there is stays", func(t *testing.T) {
		h.settle(t)
		amend(t, c, h.tenant(t), func(o *v1alpha1.Tenant) { o.Spec.Backup = nil })
		eventually(t, "the CronJob goes", func(ctx context.Context) error {
			if err := h.play(ctx, h.namespace); err != nil { // the database starts again after the restore
				return err
			}
			if err := h.Get(ctx, h.key("backup"), &batchv1.CronJob{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there: %w", err)
			}
			return nil
		})
		get(t, h, "backups", &corev1.PersistentVolumeClaim{})
		h.is(t, "no backups", func(o *v1alpha1.Tenant) error {
			return says(o.Status.Conditions, v1alpha1.ConditionBackedUp, metav1.ConditionFalse, v1alpha1.ReasonNoBackup, "spec.backup")
		})
	})
}
