package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/webchat"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestOnlyPagesOfTheSiteOpenTheChat(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	for _, origin := range []string{
		"", "null", "https://evil.example", site + "/", site + ":443", "http://www.hotel-berlin.example", "https://WWW.hotel-berlin.example",
		"https://www.hotel-berlin.example.evil.example", "https://evil.example/" + site, site + ", " + site, publicURL,
	} {
		if status, _, code := s.asks(origin, "{}"); status != http.StatusForbidden || code != "origin" {
			t.Errorf("origin %q is answered %d %s", origin, status, code)
		}
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, response, err := websocket.Dial(t.Context(), s.connector.URL+chatPath+"/socket", &websocket.DialOptions{ //nolint:bodyclose // the library's
			HTTPClient: s.connector.Client(), Subprotocols: []string{webchat.Protocol}, HTTPHeader: header,
		})
		if err == nil {
			_ = conn.CloseNow()
		}
		if err == nil || response == nil || response.StatusCode != http.StatusForbidden {
			t.Errorf("a socket of origin %q is opened: %v", origin, err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.connector.URL+chatPath+"/sessions", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", site)
	response, err := s.connector.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if h := response.Header; response.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != site || h.Get("Vary") != "Origin" ||
		h.Get("Access-Control-Allow-Credentials") != "" || len(h.Values("Set-Cookie")) != 0 {
		t.Errorf("a browser that asks is answered %d %v", response.StatusCode, response.Header)
	}
	if n := s.count("SELECT count(*) FROM sb.web_chat_session"); n != 0 {
		t.Errorf("%d sessions were opened", n)
	}
}

func TestOnlyTheSiteSaysWhoAGuestIs(t *testing.T) {
	t.Parallel()
	for mode, test := range map[string]struct {
		nobody, user int
		code         string // of nobody, or of a user where none is taken
	}{
		contract.IdentityNone:     {http.StatusCreated, http.StatusForbidden, "identity-not-taken"},
		contract.IdentityOptional: {http.StatusCreated, http.StatusCreated, ""},
		contract.IdentityEnforced: {http.StatusForbidden, http.StatusCreated, "identity-required"},
	} {
		t.Run("mode "+mode, func(t *testing.T) {
			t.Parallel()
			s := newChat(t, pgtest.New(t), func(s *chat) { s.channel.WebChat.Identity = mode })
			if status, _, code := s.asks(site, "{}"); status != test.nobody || status == http.StatusForbidden && code != test.code {
				t.Errorf("nobody is answered %d %s", status, code)
			}
			right := vouch(identitySecret, "guest-4711")
			if status, _, code := s.asks(site, fmt.Sprintf(`{"userId":"guest-4711","userHash":%q}`, right)); status != test.user || status == http.StatusForbidden && code != test.code {
				t.Errorf("a user is answered %d %s", status, code)
			}
			for name, body := range map[string]string{
				"no signature":            `{"userId":"guest-4711"}`,
				"a signature of nobody":   fmt.Sprintf(`{"userHash":%q}`, right),
				"another's signature":     fmt.Sprintf(`{"userId":"guest-4712","userHash":%q}`, right),
				"half of one":             fmt.Sprintf(`{"userId":"guest-4711","userHash":%q}`, right[:32]),
				"more than one":           fmt.Sprintf(`{"userId":"guest-4711","userHash":%q}`, right+"00"),
				"by another secret":       fmt.Sprintf(`{"userId":"guest-4711","userHash":%q}`, vouch(identitySecret+"0", "guest-4711")),
				"no hexadecimal":          `{"userId":"guest-4711","userHash":"zz"}`,
				"a signature of nothing":  fmt.Sprintf(`{"userId":"","userHash":%q}`, vouch(identitySecret, "")),
				"a signed id of no form":  fmt.Sprintf(`{"userId":"a b","userHash":%q}`, vouch(identitySecret, "a b")),
				"a signed session's name": fmt.Sprintf(`{"userId":"","userHash":%q}`, "00"),
			} {
				if status, _, _ := s.asks(site, body); status != http.StatusForbidden && status != http.StatusBadRequest {
					t.Errorf("%s is answered %d", name, status)
				}
			}
		})
	}
}

// TestATokenOpensItsOwnSessionAlone tries those of nobody, of another channel, and what is stored of one.
func TestATokenOpensItsOwnSessionAlone(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := newChat(t, d)
	other := newChat(t, d, func(s *chat) {
		s.channel.Name = pgtest.Channel
		s.exec("UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeWebChat, pgtest.Channel)
	})
	session := s.opens("")
	b, _ := s.comes(session, "")
	b.says("a", "Hello")
	b.stored("a", "Hello")
	stored := fmt.Sprintf("%x", s.tokenHash())
	for name, token := range map[string]string{"none": "", "a guess": strings.Repeat("A", 43), "what is stored": stored, "a part": session.Token[:42], "with a tail": session.Token + "A"} {
		again := s.dial()
		again.sends(map[string]any{"type": "hello", "token": token})
		if code := again.closed(); code != 4401 {
			t.Errorf("%s is answered by %d", name, code)
		}
	}
	conn, _, err := websocket.Dial(t.Context(), other.connector.URL+"/webhooks/"+pgtest.Channel+"/chat/socket", &websocket.DialOptions{ //nolint:bodyclose // the library's
		HTTPClient: other.connector.Client(), Subprotocols: []string{webchat.Protocol}, HTTPHeader: http.Header{"Origin": {site}},
	})
	if err != nil {
		t.Fatal(err)
	}
	there := &browser{t: t, conn: conn}
	there.sends(map[string]any{"type": "hello", "token": session.Token})
	if code := there.closed(); code != 4401 {
		t.Errorf("on another channel it is answered by %d", code)
	}
	// Nor does the other connector's role, with the hash, do anything by it.
	before := s.fingerprint()
	theirs := chatStore{other.running}
	hash := webchat.Hash(s.tokenHash())
	if entries, _, err := theirs.Read(t.Context(), hash, other.running.chat.Addresses("x")[0], 0, 10); !errors.Is(err, webchat.ErrEnded) || len(entries) != 0 {
		t.Errorf("another channel's connector reads %d messages: %v", len(entries), err)
	}
	if err := errors.Join(theirs.Receipt(t.Context(), hash, "read", 99), theirs.End(t.Context(), hash)); err != nil {
		t.Error(err)
	}
	if _, err := theirs.Begin(t.Context(), hash); !errors.Is(err, webchat.ErrEnded) {
		t.Errorf("another channel's connector takes it up: %v", err)
	}
	for _, address := range []string{session.address(), pgtest.OtherChannel + ":user:guest-4711"} {
		if _, err := theirs.Open(t.Context(), webchat.Opening{
			Session: uuid.New(), Token: webchat.Hash{1}, Guest: person.Address{Kind: contract.KindWebChat, Value: address}, Lifetime: time.Hour,
		}); err == nil {
			t.Errorf("another channel's connector opens a session of %s", address)
		}
	}
	if after := s.fingerprint(); after != before || !bytes.Equal(s.tokenHash(), hash[:]) {
		t.Errorf("the database changed from\n%s\nto\n%s", before, after)
	}
}

// tokenHash is that of the one session that there is.
func (s *chat) tokenHash() []byte {
	s.t.Helper()
	var hash []byte
	if err := s.admin.QueryRow(context.Background(), "SELECT token_hash FROM sb.web_chat_session").Scan(&hash); err != nil {
		s.t.Fatal(err)
	}
	return hash
}

func TestFramesThatCantBeObeyed(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	session := s.opens("")
	b, _ := s.comes(session, "")
	for frame, code := range map[string]string{
		`{"type":"message","id":"a","text":"` + strings.Repeat("ü", 201) + `"}`: "too-long",
		`{"type":"message","id":"a","text":" \n "}`:                             "empty",
		`{"type":"message","id":"","text":"x"}`:                                 "bad-id",
		`{"type":"message","id":"m.1","text":"x"}`:                              "bad-id",
		`{"type":"message","id":"` + strings.Repeat("a", 65) + `","text":"x"}`:  "bad-id",
		`{"type":"receipt","status":"sent","cursor":"0.0"}`:                     "bad-status",
		`{"type":"receipt","status":"read","cursor":"0.5"}`:                     "bad-cursor",
		`{"type":"receipt","status":"read","cursor":"1.0"}`:                     "bad-cursor",
		`{"type":"receipt","status":"read","cursor":"0.-1"}`:                    "bad-cursor",
		`{"type":"dance"}`: "unknown-type",
	} {
		b.sends(frame)
		if f := b.getsError(); f.Code != code {
			t.Errorf("%.60s is answered %q, want %q", frame, f.Code, code)
		}
	}
	b.sends(`{"type":"typing","unknown":true}`)
	b.says("ok", strings.Repeat("🗝", 200)) // as long as it may be
	b.stored("ok", strings.Repeat("🗝", 200))
	for name, test := range map[string]struct {
		frame string
		code  websocket.StatusCode
	}{
		"no JSON":            {"hello", 4400},
		"a list":             {"[]", 4400},
		"no type":            {"{}", 4400},
		"no UTF-8":           {"{\"type\":\"typing\",\"x\":\"\xff\"}", 4400},
		"a second hello":     {`{"type":"hello"}`, 4400},
		"more than may come": {`{"type":"message","id":"a","text":"` + strings.Repeat("x", 3_400) + `"}`, websocket.StatusMessageTooBig},
	} {
		again, _ := s.comes(session, "")
		again.sends(test.frame)
		if code := again.closed(); code != test.code {
			t.Errorf("%s is answered by %d, want %d", name, code, test.code)
		}
	}
	again, _ := s.comes(session, "")
	if err := again.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"type":"typing"}`)); err != nil {
		t.Fatal(err)
	}
	if code := again.closed(); code != websocket.StatusUnsupportedData {
		t.Errorf("bytes are answered by %d", code)
	}
	if n := s.count("SELECT count(*) FROM sb.message"); n != 1 {
		t.Errorf("%d messages are stored", n)
	}
}

// getsError gives the next error.
func (b *browser) getsError() frame {
	b.t.Helper()
	for {
		f, err := b.read()
		if err != nil {
			b.t.Fatalf("waiting for an error: %v", err)
		}
		if f.Type == "error" {
			return f
		}
	}
}

func TestASessionMayAskForSoMuch(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t), func(s *chat) {
		s.limits = webchat.Limits{Messages: 5, Frames: 1000, PerSession: 2, Openings: 4, HelloTimeout: 3 * time.Second}
	})
	session := s.opens("")
	b, _ := s.comes(session, "")
	const all = 200
	for i := range all {
		frame := fmt.Sprintf(`{"type":"message","id":"%d","text":"quick"}`, i)
		if err := b.conn.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
			break // it was closed
		}
	}
	refused := b.getsError()
	if code := b.closed(); code != 4429 || refused.Code != "too-fast" {
		t.Errorf("it is answered %+v, and closed with %d", refused, code)
	}
	stored := s.count("SELECT count(*) FROM sb.message")
	if fmt.Sprint(stored) != refused.ID || stored < 5 || stored >= all {
		t.Errorf("%d messages are stored, and %q was refused", stored, refused.ID)
	}
	b, _ = s.comes(session, "")
	again, _ := s.comes(session, "")
	third := s.dial()
	third.sends(map[string]any{"type": "hello", "token": session.Token})
	if code := third.closed(); code != 4409 {
		t.Errorf("a third socket is closed with %d", code)
	}
	silent := s.dial()
	if code := silent.closed(); code != 4408 {
		t.Errorf("one that says nothing is closed with %d", code)
	}
	status, code := 0, ""
	for range 100 { // one comes back every two seconds
		if status, _, code = s.asks(site, "{}"); status != http.StatusCreated {
			break
		}
	}
	if status != http.StatusTooManyRequests || code != "too-fast" {
		t.Errorf("session after session is answered %d %s", status, code)
	}
	for _, x := range []*browser{b, again} {
		_ = x.conn.CloseNow()
	}
}

// TestAReaderWhoDoesNotReadIsLetGo fills a thread beyond what any buffer on the way holds.
func TestAReaderWhoDoesNotReadIsLetGo(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t), func(s *chat) { s.limits = webchat.Limits{WriteTimeout: 300 * time.Millisecond} })
	session := s.opens("")
	b, _ := s.comes(session, "")
	b.says("a", "Hello")
	b.stored("a", "Hello")
	_ = b.conn.CloseNow()
	s.exec(`WITH m AS (INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, provider_id, thread_seq)
			SELECT gen_random_uuid(), clock_timestamp(), (SELECT id FROM sb.conversation), $1, 'out', 'staff', 'accepted', 'x' || i, 1 + i FROM generate_series(1, 250) i
			RETURNING id, at, conversation_id, channel)
		INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, conversation_id, channel, repeat('long ', 12000) FROM m`, s.channel.Name)
	s.exec("UPDATE sb.conversation SET last_seq = 251")
	slow, _ := s.comes(session, "0.1")
	s.until("the socket to be let go", func() (bool, string) {
		n := s.count("SELECT count(*) FROM sb.message WHERE status = 'sent'")
		return s.running.chat.Sockets() == 0, fmt.Sprint(n, " were written")
	})
	if n := s.count("SELECT count(*) FROM sb.message WHERE status = 'sent'"); n >= 250 {
		t.Error("all were written: the thread is too short for this test")
	}
	_ = slow.conn.CloseNow()
	// Nothing is lost: it comes in order when the guest reads.
	s.end()
	s.limits = webchat.Limits{}
	s.start()
	back, _ := s.comes(session, "0.1")
	for i := range 250 {
		if f := back.gets("message"); f.Cursor != fmt.Sprint("0.", i+2) {
			t.Fatalf("message %d has cursor %s", i, f.Cursor)
		}
	}
}
