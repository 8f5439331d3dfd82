package main

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// newScheme knows the kinds that the operator handles, and no more: each costs memory.
func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		v1alpha1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

func managerOptions(o options) ctrl.Options {
	return ctrl.Options{
		Scheme:                        newScheme(),
		Cache:                         cacheOptions(),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		Metrics:                       metricsserver.Options{BindAddress: o.metrics},
		HealthProbeBindAddress:        o.probes,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "switchboard-operator",
		LeaderElectionNamespace:       o.namespace,
		LeaderElectionReleaseOnCancel: true,
	}
}

// cacheOptions keep of the cluster what the operator made, and of that what it reads.
// Secrets are never cached (docs/design/0003).
func cacheOptions() cache.Options {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": plan.ManagedBy})}
	slim := cache.ByObject{Transform: cache.TransformStripManagedFields()}
	return cache.Options{ByObject: map[client.Object]cache.ByObject{
		&appsv1.Deployment{}: ours, &appsv1.StatefulSet{}: ours, &batchv1.Job{}: ours, &batchv1.CronJob{}: ours,
		&corev1.Service{}: ours, &corev1.ConfigMap{}: ours, &corev1.ResourceQuota{}: ours, &corev1.LimitRange{}: ours,
		&networkingv1.NetworkPolicy{}: ours, &networkingv1.Ingress{}: ours, &policyv1.PodDisruptionBudget{}: ours,
		&rbacv1.RoleBinding{}: ours,
		&corev1.Pod{}:         {Label: ours.Label, Transform: slimPod},
		&corev1.Node{}:        {Transform: slimNode}, &corev1.PersistentVolume{}: slim,
	}}
}

// slimPod keeps where a pod runs and how it ended.
func slimPod(object any) (any, error) {
	if p, ok := object.(*corev1.Pod); ok {
		p.ManagedFields = nil
		p.Spec = corev1.PodSpec{NodeName: p.Spec.NodeName}
	}
	return object, nil
}

// slimNode keeps a node's labels.
func slimNode(object any) (any, error) {
	if n, ok := object.(*corev1.Node); ok {
		n.ManagedFields, n.Spec, n.Status, n.Annotations = nil, corev1.NodeSpec{}, corev1.NodeStatus{}, nil
	}
	return object, nil
}
