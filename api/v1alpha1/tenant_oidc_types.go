package v1alpha1

// StaffOIDC lets staff sign in by a provider of OpenID Connect: the client's own directory. Accounts and roles stay here: the provider
// says who somebody is, and nothing else. See docs/staff-oidc.md.
type StaffOIDC struct {
	// name of the provider, as the button for signing in has it. Example: Hotel Berlin.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name"`

	// issuer is the provider's identifier, by https, exactly as its discovery document spells it. Its endpoints must be on the port that
	// is in it, and their names lead into the networks that the sub-processor has in the Region's register.
	// Example: https://login.hotel-berlin.example/realms/staff.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != '' && !self.contains('@') && !self.contains('#') && !self.contains('?')",message="use the issuer by https, without user, query and fragment, as in https://login.hotel-berlin.example/realms/staff; the provider's discovery document has it"
	Issuer string `json:"issuer"`

	// clientID is how the provider knows this tenant. Example: switchboard.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="use the client's ID as the provider shows it: printable ASCII characters without spaces"
	ClientID string `json:"clientID"`

	// clientSecretRef names a Secret in the tenant's namespace with the key clientSecret. Another one counts within a minute or two of its
	// change. Example: {"name": "staff-oidc"}.
	// +required
	ClientSecretRef SecretReference `json:"clientSecretRef"`

	// subProcessor is the name, in the Region's register, of the company that runs the provider: it learns which of the staff sign in, and
	// when. Its location, transfer mechanism and networks are there. Example: directory.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	SubProcessor string `json:"subProcessor"`

	// emailDomains are those whose addresses the provider may speak for, without their subdomains. Default: all.
	// Example: ["hotel-berlin.example"].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	EmailDomains []EmailDomain `json:"emailDomains,omitempty"`

	// emailVerifiedClaim is the claim by which the provider says that it has verified the address in the claim email. Nobody is let in
	// without it. Microsoft Entra ID has xms_edov for that. Default: email_verified. Example: xms_edov.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_:./-]+$')",message="use the name of a claim, as in email_verified or xms_edov"
	EmailVerifiedClaim string `json:"emailVerifiedClaim,omitempty"`

	// required has staff sign in by the provider alone: no password is taken, not even while the provider can't be reached. Sign in by it
	// first, as a supervisor. Default: false.
	// +optional
	Required bool `json:"required,omitempty"`

	// caBundle is PEM: the authorities that may have signed the provider's certificate, instead of the public ones.
	// Default: the public authorities.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="use certificates in PEM: text that begins with -----BEGIN CERTIFICATE-----"
	CABundle string `json:"caBundle,omitempty"`
}

// EmailDomain is what stands behind the @ of an address.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="use a domain in lower case, without @, as in hotel-berlin.example"
type EmailDomain string
