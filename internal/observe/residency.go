package observe

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Residency reads where the pods and volumes of a tenant's namespace really are, whoever made them. Pods that have
// ended are nowhere any more. What a move has elsewhere is told apart; the zero Elsewhere is none.
func Residency(ctx context.Context, r client.Reader, namespace string, selector map[string]string, move Elsewhere) (*v1alpha1.Residency, error) {
	want := labels.SelectorFromSet(selector)
	var pods corev1.PodList
	if err := r.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("reading the tenant's pods: %w", err)
	}
	names := map[string]bool{} // whether all that runs there is a move's
	for i := range pods.Items {
		if p := &pods.Items[i]; onNode(p) {
			others, known := names[p.Spec.NodeName]
			names[p.Spec.NodeName] = (others || !known) && move.pod(p)
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
		if n.Missing = err != nil; !n.Missing {
			n.Region, n.Zone, n.InRegion = node.Labels[corev1.LabelTopologyRegion], node.Labels[corev1.LabelTopologyZone], want.Matches(labels.Set(node.Labels))
			n.Moving = !n.InRegion && names[nodeName] && move.node(node)
		}
		seen.Nodes = append(seen.Nodes, n)
	}
	volumes, err := volumes(ctx, r, namespace, selector, move)
	if err != nil {
		return nil, err
	}
	seen.Volumes = volumes
	return seen, nil
}

func volumes(ctx context.Context, r client.Reader, namespace string, selector map[string]string, move Elsewhere) ([]v1alpha1.ObservedVolume, error) {
	var all corev1.PersistentVolumeList
	if err := r.List(ctx, &all, client.MatchingFields{VolumeNamespace: namespace}); err != nil {
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
		o.Moving = !o.InRegion && move.volume(v)
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

// SubProcessors are who carries the messages of channels, whose systems webhooks tell, and by whom a tenant's staff sign in, as a Region's
// register has them.
func SubProcessors(region *v1alpha1.Region, channels []v1alpha1.Channel, t *v1alpha1.Tenant) []v1alpha1.ObservedSubProcessor {
	var seen []v1alpha1.ObservedSubProcessor
	for i := range channels {
		if channels[i].Spec.SubProcessor == "" {
			continue // a web chat: nobody else carries it
		}
		seen = append(seen, v1alpha1.ObservedSubProcessor{Channel: channels[i].Name, Name: channels[i].Spec.SubProcessor})
	}
	for i := range t.Spec.Webhooks {
		seen = append(seen, v1alpha1.ObservedSubProcessor{Channel: v1alpha1.WebhookPrefix + t.Spec.Webhooks[i].Name, Name: t.Spec.Webhooks[i].SubProcessor})
	}
	if o := t.Spec.StaffOIDC; o != nil {
		seen = append(seen, v1alpha1.ObservedSubProcessor{Channel: v1alpha1.StaffOIDCFlow, Name: o.SubProcessor})
	}
	for i := range seen {
		o := &seen[i]
		for _, p := range region.Spec.SubProcessors {
			if p.Name == o.Name {
				o.Location, o.TransferMechanism, o.Allowed = p.Location, p.TransferMechanism, plan.Covered(region, p)
			}
		}
	}
	slices.SortFunc(seen, func(a, b v1alpha1.ObservedSubProcessor) int { return cmp.Compare(a.Channel, b.Channel) })
	return seen
}

// ExternalDatabase is where a Region says that its provider's servers are; nil when the databases run in the tenants' namespaces.
func ExternalDatabase(region *v1alpha1.Region) *v1alpha1.ObservedDatabase {
	e := plan.External(region)
	if e == nil {
		return nil
	}
	return &v1alpha1.ObservedDatabase{
		Provider: e.Provider, Location: e.Location, TransferMechanism: e.TransferMechanism, Claimed: true, Allowed: plan.DatabasePlace(region) == nil,
	}
}

// Boundary reads what a tenant's namespace is held to; nil when nothing was drawn yet.
func Boundary(ctx context.Context, r client.Reader, namespace string) (*v1alpha1.ResidencyBoundary, error) {
	b := &v1alpha1.ResidencyBoundary{}
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name.Boundary}, b)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the boundary of namespace %s: %w", namespace, err)
	default:
		return b, nil
	}
}

// isDefaultClass is the annotation by which Kubernetes knows the default StorageClass.
const isDefaultClass = "storageclass.kubernetes.io/is-default-class"

// DefaultClass is the StorageClass of claims that name none: the newest that is marked so; empty when none is.
func DefaultClass(ctx context.Context, r client.Reader) (string, error) {
	var classes storagev1.StorageClassList
	if err := r.List(ctx, &classes); err != nil {
		return "", fmt.Errorf("reading the StorageClasses: %w", err)
	}
	slices.SortFunc(classes.Items, func(a, b storagev1.StorageClass) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for _, c := range classes.Items {
		if c.Annotations[isDefaultClass] == "true" {
			return c.Name, nil
		}
	}
	return "", nil
}
