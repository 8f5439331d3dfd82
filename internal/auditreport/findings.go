package auditreport

import (
	"fmt"
	"time"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

// heaviness sorts weights.
var heaviness = map[string]int{WeightProblem: 0, WeightBreach: 1, WeightNote: 2}

func (b *builder) find(weight, code string, sequence int64, format string, args ...any) {
	b.report.Findings = append(b.report.Findings, Finding{Code: code, Weight: weight, Sequence: sequence, Sentence: fmt.Sprintf(format, args...)})
}

// weigh says what of the period somebody must see to.
func (b *builder) weigh() {
	b.weighRecords()
	b.weighRuns()
	b.weighRequests()
	b.weighPlaces()
	if !b.report.Period.Over {
		b.find(WeightNote, "PeriodNotOver", 0, "The last day was not over when this report was made: what comes after %s is not in it.", b.report.MadeAt.Format(time.RFC3339))
	}
	if b.Objects == nil {
		b.find(WeightNote, "ObjectsNotRead", 0, "No custom resource was read: holds, requests, residency and transfers are told as far as receipts do.")
	}
}

// weighRecords tells what was not counted, and what rests on the operator's word alone.
func (b *builder) weighRecords() {
	for _, d := range b.weighed.Doubts {
		switch d.Code {
		case audit.NotCountersigned:
			b.find(WeightNote, "NotCounted", d.From, "%s not counted: nothing that the operator signed vouches for %s yet.", span(d), them(d))
		case evidence.Adopted:
			b.find(WeightNote, "NotCounted", d.From, "%s not counted: %s from another place, whose operator's ledger vouches for %s.", span(d), came(d), them(d))
		default:
			b.find(WeightProblem, "NotCounted", d.From, "%s not counted: %s.", span(d), d.Code)
		}
	}
	alone := 0
	for _, r := range b.weighed.Records {
		if r.Basis == audit.BasisStatement && b.Period.Has(r.FinishedAt()) {
			alone++
		}
	}
	if alone > 0 {
		b.find(WeightNote, "StatementAlone", 0, "%d of the period's records are told by the operator's signed statements alone: their receipts were not given.", alone)
	}
}

func span(d audit.Doubt) string {
	if d.Count == 1 {
		return fmt.Sprintf("Receipt %d is", d.From)
	}
	return fmt.Sprintf("Receipts %d to %d are", d.From, d.To)
}

func them(d audit.Doubt) string {
	if d.Count == 1 {
		return "it"
	}
	return "them"
}

func came(d audit.Doubt) string {
	if d.Count == 1 {
		return "it came along"
	}
	return "they came along"
}

// weighRuns tells what was left over, and policies without a run.
func (b *builder) weighRuns() {
	newest := map[string]Run{}
	unknown, overdue := 0, 0
	for _, r := range b.report.Runs {
		newest[r.Policy] = r
		switch left := r.left(); {
		case left == nil:
			unknown++
		case *left > 0 && r.Outcome != contract.OutcomeDryRun:
			overdue++
		}
	}
	for _, p := range b.report.Policies {
		r, ran := newest[p.Name]
		switch {
		case !ran:
			b.find(WeightNote, "NoRun", 0, "No run of policy %s that can be relied upon ended in the period.", p.Name)
		case r.Outcome == contract.OutcomeDryRun:
			b.find(WeightNote, "DryRun", r.Sequence, "Policy %s only plans: nothing is deleted by it.", p.Name)
		case r.left() != nil && *r.left() > 0:
			b.find(WeightBreach, "Overdue", r.Sequence, "The newest run of policy %s in the period left %d expired rows; its outcome is %s.", p.Name, *r.left(), r.Outcome)
		case r.Outcome == contract.OutcomeBlocked:
			b.find(WeightBreach, "Blocked", r.Sequence, "The guard stopped the newest run of policy %s in the period: nothing was deleted by it.", p.Name)
		}
	}
	if overdue > 0 {
		b.find(WeightNote, "OverdueRuns", 0, "%d of %d runs left expired rows.", overdue, len(b.report.Runs))
	}
	if unknown > 0 {
		b.find(WeightNote, "OverdueNotKnown", 0, "%d of %d runs could not count what they left, which doesn't mean none.", unknown, len(b.report.Runs))
	}
}

func (b *builder) weighRequests() {
	for _, r := range b.report.Requests {
		switch r.Clock {
		case ClockLate:
			b.find(WeightBreach, "RequestLate", 0, "Request %s was due at %s, and done at %s.", r.Name, r.DueAt.Format(time.RFC3339), r.CompletedAt.Format(time.RFC3339))
		case ClockPastDue:
			b.find(WeightBreach, "RequestPastDue", 0, "Request %s was due at %s, and was not done at %s.", r.Name, r.DueAt.Format(time.RFC3339), b.asOf().Format(time.RFC3339))
		}
		if r.CompletedAt != nil && r.CompletedAt.Before(b.asOf()) && r.Type != "Complaint" && !r.Proven {
			b.find(WeightProblem, "RequestNotProven", 0, "Request %s is said to be done at %s, and no receipt that can be relied upon tells of it.", r.Name, r.CompletedAt.Format(time.RFC3339))
		}
	}
}

func (b *builder) weighPlaces() {
	if r := b.report.Residency; r != nil {
		for _, v := range r.Violations {
			b.find(WeightBreach, "OutsideOfRegion", 0, "%s %s is outside of region %s, seen so since %s.", v.Kind, v.Name, r.Region, v.Since.Format(time.RFC3339))
		}
	}
	if t := b.report.Transfers; t != nil {
		for _, f := range t.Flows {
			if f.Finding != "" && f.State != transfer.StateEnded {
				b.find(WeightBreach, f.Finding, 0, "Data may go to %s (%s), and %s.", f.Recipient, f.State, why(f.Finding))
			}
		}
	}
}

func why(finding string) string {
	if finding == transfer.FindingNoMechanism {
		return "the register names no transfer mechanism"
	}
	return "nobody has said under which law that is"
}

// Heaviest is the weight of the heaviest finding; WeightNote when there is none.
func (r Report) Heaviest() string {
	if len(r.Findings) == 0 {
		return WeightNote
	}
	return r.Findings[0].Weight
}
