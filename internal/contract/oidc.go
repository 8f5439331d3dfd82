package contract

// EnvStaffOIDC is the provider that staff sign in by: a StaffOIDC as JSON (serve only). Without it there are passwords alone.
const EnvStaffOIDC = "SWITCHBOARD_STAFF_OIDC"

// DirStaffOIDC holds FileClientSecret, once the Secret is there (serve only).
const DirStaffOIDC = "/var/run/switchboard/staff-oidc"

// FileClientSecret is the key of a Secret by which a provider of OpenID Connect knows the tenant.
const FileClientSecret = "clientSecret"

// MaxClientSecret bounds FileClientSecret, in bytes.
const MaxClientSecret = 1 << 10

// PathSignInReturn is where a provider sends the browser back to: EnvPublicURL and this are the redirect URI that it must know.
const PathSignInReturn = "/api/v1/sign-in/return"

// StaffOIDC is a provider of OpenID Connect as the server knows it.
type StaffOIDC struct {
	Name     string `json:"name"`   // for people
	Issuer   string `json:"issuer"` // https
	ClientID string `json:"clientID"`
	// CIDRs are the networks that the provider may be in: those of its sub-processor, without what the Region forbids. With none of them,
	// nobody signs in by it.
	CIDRs         []string `json:"cidrs"`
	Except        []string `json:"except,omitempty"`       // single addresses within them that are forbidden, as CIDRs
	EmailDomains  []string `json:"emailDomains,omitempty"` // lower case; none for all
	VerifiedClaim string   `json:"verifiedClaim"`          // by which it says that it has verified an address
	Required      bool     `json:"required,omitempty"`     // no password is taken
	CABundle      string   `json:"caBundle,omitempty"`
}
