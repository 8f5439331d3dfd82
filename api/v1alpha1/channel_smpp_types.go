package v1alpha1

// SMPP is the client's side of an account at a message centre (SMSC) that speaks SMPP 3.4.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.transport) && self.transport == 'Plain' && has(self.caBundle))",message="caBundle is for TLS: leave it out, or transport: Plain"
// +kubebuilder:validation:XValidation:rule="!self.from.matches('[A-Za-z]') || has(self.sourceTON) && self.sourceTON == 5",message="from has letters: set sourceTON: 5 and sourceNPI: 0, or use a number, as in +493012345678"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.defaultCountryCode) || has(self.defaultCountryCode) && self.defaultCountryCode == oldSelf.defaultCountryCode",message="defaultCountryCode can't change: guests who opted out are known by it; make a new Channel"
type SMPP struct {
	// host is the message centre's name or IPv4 address. The sub-processor's egress in the Region must lead there, on port.
	// Example: smpp.carrier.example.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$')",message="use a host name or an IPv4 address without port, as in smpp.carrier.example"
	Host string `json:"host"`

	// port of the message centre. Example: 3550.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// transport is TLS, or Plain, by which password and texts can be read on the way: for a line that is encrypted otherwise.
	// Default: TLS. Example: TLS.
	// +optional
	Transport SMPPTransport `json:"transport,omitempty"`

	// caBundle is PEM: the authorities that may have signed the message centre's certificate, instead of the public ones.
	// Default: the public authorities.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="use certificates in PEM: text that begins with -----BEGIN CERTIFICATE-----"
	CABundle string `json:"caBundle,omitempty"`

	// systemID is the account's name, of 15 characters at most. Example: hotelberlin.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="use the system_id as the operator of the message centre gives it: visible ASCII characters without blanks"
	SystemID string `json:"systemID"`

	// systemType that the account must name, of 12 characters at most. Default: none. Example: SMPP.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=12
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="use the system_type as the operator of the message centre gives it: visible ASCII characters without blanks"
	SystemType string `json:"systemType,omitempty"`

	// credentialsSecretRef names a Secret in this namespace whose key password is the account's, of 8 characters at most.
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef"`

	// bindType is how the connection is used: as a Transceiver, messages come and go by one. Default: Transceiver. Example: Transceiver.
	// +optional
	BindType SMPPBindType `json:"bindType,omitempty"`

	// from is what guests see: a number in E.164, a short code, or a name of 11 letters and digits at most, which can't be answered.
	// Example: "+493012345678".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([+][1-9][0-9]{1,14}|[0-9]{3,15}|[A-Za-z0-9 ]{1,11})$')",message="use a number in E.164 as in +493012345678, a short code as in 72001, or a name of at most 11 letters and digits"
	From string `json:"from"`

	// sourceTON is from's type of number (SMPP 3.4, 5.2.5): 1 international, 3 network specific, 5 alphanumeric.
	// Default: 1 for E.164, else 3. Example: 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=6
	SourceTON *int32 `json:"sourceTON,omitempty"`

	// sourceNPI is from's numbering plan (SMPP 3.4, 5.2.6): 0 unknown, 1 ISDN.
	// Default: 1 for E.164, else 0. Example: 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=18
	SourceNPI *int32 `json:"sourceNPI,omitempty"`

	// defaultCountryCode is the country of numbers that the message centre brings in their national form, so that a guest is the same
	// by either form: with 44, 07700900123 is +447700900123. Without it such a number stays as it came. Once set it can't
	// change: who opted out is known by it. Default: none. Example: "44".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=3
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]{0,2}$')",message="use the country's calling code without plus or zeros, as in 44"
	DefaultCountryCode string `json:"defaultCountryCode,omitempty"`

	// windowSize is how many messages may be without answer at the same time. Default: 10. Example: 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	WindowSize *int32 `json:"windowSize,omitempty"`

	// enquireLinkSeconds is the time between two enquire_link, in seconds. Default: 30. Example: 30.
	// +optional
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=300
	EnquireLinkSeconds *int32 `json:"enquireLinkSeconds,omitempty"`

	// messagesPerSecond is how many parts of messages are submitted in a second at most. Default: 10. Example: 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MessagesPerSecond *int32 `json:"messagesPerSecond,omitempty"`

	// longMessages is how texts are sent that don't fit into one message: in parts with a header whose reference has 8 or 16 bits
	// (UDH8, UDH16), in parts with the parameters sar_* (SAR), or in one message_payload (Payload). Default: UDH8. Example: UDH8.
	// +optional
	LongMessages SMPPLongMessages `json:"longMessages,omitempty"`
}

// SMPPTransport is how the connection to a message centre is secured.
//
// +kubebuilder:validation:Enum=TLS;Plain
type SMPPTransport string

const (
	// SMPPTransportTLS is TLS 1.2 or newer.
	SMPPTransportTLS SMPPTransport = "TLS"
	// SMPPTransportPlain is not secured.
	SMPPTransportPlain SMPPTransport = "Plain"
)

// SMPPBindType is a kind of bind.
//
// +kubebuilder:validation:Enum=Transceiver
type SMPPBindType string

// SMPPLongMessages is a way to send long texts.
//
// +kubebuilder:validation:Enum=UDH8;UDH16;SAR;Payload
type SMPPLongMessages string
