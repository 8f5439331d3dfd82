package evidence

import "slices"

// Adopted is a note: the receipts before are of a tenant that was brought in from elsewhere.
const Adopted Code = "Adopted"

// adopts says that a receipt tells that all before it came along from elsewhere, and names
// the newest of them. Who keeps countersigned receipts must have seen this one: else
// anybody could claim it. What is not known of the receipts before is then no matter of
// this place.
func (v *Verifier) adopts(r Receipt) bool {
	if r.Kind != KindAdopted || r.Adopted == nil || r.Adopted.Head != v.report.Head || v.expect.Tenant != "" && r.Tenant != v.expect.Tenant {
		return false
	}
	if _, told := v.expect.Countersigned[r.Sequence]; len(v.expect.Countersigned) > 0 && !told {
		return false
	}
	v.others, v.swapped, v.unknown = span{}, span{}, span{}
	v.report.Findings = slices.DeleteFunc(v.report.Findings, func(f Finding) bool { return f.Code == Adopted })
	v.find(note(Adopted, r.Sequence, "Receipt %d tells that the receipts before it came along from elsewhere, where the tenant was %s.", r.Sequence, r.Adopted.Tenant))
	return true
}
