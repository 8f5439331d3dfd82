package tenant

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// coverRetention has the Region's default bound what the tenant's own policies leave
// unbounded: deletion never stops because a policy was deleted.
func (r *Reconciler) coverRetention(ctx context.Context, s *scope) error {
	var policies v1alpha1.RetentionPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(s.in.Namespace())); err != nil {
		return err
	}
	taken := slices.ContainsFunc(policies.Items, func(p v1alpha1.RetentionPolicy) bool {
		return p.Name == name.RegionDefault && !plan.IsRegionDefault(&p)
	})
	own := slices.DeleteFunc(policies.Items, func(p v1alpha1.RetentionPolicy) bool { return plan.IsRegionDefault(&p) })
	fallback := plan.RegionDefault(s.in, own)
	if fallback != nil && taken {
		s.facts.Covered.Problem = fmt.Sprintf("RetentionPolicy %s is somebody's own, and the region's default needs that name: rename it", name.RegionDefault)
		fallback = nil
	}
	if fallback == nil {
		if err := r.Applier.Prune(ctx, s.in.Namespace(), plan.RegionDefaultLabels(s.tenant.Name), nil, &v1alpha1.RetentionPolicyList{}); err != nil {
			return err
		}
		s.facts.Covered.Unbounded = plan.Unbounded(s.in.Region, own)
	} else {
		if err := r.Applier.Apply(ctx, fallback); err != nil {
			return err
		}
		s.facts.Covered.Unbounded = plan.Unbounded(s.in.Region, append(own, *fallback))
	}
	s.fallback = fallback
	s.facts.Covered.Known = true
	return nil
}
