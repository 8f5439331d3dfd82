package auditreport

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// policies tells which rules runs enforced in the period, and what the cluster says now.
func (b *builder) policies() []Policy {
	runs := map[string][]Run{}
	for _, r := range b.weighed.Records {
		if r.Kind() == evidence.KindRetention {
			run := runOf(r)
			runs[run.Policy] = append(runs[run.Policy], run)
		}
	}
	objects := map[string]*v1alpha1.RetentionPolicy{}
	if b.Objects != nil {
		for i := range b.Objects.Policies {
			p := &b.Objects.Policies[i]
			if p.CreationTimestamp.Time.Before(b.Period.End()) || len(runs[p.Name]) > 0 {
				objects[p.Name] = p
			}
		}
	}
	names := map[string]bool{}
	for n := range runs {
		names[n] = true
	}
	for n := range objects {
		names[n] = true
	}
	policies := []Policy{}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		p := Policy{Name: n, Versions: b.versions(runs[n])}
		if o := objects[n]; o != nil {
			p.Object = policyObject(o, runs[n])
		}
		if len(p.Versions) > 0 || p.Object != nil {
			policies = append(policies, p)
		}
	}
	return policies
}

// versions cuts a policy's runs, oldest first, where generation or rules change, and keeps what was in force in the
// period.
func (b *builder) versions(runs []Run) []Version {
	var all []Version
	for _, r := range runs {
		since := r.FinishedAt
		if r.StartedAt != nil {
			since = *r.StartedAt
		}
		last := len(all) - 1
		if last < 0 || all[last].Generation != r.Generation || all[last].PolicyDigest != r.PolicyDigest {
			v := Version{Generation: r.Generation, PolicyDigest: r.PolicyDigest, Rules: b.weighed.Rules[r.PolicyDigest], Since: since, FirstRun: r.Sequence, Changes: []Change{}}
			if last >= 0 {
				all[last].Until = &since
				v.Changes = changes(all[last].Rules, v.Rules)
			}
			all = append(all, v)
			last++
		}
		if b.Period.Has(r.FinishedAt) {
			all[last].RunsIn++
		}
	}
	return list(slices.DeleteFunc(all, func(v Version) bool {
		return v.RunsIn == 0 && (!v.Since.Before(b.Period.End()) || v.Until != nil && v.Until.Before(b.Period.From))
	}))
}

// changes compares rules by category. Nothing can be said when one side is not known.
func changes(before, after []Rule) []Change {
	found := []Change{}
	if before == nil || after == nil {
		return found
	}
	of := func(rules []Rule, category string) *Rule {
		i := slices.IndexFunc(rules, func(r Rule) bool { return r.Category == category })
		if i < 0 {
			return nil
		}
		return &rules[i]
	}
	for _, r := range before {
		if now := of(after, r.Category); now == nil || *now != r {
			found = append(found, Change{Category: r.Category, Before: &r, After: now})
		}
	}
	for _, r := range after {
		if of(before, r.Category) == nil {
			found = append(found, Change{Category: r.Category, After: &r})
		}
	}
	slices.SortFunc(found, func(x, y Change) int { return cmp.Compare(x.Category, y.Category) })
	return found
}

func policyObject(p *v1alpha1.RetentionPolicy, runs []Run) *PolicyObject {
	now := plan.RetentionOf(p)
	return &PolicyObject{
		Generation: p.Generation, CreatedAt: p.CreationTimestamp.UTC(), Mode: now.Mode, Schedule: p.Spec.Schedule, TimeZone: cmp.Or(p.Spec.TimeZone, time.UTC.String()),
		MaxPercent: now.MaxPercent, PolicyDigest: now.Digest, Rules: now.Rules, Proven: len(runs) > 0 && runs[len(runs)-1].PolicyDigest == now.Digest,
	}
}
