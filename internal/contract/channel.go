package contract

// SetupChannel is a channel as the database knows it.
type SetupChannel struct {
	Name string `json:"name"`
	Type string `json:"type"` // a ChannelType…
}

// Types of channels, as Channel.spec.type spells them.
const (
	ChannelTypeTwilioSMS = "TwilioSMS"
	ChannelTypeWhatsApp  = "WhatsApp"
	ChannelTypeTelegram  = "Telegram"
	ChannelTypeMessenger = "Messenger"
	ChannelTypeSMPP      = "SMPP"
	ChannelTypeWebChat   = "WebChat"
)

// WebhookPath is where a channel of a type takes messages, below /webhooks/NAME/; "" for one that takes none, as it dials
// its provider.
func WebhookPath(channelType string) string {
	switch channelType {
	case ChannelTypeSMPP:
		return ""
	case ChannelTypeWhatsApp:
		return "whatsapp"
	case ChannelTypeTelegram:
		return "telegram"
	case ChannelTypeMessenger:
		return "messenger"
	case ChannelTypeWebChat:
		return "chat"
	default:
		return "twilio/inbound"
	}
}

// Dials tells the types whose connectors call their provider, and take no webhooks.
func Dials(channelType string) bool { return WebhookPath(channelType) == "" }

// Registers tells the types whose connectors set something up at their provider, which stays there until it is taken back.
func Registers(channelType string) bool { return channelType == ChannelTypeTelegram }

// CredentialKeys are the keys that the Secret of a channel of a type has. A WebChat needs one only
// where guests sign in on the client's own site.
func CredentialKeys(channelType string) []string {
	switch channelType {
	case ChannelTypeWhatsApp, ChannelTypeMessenger:
		return []string{FileAccessToken, FileAppSecret, FileVerifyToken}
	case ChannelTypeTelegram:
		return []string{FileBotToken, FileSecretToken}
	case ChannelTypeSMPP:
		return []string{FilePassword}
	case ChannelTypeWebChat:
		return []string{FileIdentitySecret}
	default:
		return []string{FileAuthToken}
	}
}

// ChannelTypes lists the types of channels.
func ChannelTypes() []string {
	return []string{ChannelTypeTwilioSMS, ChannelTypeWhatsApp, ChannelTypeTelegram, ChannelTypeMessenger, ChannelTypeSMPP, ChannelTypeWebChat}
}

// Channel is what `instance connect` needs to know of its channel.
type Channel struct {
	Name      string     `json:"name"`
	Type      string     `json:"type"`
	TwilioSMS *TwilioSMS `json:"twilioSMS,omitempty"`
	WhatsApp  *WhatsApp  `json:"whatsApp,omitempty"`
	Telegram  *Telegram  `json:"telegram,omitempty"`
	Messenger *Messenger `json:"messenger,omitempty"`
	SMPP      *SMPP      `json:"smpp,omitempty"`
	WebChat   *WebChat   `json:"webChat,omitempty"`
	Keywords  []Keywords `json:"keywords,omitempty"`
}

// TwilioSMS is a Twilio account's side of a channel; its auth token is in DirChannel.
type TwilioSMS struct {
	AccountSID          string `json:"accountSID"`
	From                string `json:"from,omitempty"`                // E.164; or
	MessagingServiceSID string `json:"messagingServiceSID,omitempty"` // MG…
	APIBaseURL          string `json:"apiBaseURL"`                    // https://api.twilio.com
	CABundle            string `json:"caBundle,omitempty"`            // PEM, instead of the public authorities
}

// WhatsApp is a number's side of a channel of WhatsApp's Cloud API; its credentials are in
// DirChannel.
type WhatsApp struct {
	PhoneNumberID     string `json:"phoneNumberID"`
	BusinessAccountID string `json:"businessAccountID"`
	APIBaseURL        string `json:"apiBaseURL"`         // https://graph.facebook.com
	APIVersion        string `json:"apiVersion"`         // v23.0
	CABundle          string `json:"caBundle,omitempty"` // PEM, instead of the public authorities
}

// Telegram is a bot's side of a channel; its credentials are in DirChannel.
type Telegram struct {
	Username   string `json:"username"`           // without the @
	APIBaseURL string `json:"apiBaseURL"`         // https://api.telegram.org
	CABundle   string `json:"caBundle,omitempty"` // PEM, instead of the public authorities
}

// Messenger is a page's side of a channel; its credentials are in DirChannel.
type Messenger struct {
	PageID     string `json:"pageID"`
	APIBaseURL string `json:"apiBaseURL"`         // https://graph.facebook.com
	APIVersion string `json:"apiVersion"`         // v23.0
	CABundle   string `json:"caBundle,omitempty"` // PEM, instead of the public authorities
}

// SMPP is an account's side of a channel at a message centre; its password is in DirChannel.
type SMPP struct {
	Host               string `json:"host"`
	Port               int    `json:"port"`
	Plain              bool   `json:"plain,omitempty"`    // without TLS
	CABundle           string `json:"caBundle,omitempty"` // PEM, instead of the public authorities
	SystemID           string `json:"systemID"`
	SystemType         string `json:"systemType,omitempty"`
	From               string `json:"from"` // E.164, a short code, or letters
	SourceTON          int    `json:"sourceTON"`
	SourceNPI          int    `json:"sourceNPI"`
	CountryCode        string `json:"countryCode,omitempty"` // of numbers in national form; "" leaves them so
	WindowSize         int    `json:"windowSize"`            // submit_sm without answer at most
	EnquireLinkSeconds int    `json:"enquireLinkSeconds"`    // between two enquire_link
	MessagesPerSecond  int    `json:"messagesPerSecond"`     // submit_sm at most
	LongMessages       string `json:"longMessages"`          // UDH8, UDH16, SAR or Payload
}

// Who may open a web chat, as to who they say they are on the client's own site.
const (
	// IdentityNone: nobody can be told apart but by the session; the Channel has no identity secret.
	IdentityNone = ""
	// IdentityOptional: a user id that is given must be signed; who gives none is a guest.
	IdentityOptional = "Optional"
	// IdentityEnforced: who gives no signed user id is refused.
	IdentityEnforced = "Enforced"
)

// Bounds of a web chat's settings.
const (
	// MaxChatMessage is the highest MaxMessageLength.
	MaxChatMessage = 4000
	// MaxSessionHours is the highest SessionHours: a year.
	MaxSessionHours = 8760
	// MinIdentitySecret is how short a secret may be, in bytes: as long as what it makes.
	MinIdentitySecret = 32
)

// WebChat is a chat in the browser of a guest. Its identity secret, where there is one, is in DirChannel.
type WebChat struct {
	AllowedOrigins   []string `json:"allowedOrigins"` // https://www.hotel-berlin.example
	Identity         string   `json:"identity,omitempty"`
	WelcomeText      string   `json:"welcomeText,omitempty"`
	PrivacyNoticeURL string   `json:"privacyNoticeURL"`
	// NoticeVersion is the newest version of the notice whose change was material; 0 for a page without versions.
	NoticeVersion    int32 `json:"noticeVersion,omitempty"`
	SessionHours     int32 `json:"sessionHours"`     // from when it is opened
	MaxMessageLength int32 `json:"maxMessageLength"` // characters
}

// Keywords adds words of a locale to the mandatory ones; it can't remove any.
type Keywords struct {
	Locale string   `json:"locale"`
	Stop   []string `json:"stop,omitempty"`
	Start  []string `json:"start,omitempty"`
	Help   []string `json:"help,omitempty"`
}
