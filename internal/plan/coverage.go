package plan

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// componentRegionDefault labels the policy that the operator makes of a Region's default.
const componentRegionDefault = "region-default"

// defaultSchedule of a Region's default policy.
const defaultSchedule = "30 2 * * *"

// Unbounded lists the categories that no policy in force bounds, in the order of
// contract.Categories. A limit of MessageMetadata bounds Messages and Attachments too.
func Unbounded(region *v1alpha1.Region, policies []v1alpha1.RetentionPolicy) []v1alpha1.Category {
	bounded := map[v1alpha1.Category]bool{}
	for i := range policies {
		p := &policies[i]
		if !p.DeletionTimestamp.IsZero() || p.Spec.Mode == v1alpha1.ModeDryRun || Accept(region, p) != nil {
			continue
		}
		for _, rule := range p.Spec.Rules {
			bounded[rule.Category] = true
		}
	}
	if bounded[v1alpha1.CategoryMessageMetadata] {
		bounded[v1alpha1.CategoryMessages], bounded[v1alpha1.CategoryAttachments] = true, true
	}
	var unbounded []v1alpha1.Category
	for _, c := range contract.Categories() {
		if !bounded[v1alpha1.Category(c)] {
			unbounded = append(unbounded, v1alpha1.Category(c))
		}
	}
	return unbounded
}

// RegionDefault is the policy of the Region's default for what the tenant's own policies
// leave unbounded; nil when there is nothing to bound. Metadata is not kept shorter than
// content that the tenant's own policies keep longer: it would take the content with it.
func RegionDefault(in Tenant, own []v1alpha1.RetentionPolicy) *v1alpha1.RetentionPolicy {
	d := in.Region.Spec.DefaultRetention
	if d == nil {
		return nil
	}
	unbounded := Unbounded(in.Region, own)
	var rules []v1alpha1.RetentionRule
	for _, rule := range d.Rules {
		if !slices.Contains(unbounded, rule.Category) {
			continue
		}
		if rule.Category == v1alpha1.CategoryMessageMetadata {
			rule.RetainDays = max(rule.RetainDays, longestContent(own))
		}
		rules = append(rules, rule)
	}
	if len(rules) == 0 {
		return nil
	}
	slices.SortFunc(rules, func(a, b v1alpha1.RetentionRule) int { return cmp.Compare(a.Category, b.Category) })
	return &v1alpha1.RetentionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "RetentionPolicy"},
		ObjectMeta: in.tenantMeta(name.RegionDefault, componentRegionDefault),
		Spec: v1alpha1.RetentionPolicySpec{
			Schedule: cmp.Or(d.Schedule, defaultSchedule), TimeZone: d.TimeZone, Rules: rules,
		},
	}
}

// longestContent is the longest limit of Messages and Attachments in a tenant's own policies, in days.
func longestContent(own []v1alpha1.RetentionPolicy) int32 {
	longest := int32(0)
	for _, p := range own {
		for _, rule := range p.Spec.Rules {
			if rule.Category == v1alpha1.CategoryMessages || rule.Category == v1alpha1.CategoryAttachments {
				longest = max(longest, rule.RetainDays)
			}
		}
	}
	return longest
}

// IsRegionDefault says that a policy is the one that the operator made of the Region's default.
func IsRegionDefault(p *v1alpha1.RetentionPolicy) bool {
	return p.Name == name.RegionDefault && p.Labels[labelManagedBy] == ManagedBy && p.Labels[labelComponent] == componentRegionDefault
}

// RegionDefaultLabels select that policy.
func RegionDefaultLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentRegionDefault
	return l
}
