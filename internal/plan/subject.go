package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Due is when a request is to be done.
func Due(q *v1alpha1.DataSubjectRequest) time.Time {
	days := contract.DueDays(string(q.Spec.Type))
	if q.Spec.DueDays != nil {
		days = *q.Spec.DueDays
	}
	return q.Spec.ReceivedAt.UTC().Add(time.Duration(days) * 24 * time.Hour)
}

// CheckSubject checks the Secret of a request's subject.
func CheckSubject(q *v1alpha1.DataSubjectRequest, data map[string][]byte) error {
	if q.Spec.Type == v1alpha1.RequestRectification {
		return contract.CheckRectification(data)
	}
	return contract.CheckSubject(data)
}

// Subject is the Job that carries out a request. after is the digest of the receipt of
// the attempt before it, empty for the first: each attempt is a Job of its own.
func Subject(in Tenant, q *v1alpha1.DataSubjectRequest, after string) *batchv1.Job {
	labels := SubjectLabels(in.Tenant.Name, q.Name)
	labels[labelName] = "switchboard"
	container := in.instance("subject", need{cpu: "50m", memory: "48Mi", memoryLimit: "128Mi"},
		[]corev1.EnvVar{{Name: contract.EnvRequest, Value: mustJSON(requestOf(q, after))}},
		[]corev1.VolumeMount{mount("database", contract.DirDatabase), mount("keys", contract.DirKeys), mount("subject", contract.DirSubject)})
	volumes := []corev1.Volume{
		in.databaseVolume(contract.ComponentSubject), secretVolume("keys", name.Keys), secretVolume("subject", q.Spec.Subject.SecretName),
	}
	if q.Spec.Type == v1alpha1.RequestAccess {
		container.VolumeMounts = append(container.VolumeMounts, mount("download", contract.DirDownload))
		volumes = append(volumes, secretVolume("download", name.Download(q.Name)))
	}
	pod := in.stored(guarded(in.pod(instanceUser, []corev1.Container{container}, volumes)))
	pod.RestartPolicy = corev1.RestartPolicyNever
	retries, deadline := int32(3), int64(60*60)
	spec := batchv1.JobSpec{
		BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
	}
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: in.meta(SubjectJob(q, after), labels, q, "DataSubjectRequest"),
		Spec:       spec,
	}
}

// SubjectJob names the Job of an attempt. It does not depend on what a newer operator
// changes in the pod: one attempt is made once.
func SubjectJob(q *v1alpha1.DataSubjectRequest, after string) string {
	sum := sha256.Sum256([]byte(cmp.Or(after, string(q.UID))))
	return name.Subject(q.Name, hex.EncodeToString(sum[:4]))
}

// SubjectLabels select the Jobs of a request.
func SubjectLabels(tenant, request string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent], l[v1alpha1.LabelRequest] = componentSubject, request
	return l
}

func requestOf(q *v1alpha1.DataSubjectRequest, after string) contract.Request {
	r := contract.Request{Name: q.Name, UID: string(q.UID), Type: string(q.Spec.Type), ReceivedAt: q.Spec.ReceivedAt.UTC(), After: after}
	if q.Spec.Archive != nil {
		r.ArchiveKey = q.Spec.Archive.PublicKey
	}
	return r
}

// Download is the Secret with the token of an archive. It is made once.
func Download(in Tenant, q *v1alpha1.DataSubjectRequest, token string) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: in.meta(name.Download(q.Name), in.labels(componentSubject, v1alpha1.LabelRequest, q.Name), q, "DataSubjectRequest"),
		Data:       map[string][]byte{contract.FileToken: []byte(token)},
	}
}

// ArchiveURL is where an archive can be fetched.
func ArchiveURL(in Tenant, id string) string { return in.PublicURL() + "/api/v1/archives/" + id }
