package contract

import "slices"

// EnvMayLack lists the parts of what is asked for that an image may lack, with commas between (migrate): the release before knows
// fewer than the operator. One that is not listed there must be known.
const EnvMayLack = "SWITCHBOARD_SETUP_MAY_LACK"

// Parts of what is asked for, as Tenant.spec spells them. Without one of them an image goes on as it did before; what says which data
// there is, how long it is kept, and what must not be deleted is none of them.
const (
	PartWebhooks      = "webhooks"
	PartSendWindow    = "sendWindow"
	PartPrivacyNotice = "privacyNotice"
	PartStaffOIDC     = "staffOIDC" // not of the Setup: serve is told by EnvStaffOIDC
)

// Parts lists those that this release knows, sorted.
func Parts() []string {
	return []string{PartPrivacyNotice, PartSendWindow, PartStaffOIDC, PartWebhooks}
}

// Lacked gives those of parts that this release does not know, sorted.
func Lacked(parts []string) []string {
	lacked := slices.DeleteFunc(slices.Clone(parts), func(p string) bool { return slices.Contains(Parts(), p) || slices.Contains(needed(), p) })
	slices.Sort(lacked)
	return slices.Compact(lacked)
}

// needed are the fields of a Setup that nobody may leave out.
func needed() []string { return []string{"channels", "retention", "holds"} }
