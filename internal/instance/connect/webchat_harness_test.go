package connect

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/webchat"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const (
	site           = "https://www.hotel-berlin.example"
	identitySecret = "identity-secret-of-the-test-0123456789"
	chatPath       = "/webhooks/" + pgtest.OtherChannel + "/chat"
)

// chat is a stage whose channel is a web chat.
type chat struct{ *stage }

// leaves cuts the only socket that there is, and waits until the server knows: what it sends until then counts as sent.
func (s *chat) leaves(b *browser) {
	s.t.Helper()
	_ = b.conn.CloseNow()
	s.until("the server to know that the browser has gone", func() (bool, string) {
		n := s.running.chat.Sockets()
		return n == 0, fmt.Sprint(n, " sockets")
	})
}

// newChat starts a connector of pgtest.OtherChannel. Guests may be vouched for.
func newChat(t testing.TB, d *pgtest.Database, change ...func(*chat)) *chat {
	t.Helper()
	s := &chat{stage: &stage{t: t, database: d, admin: d.Admin(t), serve: d.Serve(t), dir: t.TempDir(), log: &lockedBuffer{}, checkEvery: 50 * time.Millisecond}}
	s.writeKey(1)
	s.write(contract.FileIdentitySecret, []byte(identitySecret+"\n"))
	s.exec("UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeWebChat, pgtest.OtherChannel)
	s.channel = contract.Channel{Name: pgtest.OtherChannel, Type: contract.ChannelTypeWebChat, WebChat: &contract.WebChat{
		AllowedOrigins: []string{site}, Identity: contract.IdentityOptional, WelcomeText: "Welcome", PrivacyNoticeURL: site + "/privacy", NoticeVersion: 2,
		SessionHours: 24, MaxMessageLength: 200,
	}}
	s.route = func() error { return nil }
	for _, c := range change {
		c(s)
	}
	s.play(identitySecret, "guest-4711")
	return s
}

// frame is what the connector sends: the members of all types.
type frame struct {
	Type, Cursor, ID, From, ClientID, Text, Status, Code, Session, Message, UpTo string
	Reset                                                                        bool
	Files                                                                        []frameFile
}

type frameFile struct {
	ID, Name, State, MediaType string
	Size                       int
}

// guestSession is a session as its browser keeps it.
type guestSession struct {
	Token, Session, Protocol, SocketURL, WelcomeText, PrivacyNoticeURL string
	NoticeVersion, MaxMessageLength                                    int
}

// asks asks for a session, and gives the status and the code of a refusal.
func (s *chat) asks(origin, body string) (status int, session guestSession, code string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.connector.URL+chatPath+"/sessions", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if origin != "" {
		request.Header.Set("Origin", origin)
	}
	response, err := s.connector.Client().Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var refused struct{ Code string }
	if err := json.Unmarshal(answer, &refused); err != nil {
		s.t.Fatalf("answered %d %s: %v", response.StatusCode, answer, err)
	}
	if err := json.Unmarshal(answer, &session); err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, session, refused.Code
}

// opens opens a session, for a user of the site when one is named.
func (s *chat) opens(user string) guestSession {
	s.t.Helper()
	body := "{}"
	if user != "" {
		body = `{"userId":"` + user + `","userHash":"` + vouch(identitySecret, user) + `"}`
	}
	status, session, code := s.asks(site, body)
	if status != http.StatusCreated {
		s.t.Fatalf("opening a session was answered %d %s", status, code)
	}
	return session
}

func vouch(secret, user string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(user))
	return hex.EncodeToString(mac.Sum(nil))
}

// browser is one socket, and what its page has.
type browser struct {
	t      testing.TB
	conn   *websocket.Conn
	cursor string  // of the last message
	passed []frame // messages that came while something else was waited for
}

// dial opens a socket, as a page of the site does.
func (s *chat) dial() *browser {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, s.connector.URL+chatPath+"/socket", &websocket.DialOptions{ //nolint:bodyclose // the library's
		HTTPClient: s.connector.Client(), Subprotocols: []string{webchat.Protocol}, HTTPHeader: http.Header{"Origin": {site}},
	})
	if err != nil {
		s.t.Fatalf("opening a socket: %v", err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	return &browser{t: s.t, conn: conn}
}

// comes connects a session, from where its page has got to.
func (s *chat) comes(session guestSession, cursor string) (*browser, frame) {
	s.t.Helper()
	b := s.dial()
	b.sends(map[string]any{"type": "hello", "token": session.Token, "cursor": cursor})
	b.cursor = cursor
	return b, b.gets("welcome")
}

func (b *browser) sends(f any) {
	b.t.Helper()
	data, ok := f.(string)
	if !ok {
		encoded, err := json.Marshal(f)
		if err != nil {
			b.t.Fatal(err)
		}
		data = string(encoded)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.conn.Write(ctx, websocket.MessageText, []byte(data)); err != nil {
		b.t.Fatalf("sending: %v", err)
	}
}

func (b *browser) says(id, text string) {
	b.t.Helper()
	b.sends(map[string]any{"type": "message", "id": id, "text": text})
}

// read reads a frame, or why there is none.
func (b *browser) read() (frame, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, data, err := b.conn.Read(ctx)
	if err != nil {
		return frame{}, err
	}
	var f frame
	if err := json.Unmarshal(data, &f); err != nil {
		b.t.Fatalf("the connector sent %s: %v", data, err)
	}
	if f.Type == "message" {
		b.cursor = f.Cursor
	}
	return f, nil
}

// gets gives the next frame of a type; others are passed over, but messages.
func (b *browser) gets(kind string) frame {
	b.t.Helper()
	if kind == "message" && len(b.passed) > 0 {
		f := b.passed[0]
		b.passed = b.passed[1:]
		return f
	}
	for {
		f, err := b.read()
		if err != nil {
			b.t.Fatalf("waiting for %s: %v", kind, err)
		}
		if f.Type == kind {
			return f
		}
		if f.Type == "message" || f.Type == "error" {
			b.t.Fatalf("waiting for %s, got %+v", kind, f)
		}
	}
}

// shows reads messages, which must be these texts in this order.
func (b *browser) shows(texts ...string) []frame {
	b.t.Helper()
	var all []frame
	for _, text := range texts {
		f := b.gets("message")
		if f.Text != text {
			b.t.Fatalf("got %q, want %q", f.Text, text)
		}
		all = append(all, f)
	}
	return all
}

// closed waits until the socket is closed, and gives the code. Frames before that are passed over.
func (b *browser) closed() websocket.StatusCode {
	b.t.Helper()
	for {
		if _, err := b.read(); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

// stored waits for what shows the guest's own message and that it is stored, in either order.
func (b *browser) stored(id, text string) frame {
	b.t.Helper()
	var ack, shown *frame
	for ack == nil || shown == nil {
		f, err := b.read()
		switch {
		case err != nil:
			b.t.Fatalf("waiting for an acknowledgement: %v", err)
		case f.Type == "ack" && f.ID == id:
			ack = &f
		case f.Type == "message" && f.ClientID == id && f.Text == text:
			shown = &f
		case f.Type == "message" && shown != nil: // an answer was faster than the acknowledgement
			b.passed = append(b.passed, f)
		case f.Type == "ack" || f.Type == "message" || f.Type == "error":
			b.t.Fatalf("waiting for %s, got %+v", id, f)
		}
	}
	if ack.Message != shown.ID {
		b.t.Fatalf("acknowledged %+v, and showed %+v", ack, shown)
	}
	return *shown
}

// address is how a session's guest is known.
func (g guestSession) address() string { return pgtest.OtherChannel + ":session:" + g.Session }

func userAddress(id string) string { return pgtest.OtherChannel + ":user:" + id }
