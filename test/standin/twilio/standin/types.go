package standin

import "time"

// Config is what the stand-in knows when it starts.
type Config struct {
	Accounts []Account `json:"accounts"`
	Routes   []Route   `json:"routes,omitempty"`
	// CallbackDelay is the time before each callback in milliseconds; 200 when zero.
	CallbackDelay int `json:"callbackDelay,omitempty"`
}

// Account is an account of Twilio's.
type Account struct {
	SID       string `json:"sid"`
	AuthToken string `json:"authToken"`
	Status    string `json:"status,omitempty"` // active when empty; suspended, closed; elsewhere: not served here
	// Numbers that the account may send from, in E.164; "*" stands for any.
	Numbers []string `json:"numbers"`
	// MessagingServices by SID (MG…).
	MessagingServices []string `json:"messagingServices,omitempty"`
}

// Route says where the host of a public URL really is: test clusters have no DNS.
// One host can have several, apart by path: a tenant's channels share its host.
type Route struct {
	Host    string `json:"host"`           // as in the URL, with a port if that has one
	Path    string `json:"path,omitempty"` // for URLs whose path begins with it; the longest counts
	Address string `json:"address"`        // host:port to connect to
	CA      string `json:"ca,omitempty"`   // PEM; the system's authorities when empty
}

// Fault is what requests meet instead of the usual answer.
type Fault struct {
	To        string `json:"to,omitempty"`        // requests about this number; "" for all
	Operation string `json:"operation,omitempty"` // send (default) or list
	Count     int    `json:"count,omitempty"`     // how many requests; 1 when zero
	// Accept takes the message all the same; the client is not told.
	Accept bool `json:"accept,omitempty"`
	// Answer is status, hang (until the client gives up) or drop (the connection).
	Answer     string `json:"answer"`
	Status     int    `json:"status,omitempty"`     // answer status: the HTTP status
	Code       int    `json:"code,omitempty"`       // answer status: Twilio's error code, if any
	RetryAfter int    `json:"retryAfter,omitempty"` // answer status: seconds; no header when zero
}

// Outcome is what callbacks say of messages to a number.
type Outcome struct {
	To        string   `json:"to"`
	Statuses  []string `json:"statuses"`            // in this order, repeated if named twice; none for no callbacks
	ErrorCode int      `json:"errorCode,omitempty"` // sent with failed and undelivered
	// Retries is how often a callback is tried again, at most 5, after an answer of
	// 5xx or none. Zero does what Twilio does by default: it tries a second time when
	// it could not connect (https://www.twilio.com/docs/api/errors/11205).
	Retries int `json:"retries,omitempty"`
}

// OptOut blocks a guest for a sender: sending fails with code 21610.
type OptOut struct {
	Account string `json:"account"`
	From    string `json:"from"` // the account's number or messaging service
	To      string `json:"to"`
	Resumed bool   `json:"resumed,omitempty"` // takes the block back
}

// Message is a message that was accepted.
type Message struct {
	SID                 string    `json:"sid"`
	Account             string    `json:"account"`
	To                  string    `json:"to"`
	From                string    `json:"from,omitempty"`
	MessagingServiceSID string    `json:"messagingServiceSid,omitempty"`
	Body                string    `json:"body"`
	StatusCallback      string    `json:"statusCallback,omitempty"`
	MediaURLs           []string  `json:"mediaUrls,omitempty"`
	Status              string    `json:"status"`
	ErrorCode           int       `json:"errorCode,omitempty"`
	At                  time.Time `json:"at"`
	SentAt              time.Time `json:"sentAt,omitzero"`
}

// Attempt is a request to send.
type Attempt struct {
	At      time.Time `json:"at"`
	Account string    `json:"account"`
	To      string    `json:"to"`
	// Status is the HTTP status answered, 0 when none was.
	Status int    `json:"status"`
	Code   int    `json:"code,omitempty"` // Twilio's error code
	SID    string `json:"sid,omitempty"`  // when the message was accepted
}

// Lookup is a request for the list of messages.
type Lookup struct {
	At      time.Time `json:"at"`
	Account string    `json:"account"`
	To      string    `json:"to"`
	Status  int       `json:"status"` // 0 when none was answered
}

// Callback is one try to deliver a status webhook.
type Callback struct {
	At            time.Time `json:"at"`
	SID           string    `json:"sid"`
	To            string    `json:"to"`
	MessageStatus string    `json:"messageStatus"`
	Try           int       `json:"try"` // from 1
	Delivered
}

// Inbound is a guest's message to be delivered to a tenant.
type Inbound struct {
	Account   string `json:"account"`   // whose auth token signs
	PublicURL string `json:"publicURL"` // https://HOST: signed, and looked up among the routes
	Path      string `json:"path"`      // /webhooks/CHANNEL/twilio/inbound
	// Address and CA are used in place of the host's route when set.
	Address string `json:"address,omitempty"`
	CA      string `json:"ca,omitempty"`
	From    string `json:"from"`
	To      string `json:"to"`
	Body    string `json:"body"`
	SID     string `json:"sid,omitempty"` // a new one when empty
	// Extra are further parameters, such as OptOutType or MessagingServiceSid.
	Extra map[string]string `json:"extra,omitempty"`
	// IgnoreKeywords leaves the guest's STOP or START without effect on sending.
	IgnoreKeywords bool `json:"ignoreKeywords,omitempty"`
}

// Delivered is how a webhook was answered.
type Delivered struct {
	Status int    `json:"status"` // 0 when there was no answer
	Body   string `json:"body,omitempty"`
	SID    string `json:"messageSid,omitempty"`
	Error  string `json:"error,omitempty"`

	connected bool
}
