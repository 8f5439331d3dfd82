package tenant

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

func TestTheFirstProbeWaitsForTheTenant(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	condition := func(kind string, status metav1.ConditionStatus, age time.Duration) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, LastTransitionTime: metav1.NewTime(now.Add(-age))}
	}
	serves := func(status metav1.ConditionStatus) metav1.Condition {
		return condition(v1alpha1.ConditionInstanceAvailable, status, time.Second)
	}
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		probed     bool
		want       time.Duration
	}{
		"of one that has just come":         {nil, false, probePatience},
		"of one without a database":         {[]metav1.Condition{serves("False"), condition(v1alpha1.ConditionMigrated, "False", time.Hour)}, false, probePatience},
		"of one whose server is on its way": {[]metav1.Condition{serves("False"), condition(v1alpha1.ConditionMigrated, "True", 20*time.Second)}, false, 40 * time.Second},
		"of one whose server does not come": {[]metav1.Condition{serves("False"), condition(v1alpha1.ConditionMigrated, "True", time.Hour)}, false, 0},
		"of one that is served":             {[]metav1.Condition{serves("True"), condition(v1alpha1.ConditionMigrated, "True", time.Second)}, false, 0},
		"of one that was probed before":     {[]metav1.Condition{serves("False"), condition(v1alpha1.ConditionMigrated, "False", time.Second)}, true, 0},
	} {
		st := &v1alpha1.TenantStatus{Conditions: c.conditions}
		if c.probed {
			st.Network = &v1alpha1.NetworkProbe{}
		}
		if got := settling(st, now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
