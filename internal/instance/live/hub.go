// Package live tells the pages of staff that something is new: which conversations have changed. Of what is in them it knows nothing:
// it asks the API for a page, or the page does, and the API looks at session, rights and expiry as with every read.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

// Protocol is the subprotocol of a page's socket.
const Protocol = "switchboard-staff.v1"

const (
	topic        = "sb_staff" // sb.staff_tell
	maxSockets   = 500
	perSession   = 10
	listenAgain  = 2 * time.Second
	lookEvery    = 15 * time.Second // at sessions, whether or not one was told of
	lookTimeout  = 5 * time.Second
	sessions     = "s"
	optOuts      = "o"
	closeEnded   = websocket.StatusCode(4401)
	reasonEnded  = "the session has ended; sign in again"
	reasonStops  = "the server stops; connect again"
	maxFrameRead = 1 << 10
)

// Events are the types of what a page is told, and who is told of them. openapi.yaml says the same as x-events.
var Events = map[string]staff.Roles{
	typeHello:         staff.All(),
	typeConversations: {staff.Agent, staff.Supervisor, staff.PrivacyOfficer},
	typeAll:           {staff.Agent, staff.Supervisor, staff.PrivacyOfficer},
}

const (
	typeHello         = "hello"
	typeConversations = "conversations" // something in these
	typeAll           = "all"           // anything, anywhere
)

// Hub has a server's sockets.
type Hub struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	look chan struct{} // that sessions are to be looked at

	mu      sync.Mutex
	sockets map[*socket]struct{}
	closed  bool
}

// NewHub makes one without sockets. Run has them hear.
func NewHub(pool *pgxpool.Pool, log *slog.Logger) *Hub {
	return &Hub{pool: pool, log: log, look: make(chan struct{}, 1), sockets: map[*socket]struct{}{}}
}

// Run listens until ctx ends, and then has pages connect elsewhere.
func (h *Hub) Run(ctx context.Context) {
	var listening sync.WaitGroup
	listening.Go(func() {
		for ctx.Err() == nil {
			if err := h.listen(ctx); err != nil && ctx.Err() == nil {
				h.log.Warn("notifications are not heard; trying again", "error", err.Error())
			}
			select {
			case <-ctx.Done():
			case <-time.After(listenAgain):
			}
		}
	})
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-every.C:
			h.endSessions(ctx)
		case <-h.look:
			h.endSessions(ctx)
		}
	}
	listening.Wait()
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	var closing sync.WaitGroup
	for _, k := range h.all() {
		closing.Go(func() { k.finish(websocket.StatusGoingAway, reasonStops) })
	}
	closing.Wait()
}

// listen hears on a connection of its own, and relays news while a page is open. What was not told while there was no such
// connection, or no page, is looked for then.
func (h *Hub) listen(ctx context.Context) error {
	acquired, err := h.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connecting to listen: %w", err)
	}
	conn := acquired.Hijack()
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is broken, or of no more use
	if _, err := conn.Exec(ctx, "LISTEN "+topic); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	// What is relayed here is of no worth after a crash: no commit of it waits for the disk.
	if _, err := conn.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	h.hear(sessions)
	news := relay{conn: conn}
	for first := true; ; first = false {
		look, rest, err := news.round(ctx, len(h.all()) > 0)
		if err != nil {
			return err
		}
		if first || look {
			h.hear(optOuts)
		}
		waiting, cancel := context.WithTimeout(ctx, rest)
		for err == nil { // those that came during the round too, though there be no rest
			var told *pgconn.Notification
			if told, err = conn.WaitForNotification(waiting); err == nil {
				h.hear(told.Payload)
			}
		}
		cancel()
		if ctx.Err() != nil || !pgconn.Timeout(err) {
			return fmt.Errorf("waiting for notifications: %w", err)
		}
	}
}

// Tell has pages look again at a conversation, once the transaction commits.
func Tell(ctx context.Context, tx pgx.Tx, conversation uuid.UUID) error {
	if _, err := tx.Exec(ctx, "SELECT pg_notify($1, $2)", topic, conversation.String()); err != nil {
		return fmt.Errorf("telling of a conversation: %w", err)
	}
	return nil
}

// hear takes a notification. Anybody with a login of the database can send one: it leads to a look, and to nothing else.
func (h *Hub) hear(told string) {
	id := uuid.Nil // anything may have changed
	if told == sessions {
		select {
		case h.look <- struct{}{}:
		default:
		}
		return
	} else if told != optOuts {
		var err error
		if id, err = uuid.Parse(told); err != nil {
			return
		}
	}
	for _, k := range h.all() {
		k.tell(id)
	}
}

// endSessions closes the sockets whose sessions have ended.
func (h *Hub) endSessions(ctx context.Context) {
	all := h.all()
	if len(all) == 0 {
		return
	}
	tokens := make([]staff.Hash, 0, len(all))
	for _, k := range all {
		tokens = append(tokens, k.token)
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	live, err := staff.Live(ctx, h.pool, tokens)
	if err != nil {
		if ctx.Err() == nil {
			h.log.Warn("whether sessions have ended is not known; asking again", "error", err.Error())
		}
		return
	}
	for _, k := range all {
		if _, is := live[k.token]; !is {
			go k.finish(closeEnded, reasonEnded)
		}
	}
}

func (h *Hub) all() []*socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*socket, 0, len(h.sockets))
	for k := range h.sockets {
		all = append(all, k)
	}
	return all
}

// Accept opens a socket for the session of a token, which the caller has looked at: it is of somebody of this role, for as long as
// it lasts. A page of another origin is refused. What read gives goes with what the page is told; nil for ids alone. It returns when
// the socket is closed.
func (h *Hub) Accept(w http.ResponseWriter, r *http.Request, token staff.Hash, role staff.Role, read Read) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{Protocol}, CompressionMode: websocket.CompressionDisabled})
	if err != nil { // it was answered
		return
	}
	conn.SetReadLimit(maxFrameRead)
	k := &socket{conn: conn, token: token, role: role, read: read, changed: make(chan struct{}, 1), pending: map[uuid.UUID]struct{}{}}
	if !h.enter(k) {
		k.finish(websocket.StatusTryAgainLater, "there is no room for another socket; connect again later")
		return
	}
	defer h.leave(k)
	h.hear(sessions) // it may have ended since
	k.serve(r.Context())
}

func (h *Hub) enter(k *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	same := 0
	for other := range h.sockets {
		if other.token == k.token {
			same++
		}
	}
	if h.closed || len(h.sockets) >= maxSockets || same >= perSession {
		return false
	}
	h.sockets[k] = struct{}{}
	return true
}

func (h *Hub) leave(k *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, k)
}
