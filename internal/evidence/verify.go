package evidence

import (
	"fmt"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Report is the outcome of a verification.
type Report struct {
	Receipts int64               `json:"receipts"`
	Head     contract.ChainLink  `json:"head"` // the newest receipt as stored
	Anchor   *contract.ChainLink `json:"anchor,omitempty"`
	Findings []Finding           `json:"findings"`
	problems int64
	unlisted int64
}

// OK says that nothing is wrong; notes don't count.
func (r Report) OK() bool { return r.problems == 0 }

// Verifier checks a chain of receipts that are added in their order. It keeps
// the newest link alone, however long the chain is.
type Verifier struct {
	expect                     Expectation
	anchorSeen                 bool
	resealed, swapped, unknown span
	others                     span // receipts of other tenants
	report                     Report
}

// NewVerifier begins a verification. The anchor is the newest link that someone
// has kept outside the database; nil when there is none, and then a chain cut
// off at its newest end looks whole.
func NewVerifier(anchor *contract.ChainLink) *Verifier {
	return NewVerifierOf(Expectation{Anchor: anchor})
}

// NewVerifierOf begins a verification against all that is known from elsewhere.
func NewVerifierOf(e Expectation) *Verifier {
	return &Verifier{expect: e, report: Report{Anchor: e.Anchor, Findings: []Finding{}}}
}

// Add checks the next receipt.
func (v *Verifier) Add(s Sealed) {
	v.link(s)
	v.body(s)
	v.expected(s)
	if anchor := v.expect.Anchor; anchor != nil && s.Sequence == anchor.Sequence {
		v.anchorSeen = true
		if _, told := v.expect.Countersigned[s.Sequence]; !told && s.Digest != anchor.Digest {
			v.find(problem(Replaced, s.Sequence, "Receipt %d is not the one that was anchored: the chain was written anew up to here.", s.Sequence))
		}
	}
	v.report.Receipts++
	v.report.Head = contract.ChainLink{Sequence: s.Sequence, Digest: s.Digest}
}

// link checks how a receipt joins the one before it.
func (v *Verifier) link(s Sealed) {
	if v.report.Receipts == 0 {
		switch {
		case v.bridges(s): // what was put back is older than the first receipt
		case s.Sequence > 1:
			v.find(problem(StartTruncated, s.Sequence, "The receipts before %d are missing: the chain is cut off at its start.", s.Sequence))
		case s.Sequence < 1:
			v.find(problem(SequenceGap, s.Sequence, "The first receipt bears the number %d, it should be 1.", s.Sequence))
		case s.Previous != Genesis:
			v.find(problem(Replaced, s.Sequence, "Receipt 1 does not begin a chain: it was sealed on another receipt."))
		}
		return
	}
	head, joins := v.report.Head, s.Previous == v.report.Head.Digest
	if v.bridges(s) {
		return
	}
	switch {
	case s.Sequence == head.Sequence+1 && !joins:
		v.find(problem(Replaced, head.Sequence, "Receipt %d was sealed on another receipt %d than the one that is here: receipt %d was replaced.", s.Sequence, head.Sequence, head.Sequence))
	case s.Sequence > head.Sequence+1 && !joins:
		v.find(problem(Missing, head.Sequence+1, "%s missing between receipts %d and %d.", missing(head.Sequence+1, s.Sequence-1), head.Sequence, s.Sequence))
	case s.Sequence != head.Sequence+1:
		v.find(problem(SequenceGap, s.Sequence, "Receipt %d follows receipt %d: numbers are left out, repeated or out of order.", s.Sequence, head.Sequence))
	}
}

// missing renders a range of receipts with its verb.
func missing(from, to int64) string {
	if from == to {
		return fmt.Sprintf("Receipt %d is", from)
	}
	return fmt.Sprintf("Receipts %d to %d are", from, to)
}

// body checks a receipt by itself.
func (v *Verifier) body(s Sealed) {
	digest, err := Digest(s.Previous, []byte(s.Body))
	if err != nil || digest != s.Digest {
		v.find(problem(Edited, s.Sequence, "Receipt %d was edited: its digest is not that of its bytes.", s.Sequence))
	}
	r, err := Decode([]byte(s.Body))
	switch {
	case err != nil:
		// The cause may quote what is in the body, which is not to be repeated.
		v.find(problem(Unreadable, s.Sequence, "Receipt %d can't be read: its body is no receipt of version %d in canonical form.", s.Sequence, Version))
	case r.Sequence != s.Sequence:
		v.find(problem(Edited, s.Sequence, "Receipt %d was edited: within, it bears the number %d.", s.Sequence, r.Sequence))
	default:
		v.expectedWithin(r)
	}
}

// Finish compares the end of the chain with the anchor and gives the report.
func (v *Verifier) Finish() Report {
	v.finishExpected()
	head, anchor := v.report.Head.Sequence, v.expect.Anchor
	switch {
	case anchor == nil:
		if v.report.Receipts == 0 {
			v.find(note(Empty, 0, "There is no receipt yet."))
		}
	case anchor.Sequence > head:
		v.find(problem(HeadTruncated, anchor.Sequence, "The anchor is at receipt %d, the newest receipt is %d: the newest receipts were cut off, or an older database was put back.", anchor.Sequence, head))
	case !v.anchorSeen:
		v.find(problem(Missing, anchor.Sequence, "Receipt %d, which was anchored, is missing.", anchor.Sequence))
	case anchor.Sequence < head:
		v.find(note(AnchorOlder, anchor.Sequence, "The anchor is at receipt %d, the newest receipt is %d: what follows the anchor is held by the chain alone.", anchor.Sequence, head))
	}
	if v.report.unlisted > 0 {
		v.report.Findings = append(v.report.Findings, problem(More, 0, "%d more findings are not listed.", v.report.unlisted))
	}
	return v.report
}

func (v *Verifier) find(f Finding) {
	if f.Problem {
		v.report.problems++
	}
	if len(v.report.Findings) == MaxFindings {
		v.report.unlisted++
		return
	}
	v.report.Findings = append(v.report.Findings, f)
}
