package judge_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// A provider that can't be used is told, with what that means for staff, and keeps up nothing else.
func TestAProviderOfTheSignInIsToldOf(t *testing.T) {
	provider, required := &v1alpha1.StaffOIDC{Name: "Directory"}, &v1alpha1.StaffOIDC{Name: "Directory", Required: true}
	missing := &plan.Refusal{Reason: v1alpha1.ReasonSecretMissing, Message: "there is no Secret staff-oidc"}
	for name, c := range map[string]struct {
		facts  judge.TenantFacts
		status metav1.ConditionStatus // "" for no condition
		reason string
		says   string
	}{
		"none":                 {judge.TenantFacts{}, "", "", ""},
		"not looked at":        {judge.TenantFacts{StaffOIDC: judge.StaffOIDC{Provider: provider}}, metav1.ConditionUnknown, v1alpha1.ReasonWaiting, ""},
		"ready":                {judge.TenantFacts{StaffOIDC: judge.StaffOIDC{Provider: provider, Looked: true}}, metav1.ConditionTrue, v1alpha1.ReasonReady, "sign in by Directory"},
		"no secret":            {judge.TenantFacts{StaffOIDC: judge.StaffOIDC{Provider: provider, Looked: true, Refusal: missing}}, metav1.ConditionFalse, v1alpha1.ReasonSecretMissing, "by their passwords"},
		"no secret, required":  {judge.TenantFacts{StaffOIDC: judge.StaffOIDC{Provider: required, Looked: true, Refusal: missing}}, metav1.ConditionFalse, v1alpha1.ReasonSecretMissing, "nobody signs in"},
		"outside of its place": {judge.TenantFacts{Residency: &v1alpha1.Residency{EgressClosed: true}, StaffOIDC: judge.StaffOIDC{Provider: provider, Looked: true}}, metav1.ConditionFalse, v1alpha1.ReasonEgressClosed, "ResidencyCompliant"},
		"suspended":            {judge.TenantFacts{Suspended: true, StaffOIDC: judge.StaffOIDC{Provider: provider}}, metav1.ConditionFalse, v1alpha1.ReasonSuspended, "spec.suspended"},
	} {
		var found *metav1.Condition
		conditions := judge.Tenant(c.facts)
		for i := range conditions {
			if conditions[i].Type == v1alpha1.ConditionStaffOIDCReady {
				found = &conditions[i]
			}
		}
		switch {
		case c.status == "" && found != nil:
			t.Errorf("%s: %+v", name, found)
		case c.status != "" && (found == nil || found.Status != c.status || found.Reason != c.reason || !strings.Contains(found.Message, c.says)):
			t.Errorf("%s: %+v, want %s, %s and %q", name, found, c.status, c.reason, c.says)
		}
	}
}
