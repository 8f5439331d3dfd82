package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/webhook"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// told is one request that a receiver got.
type told struct {
	id, body string
	header   http.Header
	payload  struct {
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
}

// stage is a tenant's database and a receiver of another system, which verifies by the library of Standard Webhooks.
type stage struct {
	t        *testing.T
	d        *pgtest.Database
	admin    *pgxpool.Pool
	receiver *httptest.Server
	got      chan told
	answer   func(http.ResponseWriter, told) // nil: 204
	log      *logs
	dir      string
	hook     contract.Webhook
}

type logs struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.String()
}

func secretOf(n byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n}, 32))
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, d: pgtest.New(t), got: make(chan told, 64), log: &logs{}, dir: t.TempDir()}
	s.admin = s.d.Admin(t)
	s.receiver = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading an event: %v", err)
			return
		}
		got := told{id: r.Header.Get(standardwebhooks.HeaderWebhookID), body: string(body), header: r.Header}
		if err := json.Unmarshal(body, &got.payload); err != nil {
			t.Errorf("reading %s: %v", body, err)
		}
		s.verify(got, 0)
		if s.answer != nil {
			s.answer(w, got)
		} else {
			w.WriteHeader(http.StatusNoContent)
		}
		select {
		case s.got <- got:
		default: // the test has seen enough of them
		}
	}))
	t.Cleanup(s.receiver.Close)
	s.hook = contract.Webhook{
		Name: "pms", URL: s.receiver.URL + "/hook", CIDRs: []string{"127.0.0.0/8"}, Secrets: 1,
		CABundle: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.receiver.Certificate().Raw})),
	}
	s.secret(0, secretOf(0))
	return s
}

func (s *stage) verify(got told, n byte) {
	s.t.Helper()
	key, err := standardwebhooks.NewWebhook(secretOf(n))
	if err != nil {
		s.t.Error(err)
		return
	}
	if err := key.Verify([]byte(got.body), got.header); err != nil {
		s.t.Errorf("the receiver does not take the signature by secret %d: %v", n, err)
	}
}

func (s *stage) secret(n int, value string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Join(s.dir, s.hook.Name), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, s.hook.Name, fmt.Sprint(n)), []byte(value+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) exec(statement string, args ...any) {
	s.t.Helper()
	if _, err := s.admin.Exec(s.t.Context(), statement, args...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) count(query string, args ...any) (n int) {
	s.t.Helper()
	if err := s.admin.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// subscribe has the database know the subscription, as a migration does.
func (s *stage) subscribe(text bool, events ...string) {
	s.t.Helper()
	s.exec("INSERT INTO sb.webhook (name, events, include_text, target) VALUES ($1, $2, $3, 'x')", s.hook.Name, events, text)
}

// work runs the worker until the test ends; the function that it gives ends it before.
func (s *stage) work() (stop func()) {
	s.t.Helper()
	w, err := webhook.New(webhook.Config{
		Webhooks: []contract.Webhook{s.hook}, Dir: s.dir, Pool: s.d.Pool(s.t, contract.LoginRole(contract.ComponentWebhooks, 1)),
		Log: slog.New(slog.NewJSONHandler(s.log, nil)), Poll: 10 * time.Millisecond, Wait: time.Millisecond,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	s.t.Cleanup(stop)
	return stop
}

// next waits for what the receiver gets next.
func (s *stage) next() told {
	s.t.Helper()
	select {
	case got := <-s.got:
		return got
	case <-time.After(30 * time.Second):
		s.t.Fatalf("nothing was told; the log: %s", s.log.text())
		return told{}
	}
}

// until waits for a condition.
func (s *stage) until(what string, holds func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("waited in vain for %s; the log: %s", what, s.log.text())
		}
	}
}

// guest is the address that all of a test's messages come from.
const guest = "+4930901820"

// says stores a guest's message as the connector does.
func (s *stage) says(text, command string) uuid.UUID {
	s.t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := s.d.Connector(s.t, pgtest.Channel).Exec(s.t.Context(), "SELECT sb.receive($1, $2, ARRAY['phone'], $3, $4, 1, $5, $6, NULL, $7, gen_random_uuid(), gen_random_uuid(), gen_random_uuid())",
		id.String(), [][]byte{id[:]}, []string{guest}, [][]byte{[]byte("hash of the guest")}, text, command, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// replies stores a reply that was accepted by the provider already.
func (s *stage) replies(providerID string) uuid.UUID {
	s.t.Helper()
	id := uuid.Must(uuid.NewV7())
	s.exec(`INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, provider_id)
		SELECT $1, clock_timestamp(), id, channel, 'out', 'staff', 'accepted', $2 FROM sb.conversation`, id, providerID)
	return id
}

func (s *stage) waiting() int {
	return s.count("SELECT count(*) FROM sb.webhook_event WHERE dead_at IS NULL")
}
