// Package provider says what a connector asks of a service that carries a channel's
// messages. Each provider has a package of its own, which knows its protocol and
// nothing of the database; internal/instance/connect knows the database and no protocol.
package provider

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// Provider carries the messages of one channel.
type Provider interface {
	// Webhooks are the requests that it makes.
	Webhooks() []Webhook
	// Send gives it a message. It fails with *RefusedError, *NotSentError or *UnknownError.
	Send(context.Context, Outgoing) (Sent, error)
	// Addresses are those by which the guest who is written to at an address is known.
	Addresses(to string) []person.Address
}

// Asker is a Provider that can tell what it was given. Without it an attempt whose
// outcome is unknown stays unknown until a webhook tells.
type Asker interface {
	// Sent lists the messages with this text that it was given for a guest since an
	// instant. It fails when it can't be asked, or not to the end.
	Sent(ctx context.Context, to, body string, since time.Time) ([]Sent, error)
}

// Checker is a Provider that can ask whether its credentials work, and sets up at the
// provider what is for the channel to set up.
type Checker interface {
	// Check fails with *CredentialsError when the credentials do not work. Any other error says
	// nothing of them: the provider did not answer, or not as it should.
	Check(context.Context) error
}

// Withdrawer is a Provider that sets something up at the provider which stays there when the channel has gone.
type Withdrawer interface {
	// Withdraw takes it back, if it still is this channel's: what leads elsewhere by now is left alone. It fails as Check does.
	Withdraw(context.Context) error
}

// Webhook is one kind of request that the provider makes.
type Webhook struct {
	Method string
	Path   string // below Site.Prefix
	// MaxBody bounds its body, in bytes.
	MaxBody int64
	// Read tells what a request brings, once it is the provider's beyond doubt. It fails
	// with *RejectedError when it is not; any other error lets the provider try again.
	Read func(r *http.Request, body []byte) (Delivery, error)
}

// Delivery is what a webhook brings.
type Delivery struct {
	Messages []Inbound
	Statuses []Status
	// Watermarks come after statuses, of which they know less.
	Watermarks []Watermark
	// Unreadable counts what can't be stored, now or when it is sent again.
	Unreadable int
	// Answer is what the provider is told once all of it is durable.
	Answer      string
	ContentType string
}

// Inbound is a message from a guest.
type Inbound struct {
	ID string // the provider's
	// From is how the guest is known. By the first an opt-out is kept, so that one number
	// is opted out once, whichever way it is used.
	From []person.Address
	Body string
	// Media are the files that it bears, at most media.MaxFiles.
	Media []Media
	// Handled is what the provider itself has recognised and answered; None for nothing.
	Handled optout.Command
}

// Status is news of a message to a guest.
type Status struct {
	ID        string // the provider's
	Status    string // accepted, sent, delivered, read or failed
	ErrorCode string // why it failed, "" when not said
	Blocked   bool   // the guest has opted out at the provider
	Message   *Key   // which message of ours it is, when that is told; else ID says it
}

// Watermark is news of all that was sent to a guest before an instant.
type Watermark struct {
	Of     []person.Address // the guest
	Status string           // delivered or read
	Until  time.Time
}

// Key names a message of ours.
type Key struct {
	ID uuid.UUID
	At time.Time
}

// Outgoing is a message to send.
type Outgoing struct {
	Key
	To   string
	Body string
	// Files go with it; the words are theirs, then.
	Files []File
	// Template is what it is sent by; nil for a free text.
	Template *Template
}

// Sent is a message as the provider holds it.
type Sent struct {
	ID        string
	Status    string // as in Status, or "" when it says nothing new
	ErrorCode string
}
