package retentionpolicy

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// findShared finds the categories that other policies bound too. A dry run bounds nothing.
func (r *Reconciler) findShared(ctx context.Context, s *scope) error {
	var policies v1alpha1.RetentionPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(s.policy.Namespace)); err != nil {
		return err
	}
	for _, other := range policies.Items {
		if other.Name == s.policy.Name || other.Spec.Mode == v1alpha1.ModeDryRun || s.policy.Spec.Mode == v1alpha1.ModeDryRun {
			continue
		}
		for _, rule := range s.policy.Spec.Rules {
			for _, o := range other.Spec.Rules {
				if o.Category == rule.Category {
					s.facts.Shared = append(s.facts.Shared, fmt.Sprintf("%s here %d days, in %s %d", rule.Category, rule.RetainDays, other.Name, o.RetainDays))
				}
			}
		}
	}
	slices.Sort(s.facts.Shared)
	return nil
}
