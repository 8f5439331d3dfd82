package observe

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Residency reads where a tenant's pods and volumes really are.
func Residency(ctx context.Context, r client.Reader, tenant, namespace string, selector map[string]string) (*v1alpha1.Residency, error) {
	want := labels.SelectorFromSet(selector)
	var pods corev1.PodList
	if err := r.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(plan.TenantLabels(tenant))); err != nil {
		return nil, fmt.Errorf("reading the tenant's pods: %w", err)
	}
	names := map[string]bool{}
	for _, p := range pods.Items {
		if p.Spec.NodeName != "" {
			names[p.Spec.NodeName] = true
		}
	}
	seen := &v1alpha1.Residency{}
	for _, nodeName := range slices.Sorted(maps.Keys(names)) {
		n := v1alpha1.ObservedNode{Name: nodeName}
		node := &corev1.Node{}
		err := r.Get(ctx, client.ObjectKey{Name: nodeName}, node)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading node %s: %w", nodeName, err)
		}
		if err == nil {
			n.Region, n.InRegion = node.Labels[corev1.LabelTopologyRegion], want.Matches(labels.Set(node.Labels))
		}
		seen.Nodes = append(seen.Nodes, n)
	}
	volumes, err := volumes(ctx, r, namespace, selector)
	if err != nil {
		return nil, err
	}
	seen.Volumes = volumes
	return seen, nil
}

func volumes(ctx context.Context, r client.Reader, namespace string, selector map[string]string) ([]v1alpha1.ObservedVolume, error) {
	var all corev1.PersistentVolumeList
	if err := r.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("reading volumes: %w", err)
	}
	var seen []v1alpha1.ObservedVolume
	for i := range all.Items {
		v := &all.Items[i]
		if v.Spec.ClaimRef == nil || v.Spec.ClaimRef.Namespace != namespace {
			continue
		}
		o := v1alpha1.ObservedVolume{Name: v.Name, Claim: v.Spec.ClaimRef.Name}
		o.Region, o.InRegion = topology(v, selector)
		seen = append(seen, o)
	}
	slices.SortFunc(seen, func(a, b v1alpha1.ObservedVolume) int { return cmp.Compare(a.Name, b.Name) })
	return seen, nil
}

// topology says which region a volume is bound to, and whether its affinity alone
// keeps it on nodes that match the selector: every term must demand every label.
func topology(v *corev1.PersistentVolume, selector map[string]string) (region string, in bool) {
	if v.Spec.NodeAffinity == nil || v.Spec.NodeAffinity.Required == nil || len(v.Spec.NodeAffinity.Required.NodeSelectorTerms) == 0 {
		return "", false
	}
	in = true
	for _, term := range v.Spec.NodeAffinity.Required.NodeSelectorTerms {
		demanded := map[string]string{}
		for _, e := range term.MatchExpressions {
			if e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
				demanded[e.Key] = e.Values[0]
			}
		}
		region = demanded[corev1.LabelTopologyRegion]
		for key, value := range selector {
			in = in && demanded[key] == value
		}
	}
	return region, in
}
