package observe

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Region is what is there of a region. What its Tenants hold is the cache's own, and must not be changed.
type Region struct {
	Nodes   []string // by name
	Tenants []v1alpha1.Tenant
	Class   *v1alpha1.RegionStorageClass // nil when neither the Region names one nor the cluster has a default
}

// ReadRegion reads it.
func ReadRegion(ctx context.Context, r client.Reader, region *v1alpha1.Region) (Region, error) {
	var seen Region
	var nodes corev1.NodeList
	if err := r.List(ctx, &nodes, client.MatchingLabels(plan.NodeSelector(region)), client.UnsafeDisableDeepCopy); err != nil {
		return seen, fmt.Errorf("reading nodes: %w", err)
	}
	for _, n := range nodes.Items {
		seen.Nodes = append(seen.Nodes, n.Name)
	}
	slices.Sort(seen.Nodes)
	var tenants v1alpha1.TenantList
	if err := r.List(ctx, &tenants, client.UnsafeDisableDeepCopy); err != nil {
		return seen, fmt.Errorf("reading Tenants: %w", err)
	}
	seen.Tenants = slices.DeleteFunc(tenants.Items, func(t v1alpha1.Tenant) bool { return t.Spec.Region != region.Name })
	slices.SortFunc(seen.Tenants, func(a, b v1alpha1.Tenant) int { return cmp.Compare(a.Name, b.Name) })
	class, err := storageClass(ctx, r, region)
	seen.Class = class
	return seen, err
}

func storageClass(ctx context.Context, r client.Reader, region *v1alpha1.Region) (*v1alpha1.RegionStorageClass, error) {
	className := region.Spec.StorageClassName
	if className == "" {
		fallback, err := DefaultClass(ctx, r)
		if err != nil || fallback == "" {
			return nil, err
		}
		className = fallback
	}
	class := &storagev1.StorageClass{}
	err := r.Get(ctx, client.ObjectKey{Name: className}, class)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading StorageClass %s: %w", className, err)
	}
	return &v1alpha1.RegionStorageClass{Name: className, Provisioner: class.Provisioner, Bound: err == nil && bound(class, plan.NodeSelector(region))}, nil
}

// bound says whether a class makes volumes in the region alone: each of its topologies demands the region's labels, or
// it waits for a pod, which demands them.
func bound(class *storagev1.StorageClass, selector map[string]string) bool {
	if len(class.AllowedTopologies) == 0 {
		return class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	}
	for _, term := range class.AllowedTopologies {
		for key, value := range selector {
			if !slices.ContainsFunc(term.MatchLabelExpressions, func(e corev1.TopologySelectorLabelRequirement) bool {
				return e.Key == key && len(e.Values) == 1 && e.Values[0] == value
			}) {
				return false
			}
		}
	}
	return true
}
