package judge_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// A window that can't be kept is told, and keeps up nothing else.
func TestASendWindowIsToldOf(t *testing.T) {
	for name, c := range map[string]struct {
		window *v1alpha1.SendWindow
		done   bool
		status metav1.ConditionStatus // "" for no condition
		says   string
	}{
		"none":             {nil, true, "", ""},
		"in force":         {&v1alpha1.SendWindow{Start: "08:00", End: "20:00", TimeZone: "Europe/Berlin"}, true, metav1.ConditionTrue, "from 08:00 to 20:00"},
		"not migrated yet": {&v1alpha1.SendWindow{Start: "08:00", End: "20:00", TimeZone: "Europe/Berlin"}, false, metav1.ConditionUnknown, "not know it yet"},
		"a zone of none":   {&v1alpha1.SendWindow{Start: "08:00", End: "20:00", TimeZone: "Europe/Atlantis"}, true, metav1.ConditionFalse, `"Europe/Atlantis" is not known, so that automated messages wait: use a name`},
	} {
		var found *metav1.Condition
		conditions := judge.Tenant(judge.TenantFacts{SendWindow: c.window, Setup: observe.Setup{Done: c.done}})
		for i := range conditions {
			if conditions[i].Type == v1alpha1.ConditionSendWindowInForce {
				found = &conditions[i]
			}
		}
		switch {
		case c.status == "" && found != nil:
			t.Errorf("%s: %+v", name, found)
		case c.status != "" && (found == nil || found.Status != c.status || !strings.Contains(found.Message, c.says)):
			t.Errorf("%s: %+v, want %s and %q", name, found, c.status, c.says)
		}
	}
}
