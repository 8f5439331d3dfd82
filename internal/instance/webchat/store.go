package webchat

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// ErrEnded says that a token opens no session: it never did, or its session or guest is gone.
var ErrEnded = errors.New("the session has ended")

// ErrNoFile says that a session's thread shows no such file: there never was one, it has expired, or is another's.
var ErrNoFile = errors.New("there is no such file")

// Hash is the SHA-256 of a session's token: what is stored, and asked by.
type Hash [sha256.Size]byte

// Store is what a chat asks of the database. Whatever takes a Hash fails with ErrEnded, or gives
// nothing, when its session has ended.
type Store interface {
	// Open begins a session and tells when it ends.
	Open(context.Context, Opening) (expires time.Time, err error)
	// Begin makes a session active.
	Begin(context.Context, Hash) (Session, error)
	// Receive stores what a guest wrote, once; it returns when that is durable.
	Receive(context.Context, Written) (message uuid.UUID, err error)
	// Expect stores a message that a file is to come with, once; Expected is empty when it was stored before and has expired.
	Expect(context.Context, Written) (Expected, error)
	// Keep keeps a file, of which head was read, for an attachment that is pending. It fails with *provider.MediaError when it is not taken.
	Keep(ctx context.Context, attachment uuid.UUID, mediaType string, head []byte, rest io.Reader) error
	// OpenFile reads a file of a session's thread, or fails with ErrNoFile.
	OpenFile(ctx context.Context, h Hash, id uuid.UUID) (File, io.ReadCloser, error)
	// Read gives what a thread holds after a place, at most most, and how far it is.
	Read(ctx context.Context, h Hash, guest person.Address, after int64, most int) ([]Entry, Progress, error)
	// Receipt moves what was written to the guest on, up to a place, to sent, delivered or read.
	Receipt(ctx context.Context, h Hash, status string, upTo int64) error
	// Alive tells how far the threads of those sessions are that have not ended.
	Alive(context.Context, []Hash) (map[Hash]Progress, error)
	// End ends a session.
	End(context.Context, Hash) error
	// Release puts a message into its thread; false when there is nothing to release any more.
	Release(context.Context, provider.Key) (bool, error)
	// Listen has heard called with each notification, and with "" once it listens. It returns when it
	// can't listen any more.
	Listen(ctx context.Context, heard func(notification string)) error
}

// Opening is a session to begin.
type Opening struct {
	Session  uuid.UUID
	Token    Hash
	Guest    person.Address
	Lifetime time.Duration
	From     netip.Addr // not valid when not known
	Browser  string
}

// Session is who speaks.
type Session struct {
	ID      uuid.UUID
	Contact uuid.UUID
	Guest   person.Address
	Epoch   int32 // changes when the database was put back in time
	Expires time.Time
	Progress
}

// Progress is how far a thread is.
type Progress struct {
	Last      int64 // the last place given
	StaffSeen int64 // up to which staff have seen it
}

// Written is a message of a guest's.
type Written struct {
	Token    Hash
	Guest    person.Address
	ClientID string // the browser's own
	Text     string
	FileName string // of the file that comes with it
}

// Expected is a message that a file comes with.
type Expected struct {
	Message uuid.UUID
	File    File
}

// File is one of a message's.
type File struct {
	ID        uuid.UUID
	Name      string
	State     string // pending, stored or refused
	MediaType string // "" of one that is not stored
	Size      int64  // bytes, of one that is stored
}

// States of files.
const (
	statePending = "pending"
	stateStored  = "stored"
)

// Entry is a message as a thread shows it.
type Entry struct {
	Place     int64
	ID        uuid.UUID
	At        time.Time
	Direction string // in or out
	Origin    string // guest, staff, confirmation or import
	ClientID  string // of what guests wrote
	Text      string
	Files     []File // that have not expired
}
