package contract

import (
	"errors"
	"fmt"
	"slices"
)

// Validate refuses a policy that can't be what the operator meant. Its errors name the
// policy and say what to do.
func (r Retention) Validate() error {
	if r.Policy == "" {
		return fmt.Errorf("checking a retention policy: it has no name; write the policy's name into %s", EnvRetention)
	}
	if err := r.validate(); err != nil {
		return fmt.Errorf("checking policy %s: %w", r.Policy, err)
	}
	return nil
}

func (r Retention) validate() error {
	if len(r.Rules) == 0 {
		return errors.New("it has no rules, so that nothing would ever be deleted; give it one rule at least")
	}
	before := ""
	for _, rule := range r.Rules {
		if rule.Category <= before {
			return fmt.Errorf("the rules must be sorted by category, each at most once; %s is not", rule.Category)
		}
		before = rule.Category
		if err := rule.validate(); err != nil {
			return err
		}
	}
	if r.Mode != ModeEnforce && r.Mode != ModeDryRun {
		return fmt.Errorf("mode %q is not known; write %s or %s", r.Mode, ModeEnforce, ModeDryRun)
	}
	if r.MaxPercent < 1 || r.MaxPercent > 100 {
		return fmt.Errorf("maxPercent is %d, it must be from 1 to 100", r.MaxPercent)
	}
	if r.Digest != Digest(r.Rules) {
		return errors.New("the digest is not that of the rules; both come from the operator, who must write them together")
	}
	return nil
}

func (r RetentionRule) validate() error {
	if !slices.Contains(Categories(), r.Category) {
		return fmt.Errorf("this program knows no category %q; upgrade the instance or correct the rule", r.Category)
	}
	if r.RetainDays < 1 || r.RetainDays > MaxRetainDays {
		return fmt.Errorf("retainDays of %s is %d, it must be from 1 to %d", r.Category, r.RetainDays, MaxRetainDays)
	}
	switch {
	case r.Action == ActionDelete, r.Action == ActionAnonymize && r.Category == CategoryMessageMetadata:
		return nil
	default:
		return fmt.Errorf("action %q of %s is not known; write %s, or %s for %s", r.Action, r.Category, ActionDelete, ActionAnonymize, CategoryMessageMetadata)
	}
}
