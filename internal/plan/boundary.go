package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Boundary is what admission policies hold the tenant's namespace to. It has no owner: the data outlives the Tenant.
func Boundary(in Tenant) *v1alpha1.ResidencyBoundary {
	region := in.Region.Spec
	b := &v1alpha1.ResidencyBoundary{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ResidencyBoundary"},
		ObjectMeta: metav1.ObjectMeta{Name: name.Boundary, Namespace: in.Namespace(), Labels: in.labels(componentIsolation)},
		Spec: v1alpha1.ResidencyBoundarySpec{
			Region: in.Region.Name, Jurisdiction: region.Jurisdiction, NodeSelector: labelValues(in.NodeSelector()), Tolerations: region.Tolerations,
			StorageClassName: cmp.Or(region.StorageClassName, in.DefaultClass), VolumeSnapshotClassName: region.VolumeSnapshotClassName,
			Hostname: in.Tenant.Spec.Hostname,
		},
	}
	if in.Database != name.Postgres {
		b.Spec.Database = in.Database
	}
	if to := in.Incoming; to != nil {
		b.Spec.Move = &v1alpha1.BoundaryMove{
			Region: to.Name, NodeSelector: labelValues(NodeSelector(to)), Tolerations: to.Spec.Tolerations,
			StorageClassName: cmp.Or(to.Spec.StorageClassName, in.DefaultClass), Database: name.DatabaseIn(to.Name),
		}
	}
	if r := region.Routes; r != nil {
		b.Spec.Gateway = r.Gateway.DeepCopy()
		if r.Ingress != nil {
			b.Spec.IngressClassName = r.Ingress.ClassName
		}
	}
	return b
}

// InForce gives a region as a tenant is held to it: where it is, and under which law, is what the tenant's boundary
// says. A changed Region reaches a tenant when its boundary is drawn anew; one without a boundary has the Region's.
func InForce(region *v1alpha1.Region, boundary *v1alpha1.ResidencyBoundary) *v1alpha1.Region {
	if boundary == nil || boundary.Spec.Region != region.Name {
		return region
	}
	r := region.DeepCopy()
	r.Spec.NodeSelector, r.Spec.Jurisdiction = maps.Clone(boundary.Spec.NodeSelector), boundary.Spec.Jurisdiction
	return r
}

// SamePlace says whether two regions have the same nodes and law.
func SamePlace(a, b *v1alpha1.Region) bool {
	return a.Spec.Jurisdiction == b.Spec.Jurisdiction && maps.Equal(NodeSelector(a), NodeSelector(b))
}

// PlaceDigest names a region's place, for approving a change to it: 16 hexadecimal digits.
func PlaceDigest(region *v1alpha1.Region) string {
	sum := sha256.Sum256([]byte(mustJSON(map[string]any{"nodeSelector": NodeSelector(region), "jurisdiction": region.Spec.Jurisdiction})))
	return hex.EncodeToString(sum[:8])
}

func labelValues(labels map[string]string) map[string]v1alpha1.LabelValue {
	values := map[string]v1alpha1.LabelValue{}
	for k, v := range labels {
		values[k] = v1alpha1.LabelValue(v)
	}
	return values
}
