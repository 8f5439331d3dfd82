package plan_test

import (
	"testing"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

func TestCopiesAreKeptNoLongerThanPoliciesAllow(t *testing.T) {
	five, thirty := int32(5), int32(30)
	limit := func(policy, mode string, days int32) contract.Retention {
		return contract.Retention{Policy: policy, Mode: mode, Rules: []contract.RetentionRule{{Category: contract.CategoryMessages, RetainDays: days}}}
	}
	for sentence, c := range map[string]struct {
		backup v1alpha1.Backup
		limits []contract.Retention
		days   int32
		by     string
	}{
		"nothing said":             {v1alpha1.Backup{}, nil, 7, ""},
		"as asked for":             {v1alpha1.Backup{KeepDays: &thirty}, []contract.Retention{limit("a", contract.ModeEnforce, 90)}, 30, ""},
		"as long as the limit":     {v1alpha1.Backup{KeepDays: &thirty}, []contract.Retention{limit("a", contract.ModeEnforce, 30)}, 30, ""},
		"the shortest limit binds": {v1alpha1.Backup{KeepDays: &thirty}, []contract.Retention{limit("a", contract.ModeEnforce, 20), limit("b", contract.ModeEnforce, 3)}, 3, "b/Messages"},
		"a dry run bounds nothing": {v1alpha1.Backup{KeepDays: &five}, []contract.Retention{limit("a", contract.ModeDryRun, 1)}, 5, ""},
	} {
		days, by := plan.KeepDays(&c.backup, c.limits)
		if days != c.days || by != c.by {
			t.Errorf("%s: %d days by %q, want %d by %q", sentence, days, by, c.days, c.by)
		}
	}
}
