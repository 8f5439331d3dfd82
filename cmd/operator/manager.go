package main

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/intern"
	"github.com/switchboard-operator/switchboard/internal/ledger"
)

// managerOptions give caches that hold no more than the operator needs: of what can
// be numerous, only its own objects, and no Secrets.
func managerOptions(o options) (ctrl.Options, error) {
	scheme, err := newScheme()
	if err != nil {
		return ctrl.Options{}, err
	}
	drain := 30 * time.Second
	return ctrl.Options{
		Scheme:                        scheme,
		Cache:                         caches(),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:        o.probeAddress,
		PprofBindAddress:              o.pprofAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "switchboard-operator",
		LeaderElectionNamespace:       o.namespace,
		LeaderElectionReleaseOnCancel: true, // main ends right after
		GracefulShutdownTimeout:       &drain,
	}, nil
}

// newManager connects to the API server.
func newManager(config *rest.Config, o options, with ctrl.Options) (ctrl.Manager, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = float32(o.apiQPS), o.apiBurst
	config.DisableCompression = true // every watch would hold a decompressor of 40 KiB
	mgr, err := ctrl.NewManager(config, with)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding /healthz: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding /readyz: %w", err)
	}
	return mgr, nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, networkingv1.AddToScheme,
		policyv1.AddToScheme, rbacv1.AddToScheme, storagev1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering the API's types: %w", err)
		}
	}
	return scheme, nil
}

// caches say what is held of which objects. What objects have in common is held once.
func caches() cache.Options {
	table := &intern.Table{}
	shared := func(slim toolscache.TransformFunc) toolscache.TransformFunc {
		return func(object any) (any, error) {
			slimmed, err := slim(object)
			table.Share(slimmed)
			return slimmed, err
		}
	}
	kinds := cached()
	for object, of := range kinds {
		if of.Transform != nil {
			of.Transform = shared(of.Transform)
			kinds[object] = of
		}
	}
	return cache.Options{ByObject: kinds, DefaultTransform: shared(slim)}
}

// cached says what the caches hold of each kind. What internal/apply looks at of managedFields stays.
func cached() map[client.Object]cache.ByObject {
	ours := labels.SelectorFromSet(labels.Set{apply.ManagedBy: apply.ManagedByValue})
	kinds := map[client.Object]cache.ByObject{
		// All pods: whatever somebody runs in a tenant's namespace must be in its region too.
		&corev1.Pod{}:              {Transform: slimPod},
		&corev1.Node{}:             {Transform: slimNode},
		&corev1.PersistentVolume{}: {Transform: cache.TransformStripManagedFields()},
		&storagev1.StorageClass{}:  {Transform: cache.TransformStripManagedFields()},
	}
	for _, object := range []client.Object{
		&appsv1.Deployment{}, &appsv1.StatefulSet{}, &batchv1.CronJob{}, &batchv1.Job{},
		&corev1.ConfigMap{}, &corev1.LimitRange{}, &corev1.PersistentVolumeClaim{}, &corev1.ResourceQuota{}, &corev1.Service{},
		&networkingv1.Ingress{}, &networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{}, &rbacv1.RoleBinding{}, &v1alpha1.ResidencyBoundary{},
	} {
		kinds[object] = cache.ByObject{Label: ours}
	}
	return kinds
}

// newHeads makes a cache of the ledger's ConfigMaps that holds their metadata alone:
// all of them together may be large.
func newHeads(mgr ctrl.Manager, namespace string) (cache.Cache, error) {
	heads, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{ledger.Metadata(): {
			Namespaces: map[string]cache.Config{namespace: {}},
			Label:      ledger.Indexed(),
			Transform:  cache.TransformStripManagedFields(),
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("making the cache of the ledger: %w", err)
	}
	if err := mgr.Add(heads); err != nil {
		return nil, fmt.Errorf("adding the cache of the ledger: %w", err)
	}
	return heads, nil
}

// slim forgets what nobody asks for of an object that the operator may have made.
func slim(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		apply.Slim(o)
	}
	switch o := object.(type) {
	case *appsv1.Deployment:
		o.Status.Conditions = nil
	case *corev1.ResourceQuota:
		o.Status = corev1.ResourceQuotaStatus{}
	case *policyv1.PodDisruptionBudget:
		o.Status = policyv1.PodDisruptionBudgetStatus{}
	}
	return object, nil
}

// slimPod keeps where a pod runs, and of the operator's own what they are and how they ended.
func slimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	pod.ManagedFields, pod.Annotations = nil, nil
	pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName}
	ended := corev1.PodStatus{Phase: pod.Status.Phase}
	if pod.Labels[apply.ManagedBy] != apply.ManagedByValue {
		pod.Labels, pod.OwnerReferences, pod.Status = nil, nil, ended
		return object, nil
	}
	for _, c := range pod.Status.ContainerStatuses {
		if t := c.State.Terminated; t != nil && t.Message != "" {
			ended.ContainerStatuses = append(ended.ContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: t.ExitCode, Message: t.Message}},
			})
		}
	}
	pod.Status = ended
	return object, nil
}

// slimNode forgets what is long and never asked for.
func slimNode(object any) (any, error) {
	if node, ok := object.(*corev1.Node); ok {
		node.ManagedFields, node.Annotations = nil, nil
		node.Status.Images, node.Status.Conditions = nil, nil
	}
	return object, nil
}
