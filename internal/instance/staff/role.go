package staff

import (
	"slices"
	"strings"
)

// Role is what a member may do; which operation is whose, the API says.
type Role string

// Roles, as sb.staff has them.
const (
	Agent          Role = "agent"          // reads and answers
	Supervisor     Role = "supervisor"     // and manages accounts and other systems
	PrivacyOfficer Role = "privacyOfficer" // reads, and sees to what guests are owed; writes to nobody
	Auditor        Role = "auditor"        // sees counts and evidence: no words, no names, no addresses
)

// Roles is a set of them, in the order of All.
type Roles []Role

// All gives every role.
func All() Roles { return Roles{Agent, Supervisor, PrivacyOfficer, Auditor} }

// Has says whether a role is one of them.
func (r Roles) Has(role Role) bool { return slices.Contains(r, role) }

func (r Roles) String() string {
	words := make([]string, 0, len(r))
	for _, role := range r {
		words = append(words, string(role))
	}
	return strings.Join(words, ", ")
}
