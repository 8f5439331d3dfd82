package audit

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

// What a record rests on.
const (
	// BasisReceipt: the receipt is there, and the operator signed its digest, or that of one sealed on it.
	BasisReceipt = "Receipt"
	// BasisStatement: no receipt of that number was given, and the operator signed what its run told.
	BasisStatement = "Statement"
)

// NotCountersigned: nothing that the operator signed vouches for a receipt, or not yet.
const NotCountersigned evidence.Code = "NotCountersigned"

// Record is a receipt, or a statement about one, that can be relied upon.
type Record struct {
	Sequence int64
	Digest   string
	Basis    string // a Basis…
	// Receipt is what the tenant's database holds; nil for BasisStatement.
	Receipt *evidence.Receipt
	// Statement is what the operator signed about it; nil where a later statement vouches for it by its digest alone.
	Statement *statement.Receipt
	Key       string // ID of the key that signed Statement
}

// Doubt is receipts, or statements, that nothing must be built upon.
type Doubt struct {
	From  int64         `json:"from"` // the first receipt
	To    int64         `json:"to"`   // the last
	Count int64         `json:"count"`
	Code  evidence.Code `json:"code"` // why: a finding's code, or NotCountersigned
}

// Weighed is what an audit found to be reliable, and what not; both in the order of their sequences.
type Weighed struct {
	Records []Record
	Doubts  []Doubt
	// Rules are those of the policies' digests that the operator signed.
	Rules map[string][]contract.RetentionRule
	// TenantUID is that of the newest statement; empty when there is none.
	TenantUID string
}

// Weigh audits a tenant's evidence as Verify does, and gives what of it can be relied upon.
// It keeps all of it in memory.
func Weigh(ctx context.Context, e Evidence) (Report, Weighed, error) {
	w := &weigher{seen: map[int64]bool{}, weighed: Weighed{Rules: map[string][]contract.RetentionRule{}}}
	report, err := verify(ctx, e, w)
	return report, w.weighed, err
}

// weigher tells receipts that a signed statement vouches for from others. A digest covers the one before: a receipt
// that was countersigned vouches for all that it was sealed on.
type weigher struct {
	weighed Weighed
	seen    map[int64]bool // sequences of which a receipt was given
	// pending receipts join each other, and wait for one that is vouched for.
	pending []weighing
	head    string // computed digest of the newest receipt
}

type weighing struct {
	record Record
	code   evidence.Code // why it is not to be relied upon; empty if it is
}

// add weighs the next receipt; agrees says that it is what its run told.
func (w *weigher) add(l *ledger, s evidence.Sealed, agrees bool) {
	if w == nil {
		return
	}
	digest, err := evidence.Digest(s.Previous, []byte(s.Body))
	if w.seen[s.Sequence] || err != nil {
		w.doubt(s.Sequence, evidence.SequenceGap)
		return
	}
	w.seen[s.Sequence] = true
	if len(w.pending) > 0 && s.Previous != w.head {
		w.drop()
	}
	w.head = digest
	told, known := l.expect.Countersigned[s.Sequence]
	x := weighing{record: Record{Sequence: s.Sequence, Digest: digest, Basis: BasisReceipt}}
	r, err := evidence.Decode([]byte(s.Body))
	switch {
	case digest != s.Digest:
		x.code = evidence.Edited
	case err != nil:
		x.code = evidence.Unreadable
	case r.Sequence != s.Sequence:
		x.code = evidence.Edited
	case known && told != digest:
		x.code = evidence.Resealed
	case r.Tenant != l.expect.Tenant:
		x.code = evidence.OtherTenant
	case !agrees:
		x.code = ToldOtherwise
	case r.Kind == evidence.KindRetention && !l.expect.Policies[evidence.Policy{Name: r.Policy, Digest: r.PolicyDigest}]:
		x.code = evidence.SwappedPolicy
	}
	x.record.Receipt = &r
	if st, is := l.signed[s.Sequence]; is && st.Digest == digest {
		x.record.Statement, x.record.Key = &st.Receipt, st.key
	}
	w.pending = append(w.pending, x)
	if !known || told != digest {
		return
	}
	for _, p := range w.pending {
		if p.code != "" {
			w.doubt(p.record.Sequence, p.code)
			continue
		}
		if p.record.Receipt.Kind == evidence.KindAdopted {
			w.adopt()
		}
		w.weighed.Records = append(w.weighed.Records, p.record)
	}
	w.pending = nil
}

// adopt sets aside all before: it came along from elsewhere, where other statements vouch for it.
func (w *weigher) adopt() {
	for i := range w.weighed.Doubts {
		w.weighed.Doubts[i].Code = evidence.Adopted
	}
	for _, r := range w.weighed.Records {
		w.doubt(r.Sequence, evidence.Adopted)
	}
	w.weighed.Records = nil
}

// drop gives up receipts that nothing vouches for.
func (w *weigher) drop() {
	for _, p := range w.pending {
		if p.code == evidence.SwappedPolicy { // the statement about it may name the rules
			p.code = NotCountersigned
		}
		w.doubt(p.record.Sequence, cmp.Or(p.code, NotCountersigned))
	}
	w.pending = nil
}

func (w *weigher) doubt(sequence int64, code evidence.Code) {
	w.weighed.Doubts = append(w.weighed.Doubts, Doubt{From: sequence, To: sequence, Count: 1, Code: code})
}

// finish takes the statements about receipts that were not given.
func (w *weigher) finish(l *ledger) {
	if w == nil {
		return
	}
	w.drop()
	for sequence, st := range l.signed {
		if st.Kind == evidence.KindRetention && contract.Digest(st.Rules) == st.PolicyDigest {
			w.weighed.Rules[st.PolicyDigest] = st.Rules
		}
		switch {
		case w.seen[sequence]:
		case st.Kind == evidence.KindRetention && st.Rules != nil && contract.Digest(st.Rules) != st.PolicyDigest:
			w.doubt(sequence, RulesDiffer)
		default:
			w.weighed.Records = append(w.weighed.Records, Record{Sequence: sequence, Digest: st.Digest, Basis: BasisStatement, Statement: &st.Receipt, Key: st.key})
		}
	}
	if l.expect.Anchor != nil {
		w.weighed.TenantUID = l.signed[l.expect.Anchor.Sequence].TenantUID
	}
	slices.SortFunc(w.weighed.Records, func(a, b Record) int { return cmp.Compare(a.Sequence, b.Sequence) })
	slices.SortStableFunc(w.weighed.Doubts, func(a, b Doubt) int { return cmp.Compare(a.From, b.From) })
	w.weighed.Doubts = join(w.weighed.Doubts)
}

// join makes one of neighbours of the same kind.
func join(doubts []Doubt) []Doubt {
	var joined []Doubt
	for _, d := range doubts {
		if last := len(joined) - 1; last >= 0 && joined[last].Code == d.Code && joined[last].To >= d.From-1 {
			joined[last].To, joined[last].Count = d.To, joined[last].Count+d.Count
			continue
		}
		joined = append(joined, d)
	}
	return joined
}

// Kind is an evidence.Kind….
func (r Record) Kind() string {
	if r.Receipt != nil {
		return r.Receipt.Kind
	}
	return r.Statement.Kind
}

// FinishedAt is when the run, request or restore ended.
func (r Record) FinishedAt() time.Time {
	if r.Receipt != nil {
		return r.Receipt.FinishedAt
	}
	return r.Statement.FinishedAt
}

// Restored tells how a database was brought up to what is known; nil of other kinds.
func (r Record) Restored() *contract.Restored {
	if r.Receipt != nil {
		return r.Receipt.Restored
	}
	return r.Statement.Restored
}
