package observe

import (
	"cmp"
	"context"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Workload is a Deployment or StatefulSet.
type Workload struct {
	Exists    bool
	Wanted    int32
	Available int32
	// Settled: every pod is of the newest template and available.
	Settled bool
}

// Deployment reads one; a missing one is no error.
func Deployment(ctx context.Context, r client.Reader, namespace, deployment string) (Workload, error) {
	d := &appsv1.Deployment{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: deployment}, d); err != nil {
		return Workload{}, wrap("reading Deployment "+deployment, client.IgnoreNotFound(err))
	}
	wanted := *cmp.Or(d.Spec.Replicas, new(int32))
	s := d.Status
	return Workload{
		Exists: true, Wanted: wanted, Available: s.AvailableReplicas,
		Settled: s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == wanted && s.Replicas == wanted && s.AvailableReplicas == wanted,
	}, nil
}

// Database reads the embedded engine's StatefulSet.
func Database(ctx context.Context, r client.Reader, namespace, database string) (Workload, error) {
	s := &appsv1.StatefulSet{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: database}, s); err != nil {
		return Workload{}, wrap("reading StatefulSet "+database, client.IgnoreNotFound(err))
	}
	return Workload{
		Exists: true, Wanted: *cmp.Or(s.Spec.Replicas, new(int32)), Available: s.Status.ReadyReplicas,
		Settled: s.Status.ObservedGeneration >= s.Generation && s.Status.ReadyReplicas > 0,
	}, nil
}

// DatabaseClaim is that of the volume that the embedded engine was made with; nil when
// there is no engine yet.
func DatabaseClaim(ctx context.Context, r client.Reader, namespace, database string) (*corev1.PersistentVolumeClaimSpec, error) {
	s := &appsv1.StatefulSet{}
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: database}, s)
	if err != nil || len(s.Spec.VolumeClaimTemplates) == 0 {
		return nil, wrap("reading StatefulSet "+database, client.IgnoreNotFound(err))
	}
	return &s.Spec.VolumeClaimTemplates[0].Spec, nil
}

// UsesSecret says whether a Deployment's pods are to mount a Secret.
func UsesSecret(ctx context.Context, r client.Reader, namespace, deployment, secret string) (bool, error) {
	d := &appsv1.Deployment{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: deployment}, d); err != nil {
		return false, wrap("reading Deployment "+deployment, client.IgnoreNotFound(err))
	}
	return mounts(d.Spec.Template.Spec, secret), nil
}

func mounts(pod corev1.PodSpec, secret string) bool {
	return slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool {
		return v.Secret != nil && v.Secret.SecretName == secret
	})
}
