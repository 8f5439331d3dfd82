package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/api"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// system is the API over a real database.
type system struct {
	t     *testing.T
	url   string
	db    *pgtest.Database
	admin *pgxpool.Pool // sees expired rows too
	judge validator.Validator
	token string
	keys  *addresshash.Keys
	dir   string // of the keys
}

// start serves the API, with a member of staff signed in.
func start(t *testing.T) *system {
	t.Helper()
	db := pgtest.New(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+"1"), bytes.Repeat([]byte{1}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := addresshash.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api.New(db.Serve(t), slog.New(slog.DiscardHandler), dir))
	t.Cleanup(server.Close)
	s := &system{t: t, url: server.URL, db: db, admin: db.Admin(t), judge: openapi(t), keys: keys, dir: dir}
	s.token = s.signIn()
	return s
}

// described judges by openapi.yaml; it is made once, since compiling every schema takes seconds.
var described = sync.OnceValues(func() (validator.Validator, error) {
	b, err := os.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(b)
	if err != nil {
		return nil, err
	}
	judge, errs := validator.NewValidator(document)
	return judge, errors.Join(errs...)
})

func openapi(t *testing.T) validator.Validator {
	t.Helper()
	judge, err := described()
	if err != nil {
		t.Fatal(err)
	}
	return judge
}

func (s *system) signIn() string {
	s.t.Helper()
	var session struct{ Token string }
	s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, pgtest.Password)).want(http.StatusCreated).into(&session)
	return session.Token
}

func credentials(email, password string) map[string]any {
	return map[string]any{"email": email, "password": password}
}

// answer is a response, judged against the description already.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request with the session's token. A body other than a string is sent
// as JSON. A request that the API accepts must be one that openapi.yaml allows;
// an answer must always be.
func (s *system) do(method, path string, body any, headers ...string) answer {
	s.t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			s.t.Fatal(err)
		}
	}
	request := func() *http.Request {
		r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(b))
		if err != nil {
			s.t.Fatal(err)
		}
		if body != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		if s.token != "" {
			r.Header.Set("Authorization", "Bearer "+s.token)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
			if headers[i+1] == "" {
				r.Header.Del(headers[i])
			}
		}
		return r
	}
	response, err := http.DefaultClient.Do(request())
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{s.t, method + " " + path, response.StatusCode, response.Header, got}
	if response.StatusCode < 400 {
		if ok, errs := s.judge.ValidateHttpRequest(request()); !ok {
			s.t.Errorf("%s was accepted, and openapi.yaml forbids it: %v", a.what, errs[0])
		}
	}
	if response.StatusCode != http.StatusMethodNotAllowed && !strings.HasSuffix(path, "/nothing") {
		response.Body = io.NopCloser(bytes.NewReader(got))
		if ok, errs := s.judge.ValidateHttpResponse(request(), response); !ok {
			s.t.Errorf("%s: the answer is not as openapi.yaml says: %v\n%s", a.what, errs[0], got)
		}
	}
	return a
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d\n%s", a.what, a.status, status, a.body)
	}
	if status < 400 {
		return a
	}
	var p struct {
		Type, Title, Detail string
		Status              int
	}
	if err := json.Unmarshal(a.body, &p); err != nil || p.Status != status || p.Title == "" || p.Detail == "" || p.Type == "" {
		a.t.Fatalf("%s: no problem document (%v): %s", a.what, err, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Fatalf("%s: an error of type %s", a.what, got)
	}
	return a
}

// saying checks that the answer holds each of the texts.
func (a answer) saying(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(string(a.body), text) {
			a.t.Fatalf("%s: the answer does not say %q:\n%s", a.what, text, a.body)
		}
	}
	return a
}

func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%s: %v\n%s", a.what, err, a.body)
	}
}

func (s *system) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.admin.Exec(context.Background(), sql, args...); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func (s *system) count(sql string, args ...any) int {
	s.t.Helper()
	var n int
	if err := s.admin.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// now is the database's clock.
func (s *system) now() time.Time {
	s.t.Helper()
	var now time.Time
	if err := s.admin.QueryRow(context.Background(), "SELECT clock_timestamp()").Scan(&now); err != nil {
		s.t.Fatal(err)
	}
	return now
}

// thread is a guest's conversation.
type thread struct {
	s           *system
	id, guest   uuid.UUID
	channel     string
	addressHash []byte
}

// guest stores a guest who was seen at a time, with a conversation on a channel.
func (s *system) guest(name, phone, channel string, seen time.Time) thread {
	s.t.Helper()
	v := thread{s, uuid.New(), uuid.New(), channel, s.hash(contract.KindPhone, phone)}
	s.exec("INSERT INTO sb.contact (id, name, created_at, last_seen_at) VALUES ($1, $2, $3, $3)", v.guest, name, seen)
	s.exec("INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('phone', $1, 1, $2, $3)", v.addressHash, phone, v.guest)
	s.exec("INSERT INTO sb.conversation (id, channel, contact_id, created_at, last_message_at) VALUES ($1, $2, $3, $4, $4)", v.id, channel, v.guest, seen)
	return v
}

func (s *system) hash(kind, address string) []byte {
	hash, _ := s.keys.Hash(kind, address)
	return hash
}

// wrote stores a message of the guest.
func (v thread) wrote(at time.Time, body string) uuid.UUID {
	v.s.t.Helper()
	id := uuid.New()
	v.s.exec("SELECT sb.ensure_partition($1)", at)
	v.s.exec(`WITH message AS (INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) VALUES ($1, $2, $3, $4, 'in', 'guest', 'received'))
		INSERT INTO sb.message_body (id, at, conversation_id, channel, body) VALUES ($1, $2, $3, $4, $5)`, id, at, v.id, v.channel, body)
	v.s.exec("UPDATE sb.conversation SET last_message_at = GREATEST(last_message_at, $2) WHERE id = $1", v.id, at)
	return id
}

func (v thread) path() string { return "/api/v1/conversations/" + v.id.String() }

type messages struct {
	Messages []struct {
		ID        uuid.UUID
		At        time.Time
		Direction string
		Origin    string
		Status    string
		Body      *string
	}
	NextCursor *string
}
