package plan

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Anchor tells the tenant's pods what the database is known to have held. It is read
// again for every connection, so that no pod restarts when it changes.
func Anchor(in Tenant, a contract.Anchor) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: in.tenantMeta(name.Anchor, componentAnchor),
		Data:       map[string]string{contract.FileAnchor: mustJSON(a)},
	}
}

// guarded lets a pod's components see whether the database was put back.
func guarded(pod corev1.PodSpec) corev1.PodSpec {
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "anchor", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name.Anchor}},
	}})
	for i := range pod.Containers {
		pod.Containers[i].VolumeMounts = append(pod.Containers[i].VolumeMounts, mount("anchor", contract.DirAnchor))
	}
	return pod
}

// stateService leads to serve whether it is ready or not: it is not while the database
// is in quarantine, and that is what the operator asks for.
func stateService(in Tenant) *corev1.Service {
	s := service(in.tenantMeta(name.ServeState, componentServe), in.selector(componentServe), "https", 443, intstr.FromString("https"))
	s.Spec.PublishNotReadyAddresses = true
	return s
}

func replayPolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("replay", in.selector(componentReplay), nil, in.toDatabase(), in.Tenant, "Tenant")
}

// maxReplay bounds what fits into a ConfigMap, in bytes.
const maxReplay = 1000 << 10

// Replay is the Job that brings a database that was put back up to what is known, and the
// ConfigMap with what it carries out again. It fails when that is more than one holds.
func Replay(in Tenant, input contract.Replay) ([]client.Object, error) {
	packed, err := pack(input)
	if err != nil {
		return nil, err
	}
	if len(packed) > maxReplay {
		return nil, fmt.Errorf("%d requests and %d changes of consent are more than a ConfigMap holds: put back a newer backup",
			len(input.Requests), len(input.Consents))
	}
	meta := in.tenantMeta(name.Replay(input.Anchor.Epoch+1), componentReplay)
	container := in.instance("replay", need{cpu: "50m", memory: "64Mi", memoryLimit: "256Mi"}, nil,
		[]corev1.VolumeMount{mount("database", contract.DirDatabase), mount("replay", contract.DirReplay)})
	pod := in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{
		in.databaseVolume(contract.ComponentReplay),
		{Name: "replay", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: meta.Name},
		}}},
	})
	pod.RestartPolicy = corev1.RestartPolicyNever
	retries, deadline, yes := int32(3), int64(60*60), true
	return []client.Object{
		&corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: meta,
			BinaryData: map[string][]byte{contract.FileReplay: packed}, Immutable: &yes,
		},
		&batchv1.Job{
			TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta,
			Spec: batchv1.JobSpec{
				BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentReplay)}, Spec: pod},
			},
		},
	}, nil
}

func pack(input contract.Replay) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := json.NewEncoder(w).Encode(input); err != nil {
		return nil, fmt.Errorf("packing what is to be replayed: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing what is to be replayed: %w", err)
	}
	return packed.Bytes(), nil
}

// ReplayLabels select what Replay makes.
func ReplayLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentReplay
	return l
}

// RestoreRun names, for Release, the run that every policy gets after a restore.
func RestoreRun(epoch int32) string { return "restore/" + strconv.Itoa(int(epoch)) }
