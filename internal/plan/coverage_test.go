package plan_test

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

func rules(pairs ...any) []v1alpha1.RetentionRule {
	var all []v1alpha1.RetentionRule
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, v1alpha1.RetentionRule{Category: pairs[i].(v1alpha1.Category), RetainDays: int32(pairs[i+1].(int))})
	}
	return all
}

// TestTheRegionsDefaultBoundsWhatNoPolicyBounds: no more and no less, and it comes back
// when a policy goes.
func TestTheRegionsDefaultBoundsWhatNoPolicyBounds(t *testing.T) {
	const messages, metadata, contacts, logs = v1alpha1.CategoryMessages, v1alpha1.CategoryMessageMetadata, v1alpha1.CategoryContacts, v1alpha1.CategoryAccessLogs
	region := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}}
	region.Spec.DefaultRetention = &v1alpha1.DefaultRetention{Rules: rules(messages, 90, metadata, 180, contacts, 365)}
	ceiling := int32(1000)
	region.Spec.RetentionBounds = []v1alpha1.RetentionBound{{Category: contacts, MaxDays: &ceiling}}
	policy := func(change func(*v1alpha1.RetentionPolicy), r ...any) v1alpha1.RetentionPolicy {
		p := v1alpha1.RetentionPolicy{Spec: v1alpha1.RetentionPolicySpec{Schedule: "@daily", Rules: rules(r...)}}
		change(&p)
		return p
	}
	as := func(*v1alpha1.RetentionPolicy) {}
	now := metav1.Now()
	for _, c := range []struct {
		sentence string
		own      []v1alpha1.RetentionPolicy
		want     []v1alpha1.RetentionRule
	}{
		{"no policy at all", nil, rules(contacts, 365, metadata, 180, messages, 90)},
		{"a policy for contacts", []v1alpha1.RetentionPolicy{policy(as, contacts, 30)}, rules(metadata, 180, messages, 90)},
		{"metadata takes content with it", []v1alpha1.RetentionPolicy{policy(as, metadata, 30)}, rules(contacts, 365)},
		{"metadata is kept as long as the tenant's own content", []v1alpha1.RetentionPolicy{policy(as, messages, 400)}, rules(contacts, 365, metadata, 400)},
		{"all that the region bounds is bounded", []v1alpha1.RetentionPolicy{policy(as, contacts, 30, metadata, 30), policy(as, logs, 7)}, nil},
		{"a dry run bounds nothing", []v1alpha1.RetentionPolicy{policy(func(p *v1alpha1.RetentionPolicy) { p.Spec.Mode = v1alpha1.ModeDryRun }, contacts, 30, metadata, 30)},
			rules(contacts, 365, metadata, 180, messages, 90)},
		{"a policy that is refused bounds nothing", []v1alpha1.RetentionPolicy{policy(as, contacts, 2000)}, rules(contacts, 365, metadata, 180, messages, 90)},
		{"a policy that is being deleted bounds nothing", []v1alpha1.RetentionPolicy{policy(func(p *v1alpha1.RetentionPolicy) { p.DeletionTimestamp = &now }, contacts, 30)},
			rules(contacts, 365, metadata, 180, messages, 90)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			in := plan.Tenant{Tenant: &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"}}, Region: region}
			got := plan.RegionDefault(in, c.own)
			var have []v1alpha1.RetentionRule
			if got != nil {
				have = got.Spec.Rules
				if !plan.IsRegionDefault(got) || got.Name != "region-default" || got.Spec.Schedule == "" || plan.Accept(region, got) != nil {
					t.Errorf("the policy is %+v", got)
				}
			}
			if !slices.Equal(have, c.want) {
				t.Errorf("rules %v, want %v", have, c.want)
			}
		})
	}
	t.Run("what nothing bounds is named", func(t *testing.T) {
		got := plan.Unbounded(region, []v1alpha1.RetentionPolicy{policy(as, metadata, 30, contacts, 30, logs, 7)})
		if want := []v1alpha1.Category{"StaffAccounts", "WebChatSessions", "IntegrationData", "Testimonials"}; !slices.Equal(got, want) {
			t.Errorf("unbounded are %v, want %v", got, want)
		}
	})
}
