package auditreport

import (
	"cmp"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
)

func (b *builder) runs() []Run {
	runs := []Run{}
	for _, r := range b.in(evidence.KindRetention) {
		runs = append(runs, runOf(r))
	}
	return runs
}

// runOf tells of a run by its receipt, or by the statement where that is all there is.
func runOf(r audit.Record) Run {
	run := Run{Sequence: r.Sequence, Digest: r.Digest, Basis: r.Basis, Key: r.Key, FinishedAt: r.FinishedAt().UTC(), Categories: []RunCategory{}, Holds: []HeldRows{}, Followed: []FollowedCount{}}
	if x := r.Receipt; x != nil {
		started := x.StartedAt.UTC()
		run.Policy, run.Generation, run.PolicyDigest, run.Outcome, run.StartedAt, run.Interrupted = x.Policy, x.Generation, x.PolicyDigest, x.Outcome, &started, x.Interrupted
		if x.Resumed != nil {
			run.Attempts = x.Resumed.Attempts
		}
		for _, c := range x.Categories {
			run.Categories = append(run.Categories, RunCategory{
				Category: c.Category, Cutoff: utc(&c.Cutoff), Deleted: c.Deleted, Anonymized: c.Anonymized, HeldBack: c.HeldBack, Overdue: c.Overdue, OldestLeft: utc(c.OldestLeft),
			})
		}
		for _, h := range x.Holds {
			run.Holds = append(run.Holds, HeldRows(h))
		}
		for _, f := range x.Followed {
			run.Followed = append(run.Followed, FollowedCount(f))
		}
		return run
	}
	x := r.Statement
	run.Policy, run.Generation, run.PolicyDigest, run.Outcome = x.Policy, x.Generation, x.PolicyDigest, x.Outcome
	for _, c := range x.Counts {
		run.Categories = append(run.Categories, RunCategory{Category: c.Category, Cutoff: utc(c.Cutoff), Deleted: c.Done, HeldBack: c.HeldBack, Overdue: c.Overdue})
	}
	return run
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.UTC()
	return &at
}

// left is what a run left over in sum; nil when it could not count one of its categories.
func (r Run) left() *int64 {
	var sum int64
	for _, c := range r.Categories {
		if c.Overdue == nil {
			return nil
		}
		sum += *c.Overdue
	}
	return &sum
}

// overdue sums up days: the highest that a run left, and how many did not know.
func (b *builder) overdue() []OverdueDay {
	days := []OverdueDay{}
	for _, r := range slices.SortedStableFunc(slices.Values(b.report.Runs), func(x, y Run) int { return x.FinishedAt.Compare(y.FinishedAt) }) {
		day := r.FinishedAt.Format(time.DateOnly)
		if len(days) == 0 || days[len(days)-1].Day != day {
			days = append(days, OverdueDay{Day: day})
		}
		d := &days[len(days)-1]
		d.Runs++
		switch left := r.left(); {
		case left == nil:
			d.Unknown++
		case d.Highest == nil || *left > *d.Highest:
			d.Highest = left
		}
	}
	return days
}

// deletions adds up what runs and requests of the period deleted.
func (b *builder) deletions() Deletions {
	d := Deletions{Months: b.Period.Months(), Rows: []DeletionRow{}}
	add := func(category, cause string, at time.Time, rows, anonymized int64) {
		i := slices.IndexFunc(d.Rows, func(r DeletionRow) bool { return r.Category == category && r.Cause == cause })
		if i < 0 {
			i = len(d.Rows)
			d.Rows = append(d.Rows, DeletionRow{Category: category, Cause: cause, Months: make([]int64, len(d.Months))})
		}
		d.Rows[i].Months[slices.Index(d.Months, month(at))] += rows
		d.Rows[i].Total += rows
		d.Rows[i].Anonymized += anonymized
		d.Total += rows
	}
	for _, r := range b.report.Runs {
		for _, c := range r.Categories {
			add(c.Category, CauseExpired, r.FinishedAt, c.Deleted, c.Anonymized)
		}
	}
	for _, r := range b.in(evidence.KindRequest) {
		kind, a := attemptOf(r)
		if kind.Type != contract.RequestErasure && kind.Type != contract.RequestUnderage {
			continue
		}
		for _, c := range a.Done {
			add(c.Category, CauseRequested, a.FinishedAt, c.Rows, 0)
		}
	}
	order := contract.Categories()
	rank := func(category string) int {
		if i := slices.Index(order, category); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortFunc(d.Rows, func(x, y DeletionRow) int {
		return cmp.Or(cmp.Compare(x.Cause, y.Cause), cmp.Compare(rank(x.Category), rank(y.Category)), cmp.Compare(x.Category, y.Category))
	})
	return d
}
