package v1alpha1

// WebhookEvent is something that happens to a guest's messages, or to what they let the tenant show.
//
// +kubebuilder:validation:Enum=MessageReceived;MessageStatus;OptOutChanged;TestimonialWithdrawn
type WebhookEvent string

const (
	// WebhookMessageReceived: a guest wrote.
	WebhookMessageReceived WebhookEvent = "MessageReceived"
	// WebhookMessageStatus: a message to a guest was accepted, sent, delivered or read, or was not.
	WebhookMessageStatus WebhookEvent = "MessageStatus"
	// WebhookOptOutChanged: a guest opted out or in, or asked to.
	WebhookOptOutChanged WebhookEvent = "OptOutChanged"
	// WebhookTestimonialWithdrawn: a guest withdrew their consent to a testimonial, which must not be shown any more.
	WebhookTestimonialWithdrawn WebhookEvent = "TestimonialWithdrawn"
)

// Webhook tells another system of the client's of what happens, by a signed request to it (Standard Webhooks).
type Webhook struct {
	// name of the webhook. Example: property-management.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="use lower-case letters, digits and hyphens, as in property-management"
	Name string `json:"name"`

	// url of the receiver, by https. Redirects are not followed. Its name must lead into the networks that the sub-processor has in
	// the Region's register. It stands in objects that others read: put no secret into it. Example: https://pms.example/switchboard.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != '' && !self.contains('@') && !self.contains('#')",message="use an address by https, without user and fragment, as in https://pms.example/switchboard"
	URL string `json:"url"`

	// subProcessor is the name, in the Region's register, of the company that runs the receiver. Its location, purpose, transfer
	// mechanism and networks are there. Example: pms-vendor.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	SubProcessor string `json:"subProcessor"`

	// events that are told.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Events []WebhookEvent `json:"events"`

	// includeText has the words of a guest's message told too. Default: false, ids and times alone.
	// +optional
	IncludeText bool `json:"includeText,omitempty"`

	// secretRefs name Secrets in the tenant's namespace whose key signingSecret is whsec_ and 24 to 64 bytes in base64. All of
	// them sign: name the new one beside the old while the receiver changes over. Example: [{"name": "pms-webhook"}].
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	SecretRefs []SecretReference `json:"secretRefs"`

	// caBundle is PEM: the authorities that may have signed the receiver's certificate, instead of the public ones.
	// Default: the public authorities.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="use certificates in PEM: text that begins with -----BEGIN CERTIFICATE-----"
	CABundle string `json:"caBundle,omitempty"`

	// resume is a word of your own: when it changes, a webhook whose receiver has ended it, by answering 410, begins anew.
	// Default: none. Example: "2026-12-01".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Resume string `json:"resume,omitempty"`
}
