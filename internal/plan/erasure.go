package plan

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// CountDeadline is how long a tenant's erasure waits for its rows to be counted, in seconds.
const CountDeadline = 300

// Count is the Job that counts a tenant's rows before they are erased, by the login of
// its retention runs.
func Count(in Tenant) *batchv1.Job {
	container := in.instance("count", need{cpu: "50m", memory: "48Mi", memoryLimit: "128Mi"}, nil,
		[]corev1.VolumeMount{mount("database", contract.DirDatabase)})
	pod := in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{in.databaseVolume(contract.ComponentRetain)})
	pod.RestartPolicy = corev1.RestartPolicyNever
	retries, deadline := int32(3), int64(CountDeadline)
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: in.tenantMeta(name.Count, componentRetain),
		Spec: batchv1.JobSpec{
			BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentRetain)}, Spec: pod},
		},
	}
}

// unknown is what no operator can know of.
const unknown = "copies: snapshots, backups and exports of the volume that others made"

// Certificate is what stays of a tenant that was erased, without its signature.
func Certificate(in Tenant, erasure v1alpha1.Erasure, head *v1alpha1.Evidence, now time.Time) *v1alpha1.ErasureCertificate {
	c := &v1alpha1.ErasureCertificate{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ErasureCertificate"},
		ObjectMeta: metav1.ObjectMeta{Name: name.Certificate(in.Tenant.Name, string(in.Tenant.UID)), Labels: map[string]string{v1alpha1.LabelTenant: in.Tenant.Name}},
		Spec: v1alpha1.ErasureCertificateSpec{
			Tenant: in.Tenant.Name, TenantUID: string(in.Tenant.UID), Region: in.Tenant.Spec.Region,
			RequestedAt: metav1.NewTime(in.Tenant.DeletionTimestamp.UTC()), FinishedAt: metav1.NewTime(now.UTC().Truncate(time.Second)),
			Counted: erasure.Counted, Counts: erasure.Counts, Evidence: head,
			Destroyed: []string{"Namespace " + in.Namespace(), "Secret " + in.OperatorNamespace + "/" + name.CA(in.Tenant.Name)},
		},
	}
	if in.Tenant.Spec.Export != nil {
		c.Spec.Export = in.Tenant.Status.Export
	}
	for _, row := range erasure.Counts {
		c.Spec.Rows += row.Rows
	}
	for _, v := range erasure.Volumes {
		c.Spec.Destroyed = append(c.Spec.Destroyed, "PersistentVolume "+v)
	}
	if store := in.Tenant.Spec.ObjectStore; store != nil {
		at := fmt.Sprintf("of store %s, bucket %s, below %s", store.Name, store.Bucket, StorePrefix(in))
		switch o := erasure.Objects; {
		case o == nil:
			c.Spec.Unchecked = append(c.Spec.Unchecked, "objects "+at+": nobody could look for them any more")
		case o.Problem != "":
			c.Spec.Unchecked = append(c.Spec.Unchecked, fmt.Sprintf("objects %s: %d were removed, and it is not known that none is left: %s; what is left was encrypted to keys that have gone with the namespace",
				at, o.Removed, o.Problem))
		default:
			c.Spec.Destroyed = append(c.Spec.Destroyed, fmt.Sprintf("Objects %d %s", o.Removed, at))
		}
	}
	if d := erasure.Database; d != nil {
		where := "in the database of provider " + d.Provider
		if d.Problem != "" {
			c.Spec.Unchecked = append(c.Spec.Unchecked, fmt.Sprintf("schemas and roles %s: %d and %d were removed, and it is not known that none is left: %s", where, d.Schemas, d.Roles, d.Problem))
		} else {
			c.Spec.Destroyed = append(c.Spec.Destroyed, fmt.Sprintf("%d schemas and %d roles %s", d.Schemas, d.Roles, where))
		}
		c.Spec.Unchecked = append(c.Spec.Unchecked, "backups, replicas and logs that provider "+d.Provider+" keeps of the database: ask the provider")
	}
	c.Spec.Unchecked = append(c.Spec.Unchecked, erasure.Webhooks...)
	if erasure.Unchecked != "" {
		c.Spec.Unchecked = append(c.Spec.Unchecked, erasure.Unchecked)
	}
	c.Spec.Unchecked = append(c.Spec.Unchecked, unknown)
	return c
}

// ErasureOf is what is signed of a certificate: all of it.
func ErasureOf(spec v1alpha1.ErasureCertificateSpec) statement.Erasure {
	e := statement.Erasure{
		Tenant: spec.Tenant, TenantUID: spec.TenantUID, Region: spec.Region,
		RequestedAt: spec.RequestedAt.UTC(), FinishedAt: spec.FinishedAt.UTC(), Counted: spec.Counted,
		Destroyed: spec.Destroyed, Unchecked: spec.Unchecked,
	}
	for _, c := range spec.Counts {
		e.Counts = append(e.Counts, contract.CategoryCount{Category: c.Category, Rows: c.Rows})
	}
	if x := spec.Export; x != nil {
		e.Export = &statement.Exported{
			Object: x.Object, Endpoint: x.Endpoint, Bucket: x.Bucket, Recipient: x.Recipient, SHA256: x.SHA256, Bytes: x.Bytes,
			SnapshotAt: x.SnapshotAt.UTC(), Sequence: x.Sequence,
		}
		for _, c := range x.Counts {
			e.Export.Counts = append(e.Export.Counts, contract.CategoryCount{Category: c.Category, Rows: c.Rows})
		}
	}
	if m := spec.Moved; m != nil {
		e.Moved = &statement.Moved{To: m.To, TransferMechanism: m.TransferMechanism, Plan: m.Plan, Tables: m.Tables, Rows: m.Rows, Digest: m.Digest}
	}
	if spec.Evidence != nil {
		e.Head = &contract.ChainLink{Sequence: spec.Evidence.Sequence, Digest: spec.Evidence.Digest}
	}
	return e
}
