package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// pending waits for a migration that has not finished, and gives the logins that it brings about.
func (h hotel) pending(t *testing.T) (*batchv1.Job, string) {
	t.Helper()
	var found *batchv1.Job
	eventually(t, "a new migration", func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		for i := range jobs.Items {
			if strings.HasPrefix(jobs.Items[i].Name, "migrate-") && len(jobs.Items[i].Status.Conditions) == 0 {
				found = &jobs.Items[i]
				return nil
			}
		}
		return errors.New("none that has not finished")
	})
	return found, found.Annotations[v1alpha1.AnnotationLogins]
}

// mounts waits until a Deployment's pods are to use a login.
func (h hotel) mounts(t *testing.T, deployment, secret string) {
	t.Helper()
	eventually(t, deployment+" is to use "+secret, func(ctx context.Context) error {
		d := &appsv1.Deployment{}
		if err := h.Get(ctx, h.key(deployment), d); err != nil {
			return err
		}
		if got := d.Spec.Template.Spec.Volumes[0].Secret.SecretName; got != secret {
			return fmt.Errorf("it uses %s", got)
		}
		return nil
	})
}

// rotated watches a rotation step by step: at no time does a pod use a login that the
// database doesn't know, or lose one that it uses.
func rotated(t *testing.T, c testCluster) {
	h := c.book(t, "rotating", same)
	h.settle(t)
	tenant := h.tenant(t)
	before := tenant.DeepCopy()
	tenant.Annotations = map[string]string{v1alpha1.AnnotationRotateCredentials: "2026-11-24"}
	if err := c.Patch(t.Context(), tenant, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}

	job, logins := h.pending(t)
	for _, secret := range []string{"database-serve-v1", "database-serve-v2", "database-connector-desk-v1", "database-connector-desk-v2", "database-replay-v1", "database-replay-v2", "database-retain-v1", "database-retain-v2", "database-subject-v1", "database-subject-v2"} {
		if !strings.Contains(logins, secret) {
			t.Errorf("the migration brings about %s, without %s", logins, secret)
		}
		get(t, h, secret, &corev1.Secret{})
	}
	quiet(t, c)
	h.mounts(t, "serve", "database-serve-v1") // the database doesn't know the second yet
	h.mounts(t, "connector-desk", "database-connector-desk-v1")

	if err := c.finish(t.Context(), job, `{"migration":{"schemaVersion":4}}`); err != nil {
		t.Fatal(err)
	}
	h.mounts(t, "serve", "database-serve-v2")
	h.mounts(t, "connector-desk", "database-connector-desk-v2")
	quiet(t, c)
	for _, used := range []string{"database-serve-v1", "database-connector-desk-v1"} {
		get(t, h, used, &corev1.Secret{}) // pods of the template before may still start
	}

	// The new pods are there: nothing uses the first logins any more, and their roles go.
	eventually(t, "the last migration", func(ctx context.Context) error {
		if err := h.play(ctx, h.namespace); err != nil {
			return err
		}
		var jobs batchv1.JobList
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		for _, j := range jobs.Items {
			if j.Annotations[v1alpha1.AnnotationLogins] == "database-adopt-v2,database-backup-v2,database-connector-desk-v2,database-export-v2,database-replay-v2,database-retain-v2,database-serve-v2,database-subject-v2" {
				return nil
			}
		}
		return errors.New("no migration brings about the second logins alone")
	})
	h.settle(t)
	for _, old := range []string{"database-serve-v1", "database-connector-desk-v1", "database-replay-v1", "database-retain-v1", "database-subject-v1"} {
		if err := c.Get(t.Context(), h.key(old), &corev1.Secret{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s is still there: %v", old, err)
		}
	}
	if v := h.tenant(t).Status.CredentialsVersion; v != 2 {
		t.Errorf("status tells of version %d", v)
	}
}
