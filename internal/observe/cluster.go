package observe

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Cluster reads a database that CloudNativePG runs, live: nothing of its kind is cached but metadata.
func Cluster(ctx context.Context, r client.Reader, namespace string) (Workload, error) {
	c := &unstructured.Unstructured{}
	c.SetGroupVersionKind(plan.ClusterKind)
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name.Postgres}, c); err != nil {
		return Workload{}, wrap("reading Cluster "+name.Postgres, client.IgnoreNotFound(err))
	}
	wanted, _, _ := unstructured.NestedInt64(c.Object, "spec", "instances")
	ready, _, _ := unstructured.NestedInt64(c.Object, "status", "readyInstances")
	primary, _, _ := unstructured.NestedString(c.Object, "status", "currentPrimary")
	return Workload{
		Exists: true, Wanted: int32(wanted), Available: int32(ready), //nolint:gosec // few
		Settled: ready > 0 && primary != "",
	}, nil
}

// SleepingCluster gives the claim of the pod that led a Cluster which sleeps; empty while anything of it runs.
func SleepingCluster(ctx context.Context, r client.Reader, namespace string) (string, error) {
	c := &unstructured.Unstructured{}
	c.SetGroupVersionKind(plan.ClusterKind)
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name.Postgres}, c); err != nil {
		return "", wrap("reading Cluster "+name.Postgres, err)
	}
	pods, err := ofCluster(ctx, r, namespace, "Pod")
	if err != nil {
		return "", err
	}
	conditions, _, _ := unstructured.NestedSlice(c.Object, "status", "conditions")
	asleep := slices.ContainsFunc(conditions, func(v any) bool {
		condition, _ := v.(map[string]any)
		return condition["type"] == plan.ClusterSleeps && condition["status"] == string(metav1.ConditionTrue)
	})
	leader, _, _ := unstructured.NestedString(c.Object, "status", "currentPrimary")
	if !asleep || leader == "" || len(pods) > 0 {
		return "", nil
	}
	return plan.ClusterClaim(leader), nil
}

// ClusterClaims gives the claims of the volumes of a Cluster.
func ClusterClaims(ctx context.Context, r client.Reader, namespace string) ([]unstructured.Unstructured, error) {
	return ofCluster(ctx, r, namespace, "PersistentVolumeClaim")
}

// ofCluster reads live what CloudNativePG made for a Cluster: its labels are not in the caches.
func ofCluster(ctx context.Context, r client.Reader, namespace, kind string) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind + "List"))
	err := r.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels(plan.ClusterLabels()))
	return list.Items, wrap("looking for each "+kind+" of Cluster "+name.Postgres, err)
}
