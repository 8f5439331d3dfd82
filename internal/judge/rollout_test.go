package judge_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/rollout"
)

// What the image of before does not know is told by each condition that it concerns, and by no other.
func TestWhatAnImageLacksIsTold(t *testing.T) {
	all := []string{v1alpha1.ConditionMigrated, v1alpha1.ConditionSendWindowInForce, v1alpha1.ConditionStaffOIDCReady, v1alpha1.ConditionWebhooksDelivered}
	for name, c := range map[string]struct {
		lacks []string
		says  []string
	}{
		"nothing":    {nil, nil},
		"a notice":   {[]string{"privacyNotice"}, []string{v1alpha1.ConditionMigrated}},
		"a window":   {[]string{"sendWindow"}, []string{v1alpha1.ConditionMigrated, v1alpha1.ConditionSendWindowInForce}},
		"a provider": {[]string{"staffOIDC"}, []string{v1alpha1.ConditionStaffOIDCReady}},
		"webhooks":   {[]string{"webhooks"}, []string{v1alpha1.ConditionMigrated, v1alpha1.ConditionWebhooksDelivered}},
	} {
		f := judge.TenantFacts{
			SendWindow: &v1alpha1.SendWindow{Start: "08:00", End: "20:00", TimeZone: "UTC"},
			StaffOIDC:  judge.StaffOIDC{Provider: &v1alpha1.StaffOIDC{Name: "Example"}, Looked: true},
			Webhooks:   judge.Webhooks{All: []judge.Webhook{{Name: "pms"}}, Told: true},
			Setup:      observe.Setup{Done: true},
			Rollout: judge.Rollout{
				Status: &v1alpha1.InstanceStatus{Image: "instance:one", Lacks: c.lacks}, Wanted: "instance:two",
				Turn: rollout.Turn{Reason: v1alpha1.ReasonWaitingForTurn, Message: "instance:two waits for its turn"},
			},
		}
		conditions := judge.Tenant(f)
		for _, condition := range all {
			got := meta.FindStatusCondition(conditions, condition)
			switch {
			case got == nil:
				t.Errorf("%s: no %s", name, condition)
			case slices.Contains(c.says, condition) != (got.Reason == v1alpha1.ReasonImageTooOld):
				t.Errorf("%s: %+v", name, got)
			case slices.Contains(c.says, condition) && !strings.HasPrefix(got.Message, "spec."+c.lacks[0]+" is not in force: instance:one"):
				t.Errorf("%s: %+v", name, got)
			}
		}
		upToDate := meta.FindStatusCondition(conditions, v1alpha1.ConditionUpToDate)
		if upToDate.Reason != v1alpha1.ReasonWaitingForTurn || strings.Contains(upToDate.Message, "does not know") != (c.lacks != nil) {
			t.Errorf("%s: %+v", name, upToDate)
		}
	}
	// There is no turn to wait for where the operator was told an image of before.
	behind := judge.Tenant(judge.TenantFacts{Rollout: judge.Rollout{Status: &v1alpha1.InstanceStatus{Image: "instance:one", Lacks: []string{"sendWindow"}}, Wanted: "instance:one"}})
	if c := meta.FindStatusCondition(behind, v1alpha1.ConditionUpToDate); c.Reason != v1alpha1.ReasonImageTooOld || !strings.Contains(c.Message, "an image of its own release") {
		t.Errorf("an image of before: %+v", c)
	}
}
