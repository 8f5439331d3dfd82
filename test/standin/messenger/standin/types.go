package standin

import "time"

// Page is a page, with the app that its webhooks go to.
type Page struct {
	ID          string
	AccessToken string
	AppSecret   string
	// WebhookURL is where webhooks go; Address, host and port, is where its host is found, and CA, in PEM, vouches for it.
	WebhookURL, Address, CA string
}

// Message is one that was accepted.
type Message struct {
	ID       string
	To       string
	Text     string
	Type     string // of the file
	File     []byte
	Metadata string
	At       time.Time
}

// Fault makes the next request to send fail.
type Fault struct {
	Accept  bool // the message is taken all the same
	Drop    bool // the connection is cut
	Status  int  // else, from 400 to 599
	Code    int  // 0: an answer that is no JSON
	Subcode int
}

// Object is a JSON object.
type Object = map[string]any
