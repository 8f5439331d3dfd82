// Package audit checks a tenant's evidence offline: the operator's ledger by its
// public keys, and the tenant's receipts by the ledger. It needs neither the
// operator nor a cluster.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

// What an audit can find, besides what evidence finds in the receipts.
const (
	// UnknownKey: a statement is signed by a key that was not given.
	UnknownKey evidence.Code = "UnknownKey"
	// BadSignature: a statement was changed after it was signed.
	BadSignature evidence.Code = "BadSignature"
	// BadStatement: what was signed is no statement about this tenant's receipt of that number.
	BadStatement evidence.Code = "BadStatement"
	// LedgerGap: statements are missing from the ledger.
	LedgerGap evidence.Code = "LedgerGap"
	// LedgerTruncated: a newer receipt than the ledger's newest is known to be countersigned.
	LedgerTruncated evidence.Code = "LedgerTruncated"
	// LedgerReplaced: the ledger tells of another receipt than is known to be countersigned.
	LedgerReplaced evidence.Code = "LedgerReplaced"
	// LedgerEmpty is a note: nothing was countersigned yet.
	LedgerEmpty evidence.Code = "LedgerEmpty"
	// RulesUnknown is a note: statements don't say what the rules were.
	RulesUnknown evidence.Code = "RulesUnknown"
	// RulesDiffer: the rules in a statement are not those of its digest.
	RulesDiffer evidence.Code = "RulesDiffer"
	// ToldOtherwise: a receipt says something else than what its run told the operator.
	ToldOtherwise evidence.Code = "ToldOtherwise"
	// FormerChain is a note: the ledger holds the chain of a former Tenant of that name.
	FormerChain evidence.Code = "FormerChain"
	// BreakAccepted is a note: somebody let the ledger go on from a receipt that does not join it.
	BreakAccepted evidence.Code = "BreakAccepted"
	// NoReceipts is a note: only the ledger was checked.
	NoReceipts evidence.Code = "NoReceipts"
)

// Entry is a statement as the ledger holds it.
type Entry struct {
	Ledger   string `json:"ledger"` // the ConfigMap
	Key      string `json:"key"`    // the receipt's number, with 12 digits
	Envelope string `json:"envelope"`
}

// signed is a statement with the ID of the key that signed it.
type signed struct {
	statement.Receipt
	key string
}

// ledger is what the statements say that can be relied upon.
type ledger struct {
	expect   evidence.Expectation
	signed   map[int64]signed // of the newest chain
	keys     map[string]bool  // that signed
	strange  map[string]int   // statements by keys that are not known
	dropped  bool             // the statement before was not relied upon
	late     []signed         // statements that came late
	former   int              // statements about another Tenant of the name than was asked for
	broke    bool             // somebody accepted a break
	noRules  int              // statements without them
	findings findings
}

// readLedger checks the statements, which are given in their order.
func readLedger(ctx context.Context, given Evidence) *ledger {
	tenant := given.Tenant
	l := &ledger{expect: evidence.Expectation{Tenant: tenant}, keys: map[string]bool{}, strange: map[string]int{}}
	l.begin()
	for _, e := range given.Entries {
		r, id, err := statement.OpenReceipt(ctx, []byte(e.Envelope), given.Keys)
		switch {
		case errors.Is(err, statement.ErrUnknownKey):
			l.strange[id]++
		case errors.Is(err, statement.ErrBadSignature):
			l.problem(BadSignature, 0, "Statement %s of %s was changed after it was signed, or was never signed by the key that it names.", e.Key, e.Ledger)
		case err != nil:
			l.problem(BadStatement, 0, "Statement %s of %s is no statement about a receipt.", e.Key, e.Ledger)
		case r.Tenant != tenant || fmt.Sprintf("%012d", r.Sequence) != e.Key:
			l.problem(BadStatement, r.Sequence, "Statement %s of %s is about receipt %d of another tenant, or was moved.", e.Key, e.Ledger, r.Sequence)
		case given.UID != "" && r.TenantUID != given.UID:
			l.former++
			continue
		default:
			l.keys[id] = true
			if r.CoveredBy != nil {
				l.late = append(l.late, signed{r, id})
				continue
			}
			l.add(signed{r, id})
			l.dropped = false
			continue
		}
		l.dropped = true
	}
	l.finish()
	return l
}

// begin forgets the chain of a former Tenant.
func (l *ledger) begin() {
	l.signed = map[int64]signed{}
	l.expect.Anchor, l.expect.Countersigned, l.expect.Policies = nil, map[int64]string{}, map[evidence.Policy]bool{}
}

func (l *ledger) add(r signed) {
	before := l.expect.Anchor
	switch {
	case l.dropped && r.Anchor != nil: // it may have been the one before
	case before == nil && r.Anchor != nil:
		l.problem(LedgerGap, r.Sequence, "The ledger begins with the statement about receipt %d, which names one about receipt %d before it: the ledger's oldest statements are missing.", r.Sequence, r.Anchor.Sequence)
	case before != nil && r.Accepted != nil:
		l.note(BreakAccepted, r.Sequence, "On %s somebody let the ledger go on from receipt %d, which does not join receipt %d, countersigned before: after a restore, or because results were lost.",
			r.SignedAt.UTC().Format(time.RFC3339), r.Sequence, before.Sequence)
		l.forget(r.Sequence)
		l.broke = true
	case before == nil && r.Accepted != nil:
		l.problem(LedgerGap, r.Sequence, "The ledger begins with the statement about receipt %d, which names one about receipt %d before it: the ledger's oldest statements are missing.", r.Sequence, r.Accepted.Sequence)
	case before != nil && r.Anchor == nil:
		l.note(FormerChain, before.Sequence, "The ledger also holds %d statements about the chain of a former Tenant of this name, up to receipt %d.", len(l.signed), before.Sequence)
		l.begin()
		l.late = slices.DeleteFunc(l.late, func(late signed) bool { return late.TenantUID != r.TenantUID })
	case before != nil && *r.Anchor != *before:
		l.problem(LedgerGap, r.Sequence, "The statement about receipt %d follows one about receipt %d, which the ledger does not hold in that place: statements are missing or were replaced.", r.Sequence, r.Anchor.Sequence)
	}
	l.signed[r.Sequence] = r
	l.expect.Anchor = &contract.ChainLink{Sequence: r.Sequence, Digest: r.Digest}
	for _, link := range append(r.Links, *l.expect.Anchor) {
		l.expect.Countersigned[link.Sequence] = link.Digest
	}
	if r.Sequence > 1 {
		l.expect.Countersigned[r.Sequence-1] = r.PreviousDigest
	}
	l.rules(r.Receipt)
}

// forget drops what was countersigned of receipts that a break has made void. What
// the statement that goes on from there tells of, takes the place of the rest.
func (l *ledger) forget(after int64) {
	maps.DeleteFunc(l.signed, func(sequence int64, _ signed) bool { return sequence > after })
	maps.DeleteFunc(l.expect.Countersigned, func(sequence int64, _ string) bool { return sequence > after })
}

func (l *ledger) rules(r statement.Receipt) {
	switch {
	case r.Kind != evidence.KindRetention:
	case r.Rules == nil:
		l.noRules++
	case contract.Digest(r.Rules) != r.PolicyDigest:
		l.problem(RulesDiffer, r.Sequence, "The rules in the statement about receipt %d are not those of its policyDigest.", r.Sequence)
	default:
		l.expect.Policies[evidence.Policy{Name: r.Policy, Digest: r.PolicyDigest}] = true
	}
}

func (l *ledger) finish() {
	for _, r := range l.late {
		if digest := l.expect.Countersigned[r.Sequence]; digest == r.Digest {
			l.signed[r.Sequence] = r
			l.rules(r.Receipt)
		} else if !l.broke {
			l.problem(BadStatement, r.Sequence, "The statement about receipt %d, which came late, is about another one than the statement about receipt %d told of.", r.Sequence, r.CoveredBy.Sequence)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(l.strange)) {
		l.problem(UnknownKey, 0, "%d statements of the ledger are signed by a key that is not among the public keys: %s.", l.strange[id], printable(id))
	}
	if l.former > 0 {
		l.note(FormerChain, 0, "The ledger also holds %d statements about another Tenant of this name than the one that was asked for.", l.former)
	}
	if l.noRules > 0 {
		l.note(RulesUnknown, 0, "%d statements do not say what the rules were: the operator did not know them any more when it signed.", l.noRules)
	}
	if l.expect.Anchor == nil && len(l.findings) == 0 {
		l.note(LedgerEmpty, 0, "The ledger has no statement about this tenant: nothing was countersigned yet.")
	}
}

// printable gives a key's ID, or says that it is none.
func printable(id string) string {
	if _, err := evidence.Digest(id, nil); err != nil {
		return "it names none that could be"
	}
	return id
}

// findings are bounded as those of receipts are.
type findings []evidence.Finding

func (l *ledger) problem(code evidence.Code, sequence int64, format string, args ...any) {
	l.find(evidence.Finding{Code: code, Sequence: sequence, Problem: true, Sentence: fmt.Sprintf(format, args...)})
}

func (l *ledger) note(code evidence.Code, sequence int64, format string, args ...any) {
	l.find(evidence.Finding{Code: code, Sequence: sequence, Sentence: fmt.Sprintf(format, args...)})
}

func (l *ledger) find(f evidence.Finding) {
	if len(l.findings) < evidence.MaxFindings || f.Problem && len(l.findings) < 2*evidence.MaxFindings {
		l.findings = append(l.findings, f)
	}
}

// Sort puts entries into the order in which they were written: by year and part of
// their ConfigMaps, then by receipt.
func Sort(entries []Entry, order func(ledger string) (year, part int)) {
	slices.SortFunc(entries, func(a, b Entry) int {
		ay, ap := order(a.Ledger)
		by, bp := order(b.Ledger)
		return cmp.Or(cmp.Compare(ay, by), cmp.Compare(ap, bp), cmp.Compare(a.Key, b.Key))
	})
}
