package observe

import (
	"cmp"
	"context"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
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
	return Workload{Exists: true, Wanted: *cmp.Or(d.Spec.Replicas, new(int32)), Available: d.Status.AvailableReplicas, Settled: settled(d)}, nil
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

// Image is what a Deployment's pods run; empty when there is none.
func Image(ctx context.Context, r client.Reader, namespace, deployment string) (string, error) {
	d := &appsv1.Deployment{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: deployment}, d); err != nil {
		return "", wrap("reading Deployment "+deployment, client.IgnoreNotFound(err))
	}
	return d.Spec.Template.Spec.Containers[0].Image, nil
}

// RolledOut tells whether all pods of a tenant's Deployments run an image, and are available. A connector does not count that its
// channel keeps from it, or from being available, whatever the image: one without its Secret, or that its provider turns away.
func RolledOut(ctx context.Context, r client.Reader, tenant, namespace, image string, channels []v1alpha1.Channel) (bool, error) {
	var all appsv1.DeploymentList
	if err := r.List(ctx, &all, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelTenant: tenant}); err != nil {
		return false, wrap("reading the Deployments of "+namespace, err)
	}
	ownTrouble := map[string]bool{}
	for i := range channels {
		c := &channels[i]
		for _, condition := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionCredentialsReady, v1alpha1.ConditionCredentialsAccepted} {
			if !c.DeletionTimestamp.IsZero() || meta.IsStatusConditionFalse(c.Status.Conditions, condition) {
				ownTrouble[name.Connector(c.Name)] = true
			}
		}
	}
	for i := range all.Items {
		d := &all.Items[i]
		if !ownTrouble[d.Name] && (d.Spec.Template.Spec.Containers[0].Image != image || !settled(d)) {
			return false, nil
		}
	}
	return true, nil
}

func settled(d *appsv1.Deployment) bool {
	wanted, s := *cmp.Or(d.Spec.Replicas, new(int32)), d.Status
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == wanted && s.Replicas == wanted && s.AvailableReplicas == wanted
}
