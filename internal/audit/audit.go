package audit

import (
	"context"
	"slices"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

// Evidence is all that an audit looks at.
type Evidence struct {
	Tenant string
	// UID of the Tenant, where the ledger has the chains of several of that name; empty for the newest.
	UID     string
	Entries []Entry // in the order of Sort
	Keys    statement.Keys
	// Status is a head that is known to be countersigned: the one that the Tenant's status
	// shows, or one that somebody kept elsewhere; nil for none.
	Status *contract.ChainLink
	// Receipts hands over the tenant's receipts in their order; nil when there are none to check.
	Receipts func(func(evidence.Sealed) error) error
}

// Report is the outcome of an audit.
type Report struct {
	Tenant        string              `json:"tenant"`
	OK            bool                `json:"ok"`
	Statements    int                 `json:"statements"` // about the tenant's chain
	Keys          []string            `json:"keys"`       // that signed them
	Countersigned *contract.ChainLink `json:"countersigned,omitempty"`
	Receipts      int64               `json:"receipts"`
	Head          *contract.ChainLink `json:"head,omitempty"` // the newest receipt
	Findings      []evidence.Finding  `json:"findings"`
}

// Verify audits a tenant's evidence. It fails only when the receipts can't be read.
func Verify(ctx context.Context, e Evidence) (Report, error) {
	return verify(ctx, e, nil)
}

// verify audits, and lets w, which may be nil, weigh each receipt on the way.
func verify(ctx context.Context, e Evidence, w *weigher) (Report, error) {
	l := readLedger(ctx, e)
	report := Report{Tenant: e.Tenant, Countersigned: l.expect.Anchor, Statements: len(l.signed), Keys: []string{}}
	for id := range l.keys {
		report.Keys = append(report.Keys, id)
	}
	slices.Sort(report.Keys)
	l.anchored(e.Status)
	if e.Receipts == nil {
		l.note(NoReceipts, 0, "The tenant's receipts were not given: only the ledger was checked.")
	} else if err := l.receipts(e, &report, w); err != nil {
		return report, err
	}
	w.finish(l)
	report.Findings = append([]evidence.Finding{}, l.findings...)
	report.OK = !slices.ContainsFunc(report.Findings, func(f evidence.Finding) bool { return f.Problem })
	return report, nil
}

// anchored checks the ledger by a head that was seen elsewhere.
func (l *ledger) anchored(head *contract.ChainLink) {
	if head == nil {
		return
	}
	digest, told := l.expect.Countersigned[head.Sequence]
	switch at := l.expect.Anchor; {
	case at == nil || at.Sequence < head.Sequence:
		l.problem(LedgerTruncated, head.Sequence, "Receipt %d is known to be countersigned, and the ledger ends before it: its newest statements are missing.", head.Sequence)
	case told && digest != head.Digest:
		l.problem(LedgerReplaced, head.Sequence, "Another receipt %d is known to be countersigned than the ledger tells of: the ledger was replaced.", head.Sequence)
	}
	if !told {
		l.expect.Countersigned[head.Sequence] = head.Digest
	}
}

// receipts checks the chain by what the ledger says.
func (l *ledger) receipts(e Evidence, report *Report, w *weigher) error {
	if l.expect.Anchor == nil {
		l.expect.Policies = nil // nothing is known
	}
	v := evidence.NewVerifierOf(l.expect)
	err := e.Receipts(func(s evidence.Sealed) error {
		v.Add(s)
		w.add(l, s, l.compare(s))
		return nil
	})
	if err != nil {
		return err
	}
	chain := v.Finish()
	report.Receipts = chain.Receipts
	if chain.Receipts > 0 {
		report.Head = &chain.Head
	}
	l.findings = append(l.findings, chain.Findings...)
	return nil
}

// compare holds a receipt against what its run told the operator, and says whether the two agree as far as it was told.
func (l *ledger) compare(s evidence.Sealed) bool {
	told, is := l.signed[s.Sequence]
	digest, err := evidence.Digest(s.Previous, []byte(s.Body))
	if !is || err != nil || told.Digest != digest {
		return true // not told of, or found as edited or sealed anew
	}
	r, err := evidence.Decode([]byte(s.Body))
	if err != nil {
		return true // found as unreadable
	}
	if r.Kind != told.Kind || r.Policy != told.Policy || r.PolicyDigest != told.PolicyDigest || r.Outcome != told.Outcome || !r.FinishedAt.Equal(told.FinishedAt) || !sameCounts(r, told.Receipt) {
		l.problem(ToldOtherwise, s.Sequence, "Receipt %d says something else than what its run told the operator: the run's pod did not tell the truth.", s.Sequence)
		return false
	}
	return true
}

func sameCounts(r evidence.Receipt, told statement.Receipt) bool {
	if r.Kind == evidence.KindRestore {
		return r.Restored != nil && told.Restored != nil && *r.Restored == *told.Restored
	}
	if r.Kind == evidence.KindRequest {
		return r.Request != nil && r.Request.UID == told.Request && r.Request.Type == told.RequestType
	}
	if len(r.Categories) != len(told.Counts) {
		return false
	}
	for i, c := range r.Categories {
		t := told.Counts[i]
		if c.Category != t.Category || c.Deleted != t.Done || c.HeldBack != t.HeldBack || t.Cutoff == nil || !c.Cutoff.Equal(*t.Cutoff) ||
			(c.Overdue == nil) != (t.Overdue == nil) || c.Overdue != nil && *c.Overdue != *t.Overdue {
			return false
		}
	}
	return true
}
