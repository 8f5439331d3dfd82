package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Channel is one way in which guests write to a tenant, in the tenant's namespace.
// Each gets a connector of its own, with its own credentials, database role and egress.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=chan
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Sub-Processor",type=string,JSONPath=`.spec.subProcessor`
// +kubebuilder:printcolumn:name="Webhook",type=string,priority=1,JSONPath=`.status.webhookURL`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 40",message="metadata.name: use at most 40 lower-case letters, digits and hyphens, as in front-desk"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.matches('-v[0-9]+$')",message="metadata.name: it must not end in -v and a number: version 2 of the database login of channel desk bears the name of a channel desk-v2"
type Channel struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the client wants.
	// +required
	Spec ChannelSpec `json:"spec"`
	// status is what the operator saw.
	// +optional
	Status ChannelStatus `json:"status,omitempty"`
}

// ChannelList is a list of Channels.
//
// +kubebuilder:object:root=true
type ChannelList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Channel `json:"items"`
}

// ChannelType is a provider and its protocol.
//
// +kubebuilder:validation:Enum=TwilioSMS;WhatsApp;Telegram;Messenger;SMPP;WebChat
type ChannelType string

const (
	// TypeTwilioSMS is text messages by Twilio's API.
	TypeTwilioSMS ChannelType = "TwilioSMS"
	// TypeWhatsApp is WhatsApp by Meta's Cloud API.
	TypeWhatsApp ChannelType = "WhatsApp"
	// TypeTelegram is a bot of Telegram's.
	TypeTelegram ChannelType = "Telegram"
	// TypeMessenger is a page's Messenger by Meta's Graph API.
	TypeMessenger ChannelType = "Messenger"
	// TypeSMPP is text messages by a message centre that speaks SMPP 3.4.
	TypeSMPP ChannelType = "SMPP"
	// TypeWebChat is a chat in the guest's browser, which the connector itself serves.
	TypeWebChat ChannelType = "WebChat"
)

// ChannelSpec is what a client wants of a channel.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'TwilioSMS') == has(self.twilioSMS)",message="set the field that type names: type TwilioSMS goes with twilioSMS"
// +kubebuilder:validation:XValidation:rule="(self.type == 'WhatsApp') == has(self.whatsApp)",message="set the field that type names: type WhatsApp goes with whatsApp"
// +kubebuilder:validation:XValidation:rule="(self.type == 'Telegram') == has(self.telegram)",message="set the field that type names: type Telegram goes with telegram"
// +kubebuilder:validation:XValidation:rule="(self.type == 'Messenger') == has(self.messenger)",message="set the field that type names: type Messenger goes with messenger"
// +kubebuilder:validation:XValidation:rule="(self.type == 'SMPP') == has(self.smpp)",message="set the field that type names: type SMPP goes with smpp"
// +kubebuilder:validation:XValidation:rule="(self.type == 'WebChat') == has(self.webChat)",message="set the field that type names: type WebChat goes with webChat"
// +kubebuilder:validation:XValidation:rule="(self.type == 'WebChat') != has(self.subProcessor)",message="subProcessor: name the company that carries the messages, as the Region's register has it; leave it out for type WebChat, whose messages no company carries"
// +kubebuilder:validation:XValidation:rule="self.type == oldSelf.type",message="type can't change: make a new Channel"
type ChannelSpec struct {
	// type of the channel; the field of the same name holds its settings. It can't change. Example: TwilioSMS.
	// +required
	Type ChannelType `json:"type"`

	// twilioSMS holds the settings of type TwilioSMS.
	// +optional
	TwilioSMS *TwilioSMS `json:"twilioSMS,omitempty"`

	// whatsApp holds the settings of type WhatsApp.
	// +optional
	WhatsApp *WhatsApp `json:"whatsApp,omitempty"`

	// telegram holds the settings of type Telegram.
	// +optional
	Telegram *Telegram `json:"telegram,omitempty"`

	// messenger holds the settings of type Messenger.
	// +optional
	Messenger *Messenger `json:"messenger,omitempty"`

	// smpp holds the settings of type SMPP.
	// +optional
	SMPP *SMPP `json:"smpp,omitempty"`

	// webChat holds the settings of type WebChat.
	// +optional
	WebChat *WebChat `json:"webChat,omitempty"`

	// subProcessor is the name, in the Region's register, of the company that carries the messages. Required, but for type WebChat,
	// which has none: guests' browsers speak to the tenant's own pods. Example: twilio.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	SubProcessor string `json:"subProcessor,omitempty"`

	// keywords add opt-out, opt-in and help words of a locale to the mandatory ones; none of those can be removed.
	// Default: the mandatory words alone.
	// +optional
	// +listType=map
	// +listMapKey=locale
	// +kubebuilder:validation:MaxItems=32
	Keywords []Keywords `json:"keywords,omitempty"`
}

// TwilioSMS is the client's side of a Twilio account.
//
// +kubebuilder:validation:XValidation:rule="has(self.from) != has(self.messagingServiceSID)",message="set one of from and messagingServiceSID"
type TwilioSMS struct {
	// accountSID of the Twilio account. Example: AC0123456789abcdef0123456789abcdef.
	// +required
	// +kubebuilder:validation:MinLength=34
	// +kubebuilder:validation:MaxLength=34
	// +kubebuilder:validation:XValidation:rule="self.matches('^AC[0-9a-f]{32}$')",message="use the Account SID that the Twilio Console shows: AC and 32 hexadecimal digits"
	AccountSID string `json:"accountSID"`

	// credentialsSecretRef names a Secret in this namespace whose key authToken is the account's auth token.
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef"`

	// from is the sending number in E.164 form; or messagingServiceSID. Example: "+493012345678".
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[+][1-9][0-9]{1,14}$')",message="use E.164: a plus sign, the country code and the number, without spaces, as in +493012345678"
	From string `json:"from,omitempty"`

	// messagingServiceSID is the Messaging Service that sends; or from. Example: MG0123456789abcdef0123456789abcdef.
	// +optional
	// +kubebuilder:validation:MinLength=34
	// +kubebuilder:validation:MaxLength=34
	// +kubebuilder:validation:XValidation:rule="self.matches('^MG[0-9a-f]{32}$')",message="use the SID that the Twilio Console shows: MG and 32 hexadecimal digits"
	MessagingServiceSID string `json:"messagingServiceSID,omitempty"`

	// apiBaseURL is the origin of Twilio's API, by https. Default: https://api.twilio.com.
	// Example: https://api.dublin.ie1.twilio.com.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$')",message="use an https origin without a path, as in https://api.twilio.com"
	APIBaseURL string `json:"apiBaseURL,omitempty"`

	// caBundle is PEM: the authorities that may have signed the API's certificate, instead of the public ones.
	// Default: the public authorities. For gateways with a certificate of your own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="use certificates in PEM: text that begins with -----BEGIN CERTIFICATE-----"
	CABundle string `json:"caBundle,omitempty"`
}

// WhatsApp is the client's side of a number of WhatsApp's Cloud API.
type WhatsApp struct {
	// phoneNumberID is the number's ID, which Meta's App Dashboard shows. It is not the number. Example: "106540352242922".
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="use the phone number ID that Meta's App Dashboard shows: digits, in quotes"
	PhoneNumberID string `json:"phoneNumberID"`

	// businessAccountID is the ID of the WhatsApp business account that the number belongs to. Example: "102290129340398".
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="use the WhatsApp business account ID that Meta's App Dashboard shows: digits, in quotes"
	BusinessAccountID string `json:"businessAccountID"`

	// credentialsSecretRef names a Secret in this namespace with three keys: accessToken, of a system user, by which messages are
	// sent; appSecret, by which webhooks are signed; verifyToken, a word of your own by which Meta's app is told this address.
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

// SecretReference names a Secret in the same namespace.
type SecretReference struct {
	// name of the Secret. Example: twilio.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// Keywords are words of one locale.
//
// +kubebuilder:validation:XValidation:rule="has(self.stop) || has(self.start) || has(self.help)",message="give words in at least one of stop, start and help"
type Keywords struct {
	// locale of the words as a BCP 47 tag. Example: de-DE.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$')",message="use a BCP 47 tag, as in de or pt-BR"
	Locale string `json:"locale"`
	// stop are words that end messages. Example: ["ABBESTELLEN"].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Stop []Keyword `json:"stop,omitempty"`
	// start are words that let messages come again. Example: ["ANMELDEN"].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Start []Keyword `json:"start,omitempty"`
	// help are words that ask what this is. Example: ["HILFE"].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Help []Keyword `json:"help,omitempty"`
}

// Keyword is a word, compared without regard to case and surrounding white space.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self.matches('[^[:space:]]')",message="a keyword can't be blank"
type Keyword string

// ChannelStatus is what the operator saw of a channel.
type ChannelStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are listed in conditions.go.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// webhookURL is the address to give to the provider; empty for a type that has none, such as SMPP.
	// Example: https://messages.hotel-berlin.example/webhooks/front-desk/twilio/inbound.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	WebhookURL string `json:"webhookURL,omitempty"`
	// credentialsVersion is the version of the database credentials that the connector uses.
	// +optional
	CredentialsVersion int32 `json:"credentialsVersion,omitempty"`
}
