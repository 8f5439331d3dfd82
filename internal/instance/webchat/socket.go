package webchat

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"
)

// Codes with which a socket is closed, beside those of RFC 6455.
const (
	closeMalformed websocket.StatusCode = 4400
	closeEnded     websocket.StatusCode = 4401
	closeTooSlow   websocket.StatusCode = 4408
	closeTooMany   websocket.StatusCode = 4409
	closeTooFast   websocket.StatusCode = 4429
)

const (
	reasonEnded = "the session has ended; open another"
	reasonStops = "the connector stops; connect again"
	// maxFrameBase is what a frame has beside its text, in bytes; a character in JSON has 12 at most.
	maxFrameBase, maxCharacter = 1 << 10, 12
	// maxReplies bounds what waits to be written that is in no database: acknowledgements and errors.
	maxReplies = 32
	// batch is how many messages are read at once.
	batch = 20
	// storeTimeout bounds what one frame may ask of the database.
	storeTimeout = 10 * time.Second
)

// socket is one browser's. One goroutine reads frames, another writes them: it reads from the
// database where the browser has got to, so that nothing but replies waits in memory.
type socket struct {
	s       *Server
	conn    *websocket.Conn
	ctx     context.Context //nolint:containedctx // the socket outlives the request that opened it
	stop    context.CancelFunc
	done    chan struct{} // closed when it is closed
	once    sync.Once
	token   Hash
	session Session

	look, typing chan struct{}
	replies      chan []byte
	frames       *rate.Limiter
	messages     *rate.Limiter // of the session

	written atomic.Int64 // the last place that was written
	seen    atomic.Int64 // up to which the browser knows that staff have seen it
}

// accept opens a socket for a page of an allowed site.
func (s *Server) accept(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r) {
		return
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(r.Context()))
	k := &socket{
		s: s, ctx: ctx, stop: stop, done: make(chan struct{}),
		look: make(chan struct{}, 1), typing: make(chan struct{}, 1), replies: make(chan []byte, maxReplies),
		frames: rate.NewLimiter(rate.Every(frameEvery), s.limits.Frames),
	}
	if !s.enter(k) {
		stop()
		refuse(w, &refusal{http.StatusServiceUnavailable, codeUnavailable, "there is no room for another socket; connect again later"})
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{Protocol}, OriginPatterns: s.channel.AllowedOrigins, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil { // it was answered
		s.leave(k)
		stop()
		close(k.done)
		return
	}
	conn.SetReadLimit(int64(maxFrameBase + maxCharacter*s.channel.MaxMessageLength))
	k.conn = conn
	if !s.opened(k) {
		go k.finish(websocket.StatusGoingAway, reasonStops)
	}
	// The request's own goroutine, whose stack has grown by the handshake, ends here.
	go k.serve() //nolint:contextcheck // it has its own, which outlives the request
}

// serve lets a browser speak until the socket is closed.
func (k *socket) serve() {
	defer k.s.leave(k)
	defer k.finish(websocket.StatusInternalError, "") // unless it is closed already
	if k.conn.Subprotocol() != Protocol {
		k.finish(closeMalformed, "name the subprotocol "+Protocol)
		return
	}
	if !k.greet() {
		return
	}
	go k.write()
	for {
		if !k.obey() {
			return
		}
	}
}

// finish closes the socket, once, and returns when it is closed.
func (k *socket) finish(code websocket.StatusCode, reason string) {
	k.once.Do(func() {
		defer close(k.done)
		defer k.stop()
		if code == websocket.StatusInternalError && reason == "" {
			closes.WithLabelValues("0").Inc()
			_ = k.conn.CloseNow() // it is broken
			return
		}
		closes.WithLabelValues(strconv.Itoa(int(code))).Inc()
		_ = k.conn.Close(code, reason) // a browser that went away can't be told
	})
	<-k.done
}

// next reads a frame. ok is false when the socket is closed.
func (k *socket) next(ctx context.Context) (f frame, ok bool) {
	kind, data, err := k.conn.Read(ctx)
	if err != nil {
		return frame{}, false
	}
	if kind != websocket.MessageText {
		k.finish(websocket.StatusUnsupportedData, "send text")
		return frame{}, false
	}
	if !k.frames.Allow() {
		k.finish(closeTooFast, "too many frames; connect again in ten seconds")
		return frame{}, false
	}
	f, err = parse(data, int(k.s.channel.MaxMessageLength))
	var refused *frameError
	switch {
	case errors.As(err, &refused):
		return frame{}, k.reply(errorFrame{typeError, refused.code, refused.id, refused.detail})
	case err != nil:
		k.finish(closeMalformed, errMalformed.Error())
		return frame{}, false
	}
	return f, true
}

// reply has a frame written that is in no database. A browser for which too many wait does not read.
func (k *socket) reply(f any) bool {
	select {
	case k.replies <- encode(f):
		return true
	default:
		k.finish(closeTooSlow, "what is written is not read; connect again")
		return false
	}
}

// greet waits for the token, and writes the welcome.
func (k *socket) greet() bool {
	timer := time.AfterFunc(k.s.limits.HelloTimeout, func() { k.finish(closeTooSlow, "send hello first") })
	f, ok := k.next(k.ctx)
	if !ok || !timer.Stop() {
		return false
	}
	if f.Type != typeHello {
		k.finish(closeMalformed, "send hello first")
		return false
	}
	k.token = sha256.Sum256([]byte(f.Token))
	ctx, cancel := context.WithTimeout(k.ctx, storeTimeout)
	defer cancel()
	session, err := k.s.store.Begin(ctx, k.token)
	switch {
	case errors.Is(err, ErrEnded):
		k.finish(closeEnded, reasonEnded)
		return false
	case err != nil:
		k.s.log.Warn("a session was not taken up", "error", err.Error())
		k.finish(websocket.StatusTryAgainLater, "connect again later")
		return false
	}
	k.session = session
	if !k.s.join(k) {
		k.finish(closeTooMany, "the session has too many sockets; close one")
		return false
	}
	place, known := placeOf(session.Epoch, f.Cursor)
	if !known || place > session.Last {
		place, known = 0, f.Cursor == ""
	}
	k.written.Store(place)
	signal(k.look)
	welcome := welcomeFrame{Type: typeWelcome, Session: session.ID, ExpiresAt: session.Expires.UTC(), Reset: !known, settings: k.s.told()}
	if session.Last > place {
		welcome.UpTo = cursor(session.Epoch, session.Last)
	}
	return k.put(encode(welcome))
}

// obey does what one frame asks. It is false when the socket is closed.
func (k *socket) obey() bool {
	f, ok := k.next(k.ctx)
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(k.ctx, storeTimeout)
	defer cancel()
	switch f.Type {
	case typeMessage:
		return k.receive(ctx, f)
	case typeReceipt:
		return k.receipt(ctx, f)
	case typeEnd:
		if err := k.s.store.End(ctx, k.token); err != nil {
			k.s.log.Warn("a session was not ended", "error", err.Error())
			return k.reply(errorFrame{typeError, codeUnavailable, "", "the session was not ended; send it again later"})
		}
		k.finish(closeEnded, reasonEnded)
		return false
	case typeHello:
		k.finish(closeMalformed, "hello was said; open another socket for another session")
		return false
	}
	return true // typing: the staff API has no place for it. Without a type: it was refused
}

// receive stores a message, and acknowledges it once it is durable.
func (k *socket) receive(ctx context.Context, f frame) bool {
	if !k.messages.Allow() {
		refused := errorFrame{typeError, codeTooFast, f.ID, "too many messages; the socket closes, and this one was not stored"}
		if k.put(encode(refused)) { //nolint:contextcheck // the socket's, which outlives what one frame asks
			k.finish(closeTooFast, "too many messages; connect again in ten seconds")
		}
		return false
	}
	message, err := k.s.store.Receive(ctx, Written{Token: k.token, Guest: k.session.Guest, ClientID: f.ID, Text: f.Text})
	switch {
	case errors.Is(err, ErrEnded):
		k.finish(closeEnded, reasonEnded)
		return false
	case err != nil:
		k.s.log.Warn("a message was not stored; the browser is asked to send it again", "error", err.Error())
		return k.reply(errorFrame{typeError, codeUnavailable, f.ID, "the message was not stored; send it again later"})
	}
	ack := ackFrame{Type: typeAck, ID: f.ID}
	if message != [16]byte{} {
		ack.Message = &message
	}
	return k.reply(ack)
}

// receipt notes how far the browser, or the guest, has got. What was not written to it can't have been read.
func (k *socket) receipt(ctx context.Context, f frame) bool {
	place, ok := placeOf(k.session.Epoch, f.Cursor)
	if !ok || place > k.written.Load() {
		return k.reply(errorFrame{typeError, codeBadCursor, "", "cursor is that of a message which came by this socket or before"})
	}
	if err := k.s.store.Receipt(ctx, k.token, f.Status, place); err != nil {
		k.s.log.Warn("a receipt was not noted; the browser is asked to send it again", "error", err.Error())
		return k.reply(errorFrame{typeError, codeUnavailable, "", "the receipt was not noted; send it again later"})
	}
	return true
}
