package plan

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// withdrawPatience is how long a provider that does not answer is tried again, and WithdrawDeadline how long a Channel's deletion
// waits for it, from when the Channel was deleted.
const (
	withdrawPatience = "8m"
	WithdrawDeadline = 12 * time.Minute
)

// Withdraw is the Job that takes a channel's webhook from its provider, and what opens the way there. Both are the Tenant's: when a
// Channel is deleted in the foreground, what it owns goes before it.
func Withdraw(in Tenant, channel *v1alpha1.Channel, processor v1alpha1.SubProcessor) (*networkingv1.NetworkPolicy, *batchv1.Job) {
	called := name.Withdraw(channel.Name, string(channel.UID))
	labels := in.labels(componentWithdraw, v1alpha1.LabelChannel, channel.Name)
	secret, keys := ChannelCredentials(channel)
	credentials := secretVolume("channel", secret)
	yes := true
	credentials.Secret.Optional = &yes // that it has gone, too, is for the Job to tell
	for _, key := range keys {
		credentials.Secret.Items = append(credentials.Secret.Items, corev1.KeyToPath{Key: key, Path: key})
	}
	container := in.instance("withdraw", need{cpu: "25m", memory: "32Mi", memoryLimit: "96Mi"},
		[]corev1.EnvVar{{Name: contract.EnvChannel, Value: mustJSON(channelOf(in.Tenant, channel))}}, []corev1.VolumeMount{mount("channel", contract.DirChannel)})
	container.Args = append(container.Args, "--patience="+withdrawPatience)
	container.Image = in.Images.Instance // it knows no database, so that it need not wait for the tenant's turn
	pod := in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{credentials})
	pod.RestartPolicy = corev1.RestartPolicyNever
	// It stays for a while: a pass that does not know yet that the Channel has gone must not make it anew.
	retries, deadline, kept := int32(1), int64(10*60), int32(10*60)
	job := &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: in.meta(called, labels, in.Tenant, "Tenant"),
		Spec: batchv1.JobSpec{
			BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline, TTLSecondsAfterFinished: &kept,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
		},
	}
	egress := []networkingv1.NetworkPolicyEgressRule{toDNS()}
	if e := processor.Egress; e != nil {
		egress = append(egress, in.to(*e)...)
	}
	policy := in.networkPolicy(called, in.selector(componentWithdraw, v1alpha1.LabelChannel, channel.Name), nil, egress, in.Tenant, "Tenant")
	policy.Labels = labels // the Tenant prunes what is labelled as its own
	return policy, job
}

// WithdrawLabels select what Withdraw makes.
func WithdrawLabels(tenant, channel string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent], l[v1alpha1.LabelChannel] = componentWithdraw, channel
	return l
}

// IsWithdrawal tells the Jobs of Withdraw.
func IsWithdrawal(o client.Object) bool { return o.GetLabels()[labelComponent] == componentWithdraw }
