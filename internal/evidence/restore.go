package evidence

import "github.com/switchboard-operator/switchboard/internal/contract"

// Restored is a note: an older database was put back, and brought up to what is known.
// The receipts that it lacks are named by who kept them elsewhere.
const Restored Code = "Restored"

// bridges says that a receipt takes its place after receipts that the database lacks
// because an older one was put back: it names the head that was found, and was sealed on
// one that is known from elsewhere. Without such knowledge it says so itself.
func (v *Verifier) bridges(s Sealed) bool {
	r, err := Decode([]byte(s.Body))
	if err != nil || r.Kind != KindRestore || r.Restored == nil || s.Sequence <= v.report.Head.Sequence+1 {
		return false
	}
	found, known := r.Restored.Found, r.Restored.Known
	if found != v.report.Head || known != (contract.ChainLink{Sequence: s.Sequence - 1, Digest: s.Previous}) {
		return false
	}
	digest, told := v.expect.Countersigned[known.Sequence]
	if told && digest != known.Digest || v.expect.Countersigned != nil && !told {
		return false // it was sealed on a receipt that nobody has seen
	}
	v.find(note(Restored, s.Sequence, "Receipt %d tells that an older database was put back: %s not in it, and what they did was done again.",
		s.Sequence, missing(found.Sequence+1, known.Sequence)))
	return true
}
