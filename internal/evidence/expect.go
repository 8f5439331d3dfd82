package evidence

import "github.com/switchboard-operator/switchboard/internal/contract"

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

// expected checks a receipt against what is known from elsewhere.
func (v *Verifier) expected(s Sealed) {
	if digest, signed := v.expect.Countersigned[s.Sequence]; signed && digest != s.Digest {
		v.resealed.add(s.Sequence)
	}
}

// expectedWithin does so for what the receipt says.
func (v *Verifier) expectedWithin(r Receipt) {
	if v.expect.Tenant != "" && r.Tenant != v.expect.Tenant {
		v.find(problem(OtherTenant, r.Sequence, "Receipt %d is of another tenant than %s.", r.Sequence, v.expect.Tenant))
	}
	if v.expect.Policies == nil || r.Kind != KindRetention || v.expect.Policies[Policy{r.Policy, r.PolicyDigest}] {
		return
	}
	if v.expect.Anchor == nil || r.Sequence > v.expect.Anchor.Sequence {
		v.find(note(UnknownPolicy, r.Sequence, "Receipt %d is of rules that the ledger does not know yet.", r.Sequence))
		return
	}
	v.find(problem(SwappedPolicy, r.Sequence, "Receipt %d is of rules that the ledger does not know: the policy was swapped for another. Their digest is the receipt's policyDigest.", r.Sequence))
}

// finishExpected tells of what was sealed anew: once, however much it is.
func (v *Verifier) finishExpected() {
	if r := v.resealed; r.count == 1 {
		v.find(problem(Resealed, r.from, "Receipt %d is not the one that was countersigned: it was sealed anew afterwards.", r.from))
	} else if r.count > 1 {
		v.find(problem(Resealed, r.from, "%d receipts from %d to %d are not those that were countersigned: the chain was sealed anew afterwards, by someone who can write the tenant's database.", r.count, r.from, r.to))
	}
}
