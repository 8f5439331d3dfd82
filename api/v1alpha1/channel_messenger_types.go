package v1alpha1

// Messenger is the client's side of a Facebook page that guests write to.
type Messenger struct {
	// pageID is the page's ID, which Meta's App Dashboard shows. Example: "104512345678901".
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="use the page ID that Meta's App Dashboard shows: digits, in quotes"
	PageID string `json:"pageID"`

	// credentialsSecretRef names a Secret in this namespace with three keys: accessToken, the page's, by which messages are sent;
	// appSecret, by which webhooks are signed; verifyToken, a word of your own by which Meta's app is told this address.
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef"`

	// apiBaseURL is the origin of the Graph API, by https. Default: https://graph.facebook.com.
	// Example: https://graph.facebook.com.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$')",message="use an https origin without a path, as in https://graph.facebook.com"
	APIBaseURL string `json:"apiBaseURL,omitempty"`

	// apiVersion of the Graph API. Default: v23.0. Example: v23.0.
	// +optional
	// +kubebuilder:validation:MinLength=4
	// +kubebuilder:validation:MaxLength=7
	// +kubebuilder:validation:XValidation:rule="self.matches('^v[1-9][0-9]{0,2}[.][0-9]{1,2}$')",message="use a version of the Graph API, as in v23.0"
	APIVersion string `json:"apiVersion,omitempty"`

	// caBundle is PEM: the authorities that may have signed the API's certificate, instead of the public ones.
	// Default: the public authorities. For gateways with a certificate of your own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="use certificates in PEM: text that begins with -----BEGIN CERTIFICATE-----"
	CABundle string `json:"caBundle,omitempty"`
}
