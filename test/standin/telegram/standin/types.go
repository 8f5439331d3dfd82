package standin

import "time"

// Bot is a bot, and where its host is found.
type Bot struct {
	ID       int64
	Username string
	Token    string
	// Address, host and port, is where the host of its webhook is found, and CA, in PEM, vouches for it.
	Address string
	CA      string
}

// Webhook is where a bot's updates go.
type Webhook struct {
	URL     string
	Secret  string
	Allowed []string
}

// Message is a text that was taken.
type Message struct {
	ID     int64
	ChatID int64
	Text   string
	At     time.Time

	As       string // photo or document; "" for a text
	File     []byte
	FileName string
}

// Attempt is a request to send, and the status that it was answered: 0 for none.
type Attempt struct {
	ChatID int64
	Status int
}

// Fault makes the next request to send fail.
type Fault struct {
	Accept      bool   // the message is taken all the same
	Drop        bool   // the connection is cut
	Status      int    // else, from 400 to 599
	Description string // "": an answer that is no JSON
	RetryAfter  int    // seconds
}

// Object is a JSON object.
type Object = map[string]any
