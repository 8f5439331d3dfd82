package evidence

import (
	"fmt"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Expectation is what is known of a chain from elsewhere. What is left empty is not
// checked.
type Expectation struct {
	// Tenant that every receipt is of.
	Tenant string
	// Anchor is the newest link that someone has kept outside the database.
	Anchor *contract.ChainLink
	// Countersigned are digests that were signed, by their sequence.
	Countersigned map[int64]string
	// Policies that were in force; a receipt at or before the anchor names one of them.
	Policies map[Policy]bool
}

// Policy names rules that were in force.
type Policy struct {
	Name   string
	Digest string // contract.Digest of the rules
}

// span is a range of receipts.
type span struct{ from, to, count int64 }

func (s *span) add(sequence int64) {
	if s.count == 0 {
		s.from = sequence
	}
	s.to = sequence
	s.count++
}

// String renders the range with its verb.
func (s span) String() string {
	switch {
	case s.count == 1:
		return fmt.Sprintf("Receipt %d is", s.from)
	case s.to-s.from+1 == s.count:
		return fmt.Sprintf("Receipts %d to %d are", s.from, s.to)
	default:
		return fmt.Sprintf("%d receipts from %d to %d are", s.count, s.from, s.to)
	}
}

// expected checks a receipt against what is known from elsewhere.
func (v *Verifier) expected(s Sealed) {
	if digest, signed := v.expect.Countersigned[s.Sequence]; signed && digest != s.Digest {
		v.resealed.add(s.Sequence)
	}
}

// expectedWithin does so for what the receipt says.
func (v *Verifier) expectedWithin(r Receipt) {
	if v.adopts(r) {
		return
	}
	if v.expect.Tenant != "" && r.Tenant != v.expect.Tenant {
		v.others.add(r.Sequence)
	}
	if v.expect.Policies == nil || r.Kind != KindRetention || v.expect.Policies[Policy{r.Policy, r.PolicyDigest}] {
		return
	}
	if v.expect.Anchor == nil || r.Sequence > v.expect.Anchor.Sequence {
		v.unknown.add(r.Sequence)
		return
	}
	v.swapped.add(r.Sequence)
}

// finishExpected tells of each kind once, however many receipts it concerns.
func (v *Verifier) finishExpected() {
	if s := v.others; s.count > 0 {
		v.find(problem(OtherTenant, s.from, "%s of another tenant than %s.", s, v.expect.Tenant))
	}
	if s := v.swapped; s.count > 0 {
		v.find(problem(SwappedPolicy, s.from, "%s of rules that the ledger does not know: the policy was swapped for another, or what the run told was lost. The digest of the rules is the receipt's policyDigest.", s))
	}
	if s := v.resealed; s.count > 0 {
		v.find(problem(Resealed, s.from, "%s not what was countersigned: the chain was sealed anew afterwards, by someone who can write the tenant's database.", s))
	}
	if s := v.unknown; s.count > 0 {
		v.find(note(UnknownPolicy, s.from, "%s of rules that the ledger does not know yet.", s))
	}
}
