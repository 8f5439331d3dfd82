package main

import (
	"context"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// bareCache holds the objects that the operator's caches select, as the API server gives them: nothing is left out of them.
// It writes a file once it has all of them.
func bareCache(ctx context.Context, synced string) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	config.DisableCompression = true // as the operator has it
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	all := []client.Object{
		&corev1.Pod{}, &corev1.Node{}, &corev1.PersistentVolume{}, &storagev1.StorageClass{}, &corev1.Namespace{}, &v1alpha1.Region{}, &v1alpha1.Tenant{},
		&v1alpha1.Channel{}, &v1alpha1.RetentionPolicy{}, &v1alpha1.LegalHold{}, &v1alpha1.DataSubjectRequest{},
	}
	ours := []client.Object{
		&appsv1.Deployment{}, &appsv1.StatefulSet{}, &batchv1.CronJob{}, &batchv1.Job{}, &corev1.ConfigMap{}, &corev1.LimitRange{},
		&corev1.PersistentVolumeClaim{}, &corev1.ResourceQuota{}, &corev1.Service{}, &networkingv1.Ingress{}, &networkingv1.NetworkPolicy{},
		&policyv1.PodDisruptionBudget{}, &rbacv1.RoleBinding{}, &v1alpha1.ResidencyBoundary{},
	}
	selected := map[client.Object]cache.ByObject{}
	for _, o := range ours {
		selected[o] = cache.ByObject{Label: labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": "switchboard"})}
	}
	held, err := cache.New(config, cache.Options{Scheme: scheme, ByObject: selected})
	if err != nil {
		return fmt.Errorf("making the cache: %w", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- held.Start(ctx) }()
	for _, o := range append(all, ours...) {
		if _, err := held.GetInformer(ctx, o); err != nil { // returns once it is filled
			return fmt.Errorf("filling the cache with %T: %w", o, err)
		}
	}
	if err := os.WriteFile(synced, nil, 0o600); err != nil {
		return fmt.Errorf("saying that the cache is filled: %w", err)
	}
	return <-failed
}
