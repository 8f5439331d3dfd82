package provider

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// Line is a Provider that is dialled: messages come in by the connection that they go out
// by. It has no webhooks.
type Line interface {
	Provider
	// Run keeps the connection until ctx ends, and then hangs up in order.
	Run(ctx context.Context, desk Desk) error
	// Connected fails, saying why, while there is no connection.
	Connected() error
	// AtOnce is how many messages may be given to it at the same time.
	AtOnce() int
	// Recall tells what became of an attempt that was cut off. settled: sent is what the provider has. Neither settled
	// nor an error: nothing is unknown, and Send goes on where it was. It fails with *UnknownError when nobody can tell.
	Recall(context.Context, Key) (sent Sent, settled bool, err error)
}

// Desk is what a Line needs of the tenant's database.
type Desk interface {
	// Own waits until nobody else holds the channel's line, and holds it until release. lost is closed when that can't be
	// relied on any more.
	Own(ctx context.Context) (lost <-chan struct{}, release func(), err error)
	// Take stores a message; done is called once it is durable, or it is certain that the caller is to be told that it is
	// not. Messages are stored in the order in which they were given. False: too many wait already, and done is not called.
	Take(m LineMessage, done func(id int64, err error)) bool
	// Unreadable counts a message that can't be stored.
	Unreadable()
	// Confirm notes that the provider knows that messages were taken, by the ids that Take gave.
	Confirm(ctx context.Context, ids []int64) error
	// Purge removes what a connection does not need any more that lasts.
	Purge(ctx context.Context, c Connection) error
	// Parts, Begin and End keep account of the parts of a message to a guest. An id of "" says that a part was not taken.
	Parts(context.Context, Key) ([]Part, error)
	Begin(context.Context, Key, Part) error
	End(ctx context.Context, k Key, part int, id string) error
	// Receipt moves a message on; false when none is known that it could be about.
	Receipt(context.Context, Receipt) (bool, error)
}

// Part is one of the parts that a message to a guest was split into.
type Part struct {
	Number, Of int
	Reference  uint16
	Taken      bool // the provider has taken it; else nobody knows
}

// Receipt tells what became of a part.
type Receipt struct {
	ID        string
	Alike     []string         // other spellings of the ID
	Guest     []person.Address // nil when it is not told
	Reference *uint16          // that the part bore, when it came back
	Status    string           // as in Status
	ErrorCode string
}

// LineMessage is a message of a guest that a line brought.
type LineMessage struct {
	Inbound
	Connection Connection
	// Fingerprint is the same when the message is brought again, and most likely another for every other message.
	Fingerprint string
	// Doubtful: the provider was told that a message like this was not taken, and it may have been.
	Doubtful bool
	// Long is set for a part of a long message.
	Long *LongMessage
}

// Connection is one of a line.
type Connection struct {
	ID    uuid.UUID
	Since time.Time
}

// LongMessage says where a part belongs.
type LongMessage struct {
	Key      string // the same for all parts
	Part, Of int    // from 1
}
