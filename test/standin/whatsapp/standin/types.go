package standin

import "time"

// Number is a number of a business account, with the app that its webhooks go to.
type Number struct {
	PhoneNumberID     string `json:"phoneNumberID"`
	BusinessAccountID string `json:"businessAccountID"`
	AccessToken       string `json:"accessToken"`
	AppSecret         string `json:"appSecret"`
	// WebhookURL is where webhooks go; Address, host and port, is where its host is found,
	// and CA, in PEM, vouches for it. No statuses follow when WebhookURL is empty.
	WebhookURL string `json:"webhookURL,omitempty"`
	Address    string `json:"address,omitempty"`
	CA         string `json:"ca,omitempty"`
}

// Inbound is a text that a guest writes to a number.
type Inbound struct {
	PhoneNumberID string `json:"phoneNumberID"`
	From          string `json:"from"` // 4915112345678
	Body          string `json:"body"`
}

// Fault makes the next Count requests (1 when 0) to send to somebody, or to anybody, fail.
type Fault struct {
	To     string `json:"to,omitempty"`
	Count  int    `json:"count,omitempty"`
	Accept bool   `json:"accept,omitempty"` // the message is taken all the same
	// Answer is status, hang (until the caller gives up) or drop (the connection is cut).
	Answer     string `json:"answer"`
	Status     int    `json:"status,omitempty"`
	Code       int    `json:"code,omitempty"` // 0: an answer that is no JSON
	RetryAfter int    `json:"retryAfter,omitempty"`
}

// Outcome says which statuses follow a message to somebody: sent, delivered and read unless
// it is set. Code goes with failed.
type Outcome struct {
	To       string   `json:"to"`
	Statuses []string `json:"statuses"`
	Code     int      `json:"code,omitempty"`
}

// Message is one that was accepted.
type Message struct {
	ID       string    `json:"id"` // wamid.…
	From     string    `json:"from"`
	To       string    `json:"to"`
	Type     string    `json:"type"`
	Body     string    `json:"body"`
	File     string    `json:"file,omitempty"` // the id of its Upload
	FileName string    `json:"fileName,omitempty"`
	Template *template `json:"template,omitempty"`
	Callback string    `json:"callback"` // biz_opaque_callback_data
	At       time.Time `json:"at"`
}

// Attempt is a request to send, and what it was answered: 0 for nothing.
type Attempt struct {
	To     string    `json:"to"`
	Status int       `json:"status"`
	Code   int       `json:"code"`
	At     time.Time `json:"at"`
}

// Webhook is a status that was sent.
type Webhook struct {
	ID     string `json:"id"` // of the message
	To     string `json:"to"`
	Status string `json:"status"`
	Answer int    `json:"answer"` // the HTTP status, 0 for none
}
