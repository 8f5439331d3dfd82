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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

const recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudzmv8s9skgpha"

func anExport() *v1alpha1.Export {
	return &v1alpha1.Export{Recipient: recipient, ObjectStore: v1alpha1.ExportStore{
		Endpoint: "https://s3.example", Location: "eu-central-1", Bucket: "handover", Prefix: "hotels",
		CredentialsSecretRef: v1alpha1.SecretReference{Name: "handover"}, Egress: &v1alpha1.Egress{CIDRs: []v1alpha1.CIDR{"192.0.2.0/24"}},
	}}
}

// exportJob waits for the Job that exports; not is one that was seen before.
func (h hotel) exportJob(t *testing.T, not string) *batchv1.Job {
	t.Helper()
	var found *batchv1.Job
	eventually(t, "the Job that exports", func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace), client.MatchingLabels(plan.ExportLabels(h.name))); err != nil {
			return err
		}
		for i := range jobs.Items {
			if jobs.Items[i].Name != not && jobs.Items[i].DeletionTimestamp.IsZero() {
				found = &jobs.Items[i]
				return nil
			}
		}
		return fmt.Errorf("there are %d others", len(jobs.Items))
	})
	return found
}

// endPods ends the pods of what was stopped, as the kubelet does.
func (h hotel) endPods(t *testing.T, but func(client.Object) bool) {
	t.Helper()
	var pods corev1.PodList
	if err := h.List(t.Context(), &pods, client.InNamespace(h.namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range pods.Items {
		if p := &pods.Items[i]; !but(p) {
			if err := h.Delete(t.Context(), p, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}
		}
	}
}

func (h hotel) terminating(t *testing.T, reason, part string) {
	t.Helper()
	eventually(t, "it says what it waits for: "+part, func(context.Context) error {
		return says(h.tenant(t).Status.Conditions, v1alpha1.ConditionTerminating, metav1.ConditionTrue, reason, part)
	})
}

// exportedAndErased is what offboarding promises: nothing goes before the file is there, and
// the certificate says which one it is.
func exportedAndErased(t *testing.T, c testCluster) {
	h := c.book(t, "sold", func(s *v1alpha1.TenantSpec) { s.DeletionPolicy, s.Export = v1alpha1.DeletionErase, anExport() })
	h.settle(t)
	serving := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "serve-0", Namespace: h.namespace, Labels: plan.ServerLabels(h.name)},
		Spec:       get(t, h, "serve", &appsv1.Deployment{}).Spec.Template.Spec,
	}
	create(t, c, serving)
	leaving := h.tenant(t)
	if err := c.Delete(t.Context(), leaving); err != nil {
		t.Fatal(err)
	}

	h.terminating(t, v1alpha1.ReasonExporting, "these pods must end: serve-0")
	for _, stopped := range []client.Object{
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "serve"}}, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "connector-desk"}},
		&batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "retain-guests"}},
	} {
		eventually(t, stopped.GetName()+" is stopped", func(ctx context.Context) error {
			err := c.Get(ctx, h.key(stopped.GetName()), stopped)
			if apierrors.IsNotFound(err) || err == nil && !stopped.GetDeletionTimestamp().IsZero() {
				return nil
			}
			return fmt.Errorf("it is there: %w", err)
		})
	}
	if jobs := (&batchv1.JobList{}); c.List(t.Context(), jobs, client.InNamespace(h.namespace), client.MatchingLabels(plan.ExportLabels(h.name))) != nil || len(jobs.Items) > 0 {
		t.Errorf("it is exported while something may come in: %d Jobs", len(jobs.Items))
	}
	h.endPods(t, func(o client.Object) bool { return o.GetName() != serving.Name })
	first := h.exportJob(t, "")
	h.terminating(t, v1alpha1.ReasonExporting, "Job "+first.Name+" exports the tenant")
	h.isTold(t, first)

	// It fails: nothing goes, and what to do is said.
	if err := c.fail(t.Context(), first, `{"error":"storing an object: the store has no such bucket"}`, time.Now()); err != nil {
		t.Fatal(err)
	}
	h.terminating(t, v1alpha1.ReasonExportFailed, "the store has no such bucket. It is made again every minute: mend spec.export")
	h.whole(t)
	amend(t, c, h.tenant(t), func(o *v1alpha1.Tenant) { o.Spec.Export.ObjectStore.Bucket = "transfer" })
	second := h.exportJob(t, first.Name)
	h.whole(t)

	result := contract.ExportResult{
		SnapshotAt: time.Now().UTC().Truncate(time.Second), SHA256: strings.Repeat("ab", 32), Bytes: 4096, Head: contract.ChainLink{Sequence: 3},
		SchemaVersion: 9, Object: "sold-" + string(leaving.UID)[:8] + ".tar.gz.age", Counts: []contract.CategoryCount{{Category: "Messages", Rows: 7}, {Category: "Receipts", Rows: 3}},
	}
	message, err := contract.Result{Export: &result}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	h.finishes(t, second, string(message))
	h.terminating(t, v1alpha1.ReasonCounting, "counted by Job count")
	told := h.tenant(t).Status.Export
	if told == nil || told.SHA256 != result.SHA256 || told.Bucket != "transfer" || told.Object != "hotels/"+result.Object || told.Recipient != recipient || len(told.Counts) != 2 {
		t.Errorf("status tells of %+v", told)
	}
	h.finishes(t, get(t, h, "count", &batchv1.Job{}), `{"count":{"counts":[{"category":"Messages","rows":9}]}}`)
	h.terminating(t, v1alpha1.ReasonObjectsRemain, "waiting for pods to end: ")
	h.collect(t)
	h.terminating(t, v1alpha1.ReasonObjectsRemain, "is being deleted")
	ns := &corev1.Namespace{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: h.namespace}, ns); err != nil {
		t.Fatal(err)
	}
	ns.Spec.Finalizers = nil // the namespace controller is done
	if err := c.SubResource("finalize").Update(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	c.gone(t, client.ObjectKey{Name: h.name}, &v1alpha1.Tenant{})
	c.certifies(t, leaving, told)
}

// isTold holds the Job to what was asked for, and to mounting nothing else of a Secret.
func (h hotel) isTold(t *testing.T, job *batchv1.Job) {
	t.Helper()
	pod := job.Spec.Template.Spec
	var asked contract.Export
	for _, e := range pod.Containers[0].Env {
		if e.Name == contract.EnvExport && json.Unmarshal([]byte(e.Value), &asked) != nil {
			t.Errorf("it is told %s", e.Value)
		}
	}
	if asked.Recipient != recipient || asked.Store.Prefix != "hotels/" || !strings.HasSuffix(asked.Object, ".tar.gz.age") {
		t.Errorf("it is told %+v", asked)
	}
	for _, v := range pod.Volumes {
		if v.Secret != nil && v.Secret.SecretName == "handover" && len(v.Secret.Items) != 3 {
			t.Errorf("it mounts %v", v.Secret.Items)
		}
	}
	resources := string(get(t, h, job.Name, &corev1.ConfigMap{}).BinaryData[contract.FileResources])
	for _, part := range []string{"kind: Tenant", "kind: Channel", "kind: RetentionPolicy", "name: guests"} {
		if !strings.Contains(resources, part) {
			t.Errorf("resources.yaml lacks %q:\n%s", part, resources)
		}
	}
}

// whole holds the tenant to having lost nothing.
func (h hotel) whole(t *testing.T) {
	t.Helper()
	ns := &corev1.Namespace{}
	if err := h.Get(t.Context(), client.ObjectKey{Name: h.namespace}, ns); err != nil || !ns.DeletionTimestamp.IsZero() {
		t.Errorf("the namespace: %v", err)
	}
	get(t, h, "keys", &corev1.Secret{})
	get(t, h, "postgres", &appsv1.StatefulSet{})
	if e := h.tenant(t).Status.Erasure; e != nil {
		t.Errorf("it is being erased: %+v", e)
	}
}

// certifies holds the certificate to telling of the export, signed.
func (c testCluster) certifies(t *testing.T, leaving *v1alpha1.Tenant, told *v1alpha1.Exported) {
	t.Helper()
	certificate := &v1alpha1.ErasureCertificate{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: leaving.Name + "-" + string(leaving.UID)[:8]}, certificate); err != nil {
		t.Fatal(err)
	}
	published := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "switchboard-system", Name: "switchboard-signing-keys"}, published); err != nil {
		t.Fatal(err)
	}
	keys, err := signing.PublicKeys(published)
	if err != nil {
		t.Fatal(err)
	}
	signed, _, err := statement.OpenErasure(t.Context(), []byte(certificate.Spec.Envelope), keys)
	if err != nil || !signed.Same(plan.ErasureOf(certificate.Spec)) || signed.Export == nil || signed.Export.SHA256 != told.SHA256 || signed.Export.Bucket != "transfer" {
		t.Errorf("what was signed is %+v, %v", signed.Export, err)
	}
}
