package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// defaultTimeZone of a schedule.
const defaultTimeZone = "Etc/UTC"

// Retention is the CronJob that enforces a policy. It runs on in a suspended
// tenant: deletion never stops silently.
func Retention(in Tenant, policy *v1alpha1.RetentionPolicy) *batchv1.CronJob {
	labels := in.labels(componentRetain, v1alpha1.LabelPolicy, policy.Name)
	container := in.instance("retain", need{cpu: "50m", memory: "48Mi", memoryLimit: "128Mi"},
		[]corev1.EnvVar{{Name: contract.EnvRetention, Value: mustJSON(RetentionOf(policy))}},
		[]corev1.VolumeMount{mount("database", contract.DirDatabase)})
	pod := in.stored(guarded(in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{in.databaseVolume(contract.ComponentRetain)})))
	pod.RestartPolicy = corev1.RestartPolicyNever
	zone := cmp.Or(policy.Spec.TimeZone, defaultTimeZone)
	history, retries, deadline, no := int32(3), int32(3), int64(6*60*60), false
	return &batchv1.CronJob{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"},
		ObjectMeta: in.meta(name.Retain(policy.Name), labels, policy, "RetentionPolicy"),
		Spec: batchv1.CronJobSpec{
			Schedule: policy.Spec.Schedule, TimeZone: &zone, Suspend: &no,
			ConcurrencyPolicy:          batchv1.ForbidConcurrent,
			SuccessfulJobsHistoryLimit: &history, FailedJobsHistoryLimit: &history,
			JobTemplate: batchv1.JobTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: batchv1.JobSpec{
					BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
					Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
				},
			},
		},
	}
}

// Release is a run of a policy beside its schedule, once for each hold that has gone.
func Release(cron *batchv1.CronJob, policy, hold string) *batchv1.Job {
	sum, yes := sha256.Sum256([]byte(hold)), true
	template := cron.Spec.JobTemplate.DeepCopy()
	annotations := maps.Clone(template.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations["cronjob.kubernetes.io/instantiate"] = "manual" // as kubectl create job --from does
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name.Release(policy, hex.EncodeToString(sum[:5])), Namespace: cron.Namespace, Labels: template.Labels, Annotations: annotations,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: cron.Name, UID: cron.UID, Controller: &yes}},
		},
		Spec: template.Spec,
	}
}
