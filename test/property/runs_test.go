package property_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
)

// playRules puts a random policy in force, in place of another or beside it.
func (w *world) playRules() {
	w.number++
	p := contract.Retention{
		Policy: fmt.Sprintf("policy-%d", w.IntN(2)), Generation: int64(w.number),
		Mode: []string{contract.ModeEnforce, contract.ModeEnforce, contract.ModeEnforce, contract.ModeDryRun}[w.IntN(4)], MaxPercent: []int32{100, 100, 40}[w.IntN(3)],
	}
	for _, c := range slices.Sorted(slices.Values(categories)) {
		if w.IntN(3) > 0 || len(p.Rules) == 0 && c == contract.CategoryMessages {
			p.Rules = append(p.Rules, contract.RetentionRule{Category: c, RetainDays: days[w.IntN(len(days))], Action: contract.ActionDelete})
		}
	}
	p.Digest = contract.Digest(p.Rules)
	w.policies = append(slices.DeleteFunc(w.policies, func(o contract.Retention) bool { return o.Policy == p.Policy }), p)
	w.force()
}

// playRun runs one of the policies.
func (w *world) playRun() { w.run(w.IntN(len(w.policies)), w.IntN(8) == 0) }

// run runs a policy, which may be cut off. lost: the operator never sees its result.
func (w *world) run(i int, lost bool) (done bool) {
	p := &w.policies[i]
	var result contract.RetentionResult
	// Before and after: what a run that was cut off was free to delete by.
	cut, err := w.attempt(contract.ComponentRetain, 120, func(ctx context.Context, pool *pgxpool.Pool) (err error) {
		result, err = retention.Run(ctx, pool, *p, tenant, retention.Options{Batch: 1 + w.IntN(20)})
		return err
	})
	if err != nil {
		differ("policy %s: %w", p.Policy, err)
	}
	if cut {
		w.model.doom(*p, w.asked, w.now())
		w.compare()
		return false
	}
	if result.Outcome == contract.OutcomeEnforced {
		w.model.doom(*p, w.asked, result.StartedAt)
	}
	f := w.read()
	w.left(f, *p, result)
	w.compareTo(f)
	w.count("run " + result.Outcome)
	if result.Outcome == contract.OutcomeBlocked && w.IntN(2) == 0 {
		p.ApprovedPlan = result.Plan.Digest
		w.count("approval")
	}
	if lost {
		w.count("lost result of a run")
		w.untold[result.Sequence] = true
		return true
	}
	w.ledger.ofRun(result, p.Rules)
	w.tell()
	return true
}

// left compares what a run says that it left with what is there, before the model learns what
// is gone.
func (w *world) left(f *found, policy contract.Retention, result contract.RetentionResult) {
	held, cutoffs := map[string]int64{}, map[string]time.Time{}
	for category, days := range limits(policy) {
		cutoffs[category] = ago(result.StartedAt, days).UTC()
	}
	told := map[string]time.Time{}
	for _, c := range result.Categories {
		told[c.Category] = c.Cutoff.UTC()
	}
	same(told, cutoffs, "cutoffs of the run")
	for _, c := range result.Categories {
		kept, overdue := int64(0), int64(0)
		var oldest *time.Time
		for _, id := range sorted(f.rows[c.Category]) {
			mark := f.rows[c.Category][id].mark
			if oldest == nil || mark.Before(*oldest) {
				oldest = &mark
			}
			if mark.After(c.Cutoff) || w.model.rows[c.Category][id] == nil {
				continue
			}
			if w.model.heldBy(w.asked, c.Category, id) != "" {
				kept++
				for _, h := range w.asked {
					if w.model.holds(h, c.Category, id) {
						held[h.name]++
					}
				}
				continue
			}
			overdue++
			if result.Outcome == contract.OutcomeEnforced {
				differ("%s: the row %s of %s is left, though it expired at %s and nothing holds it", c.Category, id, mark, c.Cutoff)
			}
		}
		w.counts["row held back"] += c.HeldBack
		if c.Overdue == nil || *c.Overdue != overdue || c.HeldBack != kept {
			differ("%s: the result says %s, there are %d expired rows that are held and %d others", c.Category, text(c), kept, overdue)
		}
		if (oldest == nil) != (c.OldestLeft == nil) || oldest != nil && !oldest.Equal(*c.OldestLeft) {
			differ("%s: the oldest row left is of %v, the result says %v", c.Category, oldest, c.OldestLeft)
		}
	}
	kept := map[string]int64{}
	for _, h := range result.Holds {
		kept[h.Hold] = h.Rows
	}
	same(kept, held, "rows that holds keep, by the run")
	if result.Outcome != contract.OutcomeEnforced {
		return
	}
	for id, t := range f.threads {
		if w.model.threads[id] != nil && t.contact == [16]byte{} && !f.spoke(id) && t.last.Before(result.StartedAt.Add(-24*time.Hour)) {
			differ("the thread %s without guest and messages is left", id)
		}
	}
}

// spoke says that a thread has messages.
func (f *found) spoke(id [16]byte) bool {
	for _, message := range f.rows[contract.CategoryMessageMetadata] {
		if message.of == id {
			return true
		}
	}
	return false
}

// finish has a policy run to its end, which the guard does not stop.
func (w *world) finish() {
	i := w.IntN(len(w.policies))
	w.policies[i].MaxPercent = 100
	w.runToItsEnd(i)
}

func (w *world) runToItsEnd(i int) {
	for !w.run(i, false) {
		w.count("run taken up again")
	}
}

var errNone = errors.New("it did not fail")
