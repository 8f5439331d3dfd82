package judge

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// StaffOIDC is what is known of the provider that a tenant's staff sign in by.
type StaffOIDC struct {
	Provider *v1alpha1.StaffOIDC // nil for none
	Looked   bool                // the steps came to it
	Refusal  *plan.Refusal       // it can't be used
}

// staffOIDC is not part of Ready: who is signed in is served, and passwords are taken unless the provider is required. Nothing is said of a
// tenant that has none.
func staffOIDC(f TenantFacts) []metav1.Condition {
	const condition = v1alpha1.ConditionStaffOIDCReady
	o := f.StaffOIDC
	if o.Provider == nil {
		return nil
	}
	instead := ". Until then staff sign in by their passwords"
	if o.Provider.Required {
		instead = ". Until then nobody signs in, since spec.staffOIDC.required is true"
	}
	switch {
	case f.Suspended:
		return []metav1.Condition{is(condition, false, v1alpha1.ReasonSuspended, "spec.suspended is true: set it to false to let staff sign in again")}
	case !o.Looked:
		return []metav1.Condition{unknown(condition, v1alpha1.ReasonWaiting, "not come to yet")}
	case o.Refusal != nil:
		return []metav1.Condition{is(condition, false, o.Refusal.Reason, o.Refusal.Message+instead)}
	case f.Residency != nil && f.Residency.EgressClosed:
		return []metav1.Condition{is(condition, false, v1alpha1.ReasonEgressClosed, "something of the tenant is outside of its region, so that the provider is not asked: see condition ResidencyCompliant"+instead)}
	}
	if c, lacks := f.Rollout.lacked(condition, contract.PartStaffOIDC); lacks {
		c.Message += ". Until then staff sign in by their passwords, even if spec.staffOIDC.required is true"
		return []metav1.Condition{c}
	}
	return []metav1.Condition{is(condition, true, v1alpha1.ReasonReady, "staff may sign in by "+o.Provider.Name)}
}
