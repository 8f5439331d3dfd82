package observe

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Indexes of the operator's caches: what a pass over one tenant reads must not grow with the number of tenants.
const (
	// VolumeNamespace finds PersistentVolumes by the namespace of the claim that they are bound to.
	VolumeNamespace = "spec.claimRef.namespace"
	// PodNode finds pods by the node that they are on.
	PodNode = "spec.nodeName"
	// TenantNamespace finds Tenants by the namespace that they claim.
	TenantNamespace = "namespace"
)

// Index makes the indexes; before the caches are filled.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	for _, i := range Indexes() {
		if err := indexer.IndexField(ctx, i.Object, i.Field, i.Values); err != nil {
			return fmt.Errorf("indexing %T by %s: %w", i.Object, i.Field, err)
		}
	}
	return nil
}

// IndexOf is one index: of what, under which name, and the values that an object is found by.
type IndexOf struct {
	Object client.Object
	Field  string
	Values client.IndexerFunc
}

// Indexes lists them all.
func Indexes() []IndexOf {
	return []IndexOf{
		{&corev1.PersistentVolume{}, VolumeNamespace, func(o client.Object) []string {
			if v, ok := o.(*corev1.PersistentVolume); ok && v.Spec.ClaimRef != nil {
				return []string{v.Spec.ClaimRef.Namespace}
			}
			return nil
		}},
		{&corev1.Pod{}, PodNode, func(o client.Object) []string {
			if p, ok := o.(*corev1.Pod); ok && p.Spec.NodeName != "" {
				return []string{p.Spec.NodeName}
			}
			return nil
		}},
		{&v1alpha1.Tenant{}, TenantNamespace, func(o client.Object) []string {
			if t, ok := o.(*v1alpha1.Tenant); ok {
				return []string{plan.Tenant{Tenant: t}.Namespace()}
			}
			return nil
		}},
	}
}
