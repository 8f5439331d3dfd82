package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// clusterIsPutBack has a backup put in the place of what the leader of a Cluster has: asleep, and its follower's copy gone before it wakes.
func clusterIsPutBack(t *testing.T, h hotel) {
	t.Helper()
	h.settle(t)
	for _, copied := range []string{"postgres-1", "postgres-2"} {
		create(t, h, &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: copied, Namespace: h.namespace, Labels: map[string]string{"cnpg.io/cluster": "postgres"}},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: new("local"),
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
			},
		})
	}
	h.asksBack(t, "yesterday 2026-11-24T08:00:00Z")
	h.hibernation(t, "on")
	if job := h.restoreJob(t); job != nil {
		t.Fatal("a backup is put back while CloudNativePG has not said that the database sleeps")
	}
	h.asleep(t, true)
	failed := h.puttingBack(t, nil)
	pod := failed.Spec.Template.Spec
	if claim := pod.Volumes[0].PersistentVolumeClaim.ClaimName; claim != "postgres-1" {
		t.Errorf("it is put into volume %s, want that of the pod that led", claim)
	}
	if user := *pod.SecurityContext.RunAsUser; user != 26 {
		t.Errorf("the data would be user %d's, and the server runs as 26", user)
	}
	h.finishes(t, failed, `{"error":"restoring: there is no backup of that name"}`)
	h.hibernation(t, "off")
	h.asleep(t, false)
	get(t, h, "postgres-2", &corev1.PersistentVolumeClaim{}) // nothing was put back, and it follows on

	h.asksBack(t, "latest 2026-11-24T09:00:00Z")
	h.hibernation(t, "on")
	h.asleep(t, true)
	h.finishes(t, h.puttingBack(t, failed), `{"restore":{"file":"20261124T020000Z-000000000003.tar.gz.age"}}`)
	eventually(t, "the follower's copy goes", func(ctx context.Context) error {
		claim := &corev1.PersistentVolumeClaim{}
		err := h.Get(ctx, h.key("postgres-2"), claim)
		if err == nil && claim.DeletionTimestamp != nil { // nobody else takes its protection away here
			claim.Finalizers = nil
			return h.Update(ctx, claim)
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
	h.hibernation(t, "off")
	h.asleep(t, false)
	get(t, h, "postgres-1", &corev1.PersistentVolumeClaim{})
	h.is(t, "the restore", func(o *v1alpha1.Tenant) error {
		h.obeys(t) // a pass whose status was not taken is made again, and has the database sleep once more
		if r := o.Status.Restore; r == nil || r.Phase != v1alpha1.RestoreDone {
			return fmt.Errorf("it is %+v", o.Status.Restore)
		}
		return nil
	})
	h.obeys(t)
	h.settle(t)
}

func (h hotel) asksBack(t *testing.T, request string) {
	t.Helper()
	tenant := h.tenant(t)
	before := tenant.DeepCopy()
	metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, v1alpha1.AnnotationRestore, request)
	if err := h.Patch(t.Context(), tenant, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// asleep has the database sleep or wake, as CloudNativePG's operator tells of it.
func (h hotel) asleep(t *testing.T, asleep bool) {
	t.Helper()
	h.tells(t, func(map[string]string) bool { return asleep })
}

// obeys has the database sleep or wake as the Cluster asks for it at that moment.
func (h hotel) obeys(t *testing.T) {
	t.Helper()
	h.tells(t, func(annotations map[string]string) bool { return annotations["cnpg.io/hibernation"] == "on" })
}

// tells writes the Cluster's status; on a conflict it decides anew by what is asked for then.
func (h hotel) tells(t *testing.T, asleep func(annotations map[string]string) bool) {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		u := h.cluster(t)
		status := map[string]any{"instances": int64(2), "readyInstances": int64(2), "currentPrimary": "postgres-1"}
		if asleep(u.GetAnnotations()) {
			status["readyInstances"] = int64(0)
			status["conditions"] = []any{map[string]any{
				"type": "cnpg.io/hibernation", "status": "True", "reason": "Hibernated", "message": "Cluster has been hibernated", "lastTransitionTime": "2026-11-24T09:00:00Z",
			}}
		}
		u.Object["status"] = status
		return h.Status().Update(t.Context(), u)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// restoreJob gives a Job that puts a backup back, but for some; nil when there is none.
func (h hotel) restoreJob(t *testing.T, not ...*batchv1.Job) *batchv1.Job {
	t.Helper()
	var jobs batchv1.JobList
	if err := h.List(t.Context(), &jobs, client.InNamespace(h.namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range jobs.Items {
		known := !strings.HasPrefix(jobs.Items[i].Name, "restore-")
		for _, n := range not {
			known = known || n != nil && n.Name == jobs.Items[i].Name
		}
		if !known {
			return &jobs.Items[i]
		}
	}
	return nil
}

func (h hotel) puttingBack(t *testing.T, not *batchv1.Job) (job *batchv1.Job) {
	t.Helper()
	eventually(t, "the Job that restores", func(context.Context) error {
		if job = h.restoreJob(t, not); job == nil {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	return job
}
