package plan_test

import (
	"strings"
	"testing"
	"time"

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

func TestCopiesExpireWithTheFirstRunAfterTheirTime(t *testing.T) {
	taken := time.Date(2026, 11, 24, 1, 30, 7, 0, time.UTC)
	for schedule, want := range map[string]time.Time{
		"":            time.Date(2026, 12, 1, 1, 30, 0, 0, time.UTC), // seven days later, some seconds early
		"0 0 * * SUN": time.Date(2026, 12, 6, 0, 0, 0, 0, time.UTC),
	} {
		by, err := plan.CopiesExpireBy(&v1alpha1.Backup{Schedule: schedule}, taken, 7)
		if err != nil || !by.Equal(want) {
			t.Errorf("with schedule %q: %s, %v, want %s", schedule, by, err, want)
		}
	}
	if _, err := plan.BackupDue(&v1alpha1.Backup{Schedule: "61 * * * *"}, taken); err == nil || !strings.Contains(err.Error(), "use five fields") {
		t.Errorf("a schedule that can't be read: %v", err)
	}
}
