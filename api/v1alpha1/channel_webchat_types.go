package v1alpha1

// WebChat is a chat in the guest's browser. The client's own pages open it; the connector serves it, and nobody else.
type WebChat struct {
	// allowedOrigins are the sites whose pages may open the chat, by https. All others are refused.
	// Example: ["https://www.hotel-berlin.example"].
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	AllowedOrigins []Origin `json:"allowedOrigins"`

	// identity lets guests who are signed in on the client's site be known by their user id there.
	// Default: every guest is known by the session alone.
	// +optional
	Identity *WebChatIdentity `json:"identity,omitempty"`

	// welcomeText is shown before the guest writes. It is not stored with the messages. Default: none.
	// Example: Welcome to Hotel Berlin. How can we help?
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1000
	WelcomeText string `json:"welcomeText,omitempty"`

	// privacyNoticeURL is the page, by https, that tells guests what becomes of what they write. The chat shows it before they do.
	// Default: the Tenant's spec.privacyNotice; a chat that has neither is refused. Example: https://www.hotel-berlin.example/privacy.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != ''",message="use the address of a page by https, as in https://www.hotel-berlin.example/privacy"
	PrivacyNoticeURL string `json:"privacyNoticeURL,omitempty"`

	// sessionHours is how long a session lasts, in hours from when it was opened; then the guest opens another. A policy for
	// WebChatSessions may end it before. Default: 168, a week. Example: 72.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=8760
	SessionHours *int32 `json:"sessionHours,omitempty"`

	// maxMessageLength is the longest text that a guest may send, in characters. Default: 2000. Example: 1000.
	// +optional
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=4000
	MaxMessageLength *int32 `json:"maxMessageLength,omitempty"`
}

// Origin is a site by https: scheme, host in lower case and, when it is not 443, the port.
//
// +kubebuilder:validation:MinLength=9
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?$') && !self.endsWith(':443')",message="use an https origin as browsers send it: lower case, no path, no slash at its end, no wildcard, and no port 443, as in https://www.hotel-berlin.example"
type Origin string

// WebChatIdentity is how the client's site vouches for its users.
type WebChatIdentity struct {
	// secretRef names a Secret in this namespace whose key identitySecret, 32 bytes at least, the site shares: its server signs a
	// user's id by HMAC-SHA-256 with it.
	// +required
	SecretRef SecretReference `json:"secretRef"`

	// mode is Enforced, which refuses guests without a signed user id; or Optional, which lets them in by the session alone. A
	// wrong signature is refused in both. Default: Enforced. Example: Optional.
	// +optional
	Mode WebChatIdentityMode `json:"mode,omitempty"`
}

// WebChatIdentityMode says what becomes of guests whom the client's site does not vouch for.
//
// +kubebuilder:validation:Enum=Optional;Enforced
type WebChatIdentityMode string

const (
	// WebChatIdentityOptional lets guests without a user id in.
	WebChatIdentityOptional WebChatIdentityMode = "Optional"
	// WebChatIdentityEnforced refuses them.
	WebChatIdentityEnforced WebChatIdentityMode = "Enforced"
)
