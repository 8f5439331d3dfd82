package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/api"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// startLive serves the API as a pod does, with sockets that hear.
func startLive(t *testing.T) *system {
	t.Helper()
	s := start(t)
	s.goLive()
	return s
}

// goLive serves, and has the server hear.
func (s *system) goLive() {
	t := s.t
	t.Helper()
	server := api.New(s.db.Serve(t), slog.New(slog.DiscardHandler), s.dir)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		server.Run(ctx)
	}()
	serving := httptest.NewServer(server)
	t.Cleanup(func() {
		stop()
		<-ran
		serving.Close()
	})
	s.url = serving.URL
}

type event struct {
	Type          string
	IDs           []uuid.UUID
	Conversations json.RawMessage
}

// page is a socket of a browser's page.
type page struct {
	t    *testing.T
	conn *websocket.Conn
}

func (s *system) dial(headers ...string) (*websocket.Conn, *http.Response, error) {
	return s.dialFor("", headers...)
}

func (s *system) dialFor(query string, headers ...string) (*websocket.Conn, *http.Response, error) {
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	return websocket.Dial(ctx, strings.Replace(s.url, "http", "ws", 1)+"/api/v1/events"+query, &websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{"switchboard-staff.v1"}})
}

func (s *system) page(cookie string) page { return s.pageFor("", cookie) }

func (s *system) pageFor(query, cookie string) page {
	s.t.Helper()
	conn, _, err := s.dialFor(query, "Cookie", cookie, "Origin", s.url, "Sec-Fetch-Site", "same-origin") //nolint:bodyclose // the library's
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	p := page{s.t, conn}
	if e, err := p.next(); err != nil || e.Type != "hello" {
		s.t.Fatalf("the first event is %+v, %v", e, err)
	}
	return p
}

func (p page) next() (event, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	_, text, err := p.conn.Read(ctx)
	if err != nil {
		return event{}, err
	}
	var e event
	return e, json.Unmarshal(text, &e)
}

// hearsOf waits until a page is told of a conversation, or gets an event of another type that does as well.
func (p page) hearsOf(id uuid.UUID, or ...string) event {
	p.t.Helper()
	for {
		e, err := p.next()
		if err != nil {
			p.t.Fatal(err)
		}
		if slices.Contains(e.IDs, id) || slices.Contains(or, e.Type) {
			return e
		}
	}
}

// ends waits until a page is told that its session has ended.
func (p page) ends() {
	p.t.Helper()
	for {
		if _, err := p.next(); err != nil {
			if websocket.CloseStatus(err) != 4401 {
				p.t.Fatalf("the socket ended with %v", err)
			}
			return
		}
	}
}

func TestPagesHearOfMessagesAndReceipts(t *testing.T) {
	s := startLive(t)
	v, other := s.guest("Ada", "+493000", pgtest.Channel, s.now()), s.guest("Ben", "+493001", pgtest.OtherChannel, s.now())
	one, two := s.page(s.browse()), s.page(s.browse())
	cookie := s.browse()
	v.wrote(s.now(), "Is the pool open?")
	// A server that did not listen yet has pages look at all once it does, so that nothing is missed.
	one.hearsOf(v.id, "all")
	two.hearsOf(v.id, "all")
	s.do("POST", other.path()+"/messages", map[string]any{"body": "Hello"}, "Cookie", cookie).want(http.StatusAccepted)
	one.hearsOf(other.id)
	two.hearsOf(other.id)
	s.exec("UPDATE sb.message SET status = 'delivered' WHERE conversation_id = $1", other.id)
	one.hearsOf(other.id)
}

// TestPagesHearThatAFileHasCome: until then they show that it is waited for.
func TestPagesHearThatAFileHasCome(t *testing.T) {
	s := startLive(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	s.exec(`INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, state, source)
		SELECT gen_random_uuid(), now(), gen_random_uuid(), $1, 'front-desk', 'pending', 'a file'`, v.id)
	page := s.page(s.browse())
	v.wrote(s.now(), "Here it is")
	page.hearsOf(v.id, "all")
	s.exec("UPDATE sb.attachment SET state = 'refused', reason = 'too-large', source = NULL WHERE conversation_id = $1", v.id)
	page.hearsOf(v.id)
}

func TestAPageIsClosedWithItsSession(t *testing.T) {
	for name, end := range map[string]func(*system, string){
		"signed out":           func(s *system, cookie string) { s.do("DELETE", "/api/v1/sessions/current", nil, "Cookie", cookie) },
		"revoked":              func(s *system, _ string) { s.exec("UPDATE sb.staff_session SET revoked_at = now()") },
		"account disabled":     func(s *system, _ string) { s.exec("UPDATE sb.staff SET disabled_at = now()") },
		"deleted by retention": func(s *system, _ string) { s.exec("DELETE FROM sb.staff_session") },
	} {
		t.Run(name, func(t *testing.T) {
			s := startLive(t)
			cookie := s.browse()
			p := s.page(cookie)
			end(s, cookie)
			p.ends()
		})
	}
}

func TestASocketIsForStaffOfThisPageAlone(t *testing.T) {
	s := startLive(t)
	cookie := s.browse()
	tests := map[string]struct {
		headers []string
		status  int
	}{
		"nobody":               {nil, 401},
		"a page of another":    {[]string{"Cookie", cookie, "Origin", "https://evil.example"}, 403},
		"one that admits it":   {[]string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, 403},
		"a session that ended": {[]string{"Cookie", cookieName + "=sbs_" + strings.Repeat("A", 43)}, 401},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, response, err := s.dial(test.headers...) //nolint:bodyclose // the library's
			if err == nil || response == nil || response.StatusCode != test.status {
				t.Errorf("answered %v, %v; want %d", response, err, test.status)
			}
		})
	}
	s.do("GET", "/api/v1/events", nil, "Cookie", cookie).want(http.StatusUpgradeRequired)
}

// TestAPageIsToldWhatTheListHas, as if it had asked for it each time: with a line in the access log, nothing of what has
// expired, and nothing once the session would be refused.
func TestAPageIsToldWhatTheListHas(t *testing.T) {
	s := startLive(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	p, other := s.pageFor("?rows=true", s.browse()), s.page(s.browse())
	cookie := s.browse()
	looks := func() int {
		return s.count("SELECT count(*) FROM sb.access_log WHERE route = '/api/v1/conversations' AND method = 'GET' AND status = 200 AND staff_id IS NOT NULL")
	}
	p.hearsOf(uuid.Nil, "all") // both are there: it is told once
	v.wrote(s.now(), "Is the pool open?")
	told := p.hearsOf(v.id)
	if n := looks(); n != 1 {
		t.Errorf("%d looks are logged, of one page that was told rows, and one that was not", n)
	}
	var asked struct{ Conversations json.RawMessage }
	s.do("GET", "/api/v1/conversations?ids="+v.id.String(), nil, "Cookie", cookie).want(http.StatusOK).saying("Is the pool open?").into(&asked)
	if string(told.Conversations) != string(asked.Conversations) {
		t.Errorf("told %s, and answered %s", told.Conversations, asked.Conversations)
	}
	if e := other.hearsOf(v.id); e.Conversations != nil {
		t.Errorf("a page that did not ask for rows is told %s", e.Conversations)
	}
	w := s.guest("Ben", "+493001", pgtest.Channel, s.now())
	w.wrote(s.now().AddDate(0, 0, -2), "Where is the sauna?")
	s.exec("INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ('guests', 'Messages', 1, 1, '')")
	s.exec("UPDATE sb.message SET status = 'delivered' WHERE conversation_id = $1", w.id)
	if e := p.hearsOf(w.id); strings.Contains(string(e.Conversations), "sauna") || !strings.Contains(string(e.Conversations), w.id.String()) {
		t.Errorf("told %s, of words that have expired", e.Conversations)
	}
	before := looks()
	s.exec("UPDATE sb.staff SET role = 'auditor'")
	s.exec("UPDATE sb.message SET status = 'delivered' WHERE conversation_id = $1", v.id)
	if e := p.hearsOf(v.id); e.Conversations != nil || looks() != before {
		t.Errorf("an auditor is told %s", e.Conversations)
	}
	s.do("GET", "/api/v1/events?rows=some", nil, "Cookie", cookie).want(http.StatusBadRequest)
}

// TestNotificationsSayNothing: whoever has a login can listen, and learns ids.
func TestNotificationsSayNothing(t *testing.T) {
	s := start(t)
	conn, err := s.db.Pool(t, contract.LoginRole(contract.ComponentConnector(pgtest.Channel), 1)).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "LISTEN sb_staff"); err != nil {
		t.Fatal(err)
	}
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	v.wrote(s.now(), "Nobody is there, so nobody is told.")
	servers := s.db.Serve(t)
	relayed := func() (n int) {
		t.Helper()
		if err := servers.QueryRow(t.Context(), "SELECT sb.staff_relay()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := relayed(); n != 0 {
		t.Fatalf("%d threads are told of, and nobody watches", n)
	}
	for _, first := range []bool{true, false} { // one watches, and another finds that it does
		server, err := servers.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer server.Release()
		var watches bool
		if err := server.QueryRow(t.Context(), "SELECT sb.staff_attend()").Scan(&watches); err != nil || watches != first {
			t.Fatalf("watches: %t, %v; want %t", watches, err, first)
		}
	}
	v.wrote(s.now(), "Is the pool open?")
	v.wrote(s.now(), "And the sauna?")
	if n := relayed(); n != 1 {
		t.Fatalf("of one thread, %d are told of", n)
	}
	if n := s.count("SELECT count(*) FROM sb.staff_news"); n != 0 {
		t.Errorf("%d that were told of are kept", n)
	}
	s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ('*', '\\x01', 1)")
	for _, want := range []string{v.id.String(), "o"} {
		told, err := conn.Conn().WaitForNotification(t.Context())
		if err != nil || told.Payload != want {
			t.Fatalf("told %+v, %v; want %s", told, err, want)
		}
	}
}

// TestNewsComeThoughTheServerThatAttendsIsGone: its session lasts until PostgreSQL notices.
func TestNewsComeThoughTheServerThatAttendsIsGone(t *testing.T) {
	s := startLive(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	gone, err := s.db.Serve(t).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Release()
	var attends bool
	if err := gone.QueryRow(t.Context(), "SELECT sb.staff_attend()").Scan(&attends); err != nil || !attends {
		t.Fatalf("attends: %t, %v", attends, err)
	}
	p := s.page(s.browse())
	p.hearsOf(uuid.Nil, "all") // it is looked for by now
	v.wrote(s.now(), "Is the pool open?")
	p.hearsOf(v.id)
}

// TestNewsComeThoughATransactionLasts that began before a page was open: the server waits for its end, for longer than one wait lasts, and
// keeps its connection.
func TestNewsComeThoughATransactionLasts(t *testing.T) {
	s := startLive(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	lasts, err := s.db.Admin(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lasts.Rollback(context.WithoutCancel(t.Context()))                                         //nolint:errcheck // it is over, or the test has failed
	if _, err := lasts.Exec(t.Context(), "SELECT pg_advisory_xact_lock_shared(18, 2)"); err != nil { // as one that stored a message has it
		t.Fatal(err)
	}
	p := s.page(s.browse())
	waits := func() (pid int) {
		for ctx := t.Context(); ctx.Err() == nil; {
			if s.db.Admin(t).QueryRow(ctx, `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND (classid, objid) = (18, 2) AND NOT granted
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&pid) == nil {
				return pid
			}
		}
		return 0
	}
	before := waits()
	p.hearsOf(uuid.Nil, "all") // when the first wait is over: what came before it
	waits()
	v.wrote(s.now(), "Is the pool open?")
	p.hearsOf(v.id) // when the next one is
	if after := waits(); after != before {
		t.Errorf("session %d waited, and now %d", before, after)
	}
	if err := lasts.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.hearsOf(uuid.Nil, "all") // what came between two waits
	v.wrote(s.now(), "And the sauna?")
	p.hearsOf(v.id)
}

// TestAServerOfTheReleaseBeforeIsTold: it relays nothing.
func TestAServerOfTheReleaseBeforeIsTold(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	before, err := s.db.Serve(t).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer before.Release()
	for _, statement := range []string{"LISTEN sb_staff", "SELECT sb.staff_watch()"} {
		if _, err := before.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	v.wrote(s.now(), "Is the pool open?")
	told, err := before.Conn().WaitForNotification(t.Context())
	if err != nil || told.Payload != v.id.String() {
		t.Fatalf("told %+v, %v", told, err)
	}
	if n := s.count("SELECT count(*) FROM sb.staff_news"); n != 0 {
		t.Errorf("%d news are left for nobody", n)
	}
}

// TestNewsThatNobodyWaitsForGo: a server ended before it relayed them.
func TestNewsThatNobodyWaitsForGo(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	heard, err := s.db.Admin(t).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Release()
	if _, err := heard.Exec(t.Context(), "LISTEN sb_staff"); err != nil {
		t.Fatal(err)
	}
	s.exec("INSERT INTO sb.staff_news VALUES ($1)", v.id)
	s.goLive()
	for {
		told, err := heard.Conn().WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if told.Payload == v.id.String() {
			break
		}
	}
	if n := s.count("SELECT count(*) FROM sb.staff_news"); n != 0 {
		t.Errorf("%d are kept", n)
	}
}
