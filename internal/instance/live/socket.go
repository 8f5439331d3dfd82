package live

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

const (
	// maxPending bounds what waits to be told; beyond it, the page is to look at everything.
	maxPending   = 100
	maxRows      = 50 // as many as can be asked for by their ids
	writeTimeout = 10 * time.Second
	pingEvery    = 30 * time.Second // gateways close what is silent
	// gather is how long what follows a frame is gathered for the next: a page would do nothing but hear while many write.
	gather = 20 * time.Millisecond
	// gatherRows is that of a page that shows what a frame brings at once, and asks for nothing: each frame has it draw the list.
	gatherRows = 40 * time.Millisecond
)

// Read gives what the list has of some conversations, as the API would answer whoever opened the socket now: it looks at session,
// role and expiry, and logs it.
type Read func(ctx context.Context, ids []uuid.UUID) (json.RawMessage, error)

// frame is what a page is told.
type frame struct {
	Type string      `json:"type"` // of Events
	IDs  []uuid.UUID `json:"ids,omitempty"`
	// Conversations are those of IDs that the list has.
	Conversations json.RawMessage `json:"conversations,omitempty"`
}

// socket is one page's.
type socket struct {
	conn    *websocket.Conn
	token   staff.Hash
	role    staff.Role
	read    Read // nil for a page that asks for itself
	changed chan struct{}
	once    sync.Once

	mu      sync.Mutex
	pending map[uuid.UUID]struct{} // conversations; the nil UUID is all of them
}

// tell notes that a conversation has changed.
func (k *socket) tell(id uuid.UUID) {
	k.mu.Lock()
	if len(k.pending) >= maxPending {
		id = uuid.Nil
	}
	k.pending[id] = struct{}{}
	k.mu.Unlock()
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// serve writes until the socket is closed.
func (k *socket) serve(ctx context.Context) {
	defer k.conn.CloseNow() //nolint:errcheck // unless it is closed already
	ctx = k.conn.CloseRead(ctx)
	if k.write(ctx, frame{Type: typeHello}) != nil {
		return
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ping.C:
			if k.ping(ctx) != nil {
				return
			}
		case <-k.changed:
			rest, err := k.pass(ctx)
			if err != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(rest):
			}
		}
	}
}

// pass tells what has changed, and says for how long what follows is gathered: as long as reading took leaves a busy server time for
// others.
func (k *socket) pass(ctx context.Context) (rest time.Duration, err error) {
	f := k.next()
	if k.read == nil || len(f.IDs) == 0 || len(f.IDs) > maxRows || !Events[f.Type].Has(k.role) {
		return gather, k.write(ctx, f)
	}
	began := time.Now()
	if f.Conversations, err = k.read(ctx, f.IDs); err != nil {
		f.Conversations = nil // the page asks, and is told why not
	}
	rest = max(gatherRows, time.Since(began))
	return rest, k.write(ctx, f)
}

// next takes what is to be told.
func (k *socket) next() frame {
	k.mu.Lock()
	defer k.mu.Unlock()
	told := k.pending
	k.pending = map[uuid.UUID]struct{}{}
	if _, all := told[uuid.Nil]; all {
		return frame{Type: typeAll}
	}
	f := frame{Type: typeConversations}
	for id := range told {
		f.IDs = append(f.IDs, id)
	}
	return f
}

// write sends a frame to whom it is for, and to others nothing.
func (k *socket) write(ctx context.Context, f frame) error {
	if !Events[f.Type].Has(k.role) {
		return nil
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, text)
}

func (k *socket) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return k.conn.Ping(ctx)
}

// finish closes the socket, once.
func (k *socket) finish(code websocket.StatusCode, reason string) {
	k.once.Do(func() { _ = k.conn.Close(code, reason) }) // a page that went away can't be told
}
