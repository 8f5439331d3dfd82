package connect

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestWhileTheDatabaseIsAwayNothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := newStage(t, d)
	s.says(guest, "before")
	d.Refuse(t)
	sid := newSID()
	f := form(sid, guest, "meanwhile")
	body, signature := signed(t, inboundPath, f)
	start := time.Now()
	status, header, _ := s.raw(inboundPath, body, http.Header{"Content-Type": {formType}, "X-Twilio-Signature": {signature}})
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("answered %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	if spent := time.Since(start); spent > 14*time.Second {
		t.Errorf("answered after %s, when the provider has hung up", spent)
	}
	if status, _ := s.post(statusPath, map[string][]string{"MessageSid": {sid}, "MessageStatus": {"sent"}, "AccountSid": {account}}); status != http.StatusServiceUnavailable {
		t.Errorf("a status was answered %d", status)
	}
	d.Accept(t)
	s.until("the message to be taken", func() (bool, string) {
		status, answer := s.post(inboundPath, f)
		return status == http.StatusOK, fmt.Sprint(status, answer)
	})
	if n := s.count("SELECT count(*) FROM sb.message"); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
	// The queue is worked again too.
	s.becomes(s.reply(guest, "after"), "delivered")
}

func TestAConnectorStartsBeforeItsDatabase(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := newStage(t, d)
	s.says(guest, "before")
	s.end()
	id := s.reply(guest, "after")
	d.Refuse(t)
	s.start()
	if status, _ := s.post(inboundPath, form(newSID(), guest, "meanwhile")); status != http.StatusServiceUnavailable {
		t.Errorf("answered %d", status)
	}
	d.Accept(t)
	s.becomes(id, "delivered")
}

// Killing one process of PostgreSQL with SIGKILL brings the whole server down, for
// shared memory may be damaged; it recovers from its log.
func TestNothingAcknowledgedIsLostWhenPostgreSQLIsKilled(t *testing.T) {
	t.Parallel()
	server := pgtest.StartOwn(t)
	d := server.Empty(t)
	if _, err := migrate.Run(context.Background(), slog.New(slog.DiscardHandler), d.Config(t, contract.AdminRole), pgtest.Input()); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, d)
	var mu sync.Mutex
	var acknowledged []string
	refused := map[int]int{}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	end := sync.OnceFunc(func() {
		close(stop)
		writers.Wait()
	})
	defer end()
	for w := range 8 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				sid := newSID()
				status, _ := s.post(inboundPath, form(sid, fmt.Sprintf("+49151%07d", w), "still there?"))
				mu.Lock()
				if status == http.StatusOK {
					acknowledged = append(acknowledged, sid)
				} else {
					refused[status]++
				}
				mu.Unlock()
			}
		})
	}
	more := func(n int) func() (bool, string) {
		return func() (bool, string) {
			mu.Lock()
			defer mu.Unlock()
			return len(acknowledged) >= n, fmt.Sprint(len(acknowledged))
		}
	}
	for round := range 3 {
		s.until("messages to be acknowledged", more(200*(2*round+1)))
		var pid int
		s.until("a session to kill", func() (bool, string) {
			err := s.admin.QueryRow(context.Background(), "SELECT pid FROM pg_stat_activity WHERE usename = $1 LIMIT 1",
				contract.LoginRole(contract.ComponentConnector(pgtest.Channel), 1)).Scan(&pid)
			return err == nil, fmt.Sprint(err)
		})
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		n := len(acknowledged)
		mu.Unlock()
		s.until("more after the database came back", more(n+200))
		s.admin.Reset() // our own sessions died with the server
	}
	end()
	if refused[http.StatusServiceUnavailable] == 0 || len(refused) != 1 {
		t.Errorf("refused %v, want 503 some times and nothing else", refused)
	}
	if n := s.count("SELECT count(DISTINCT provider_id) FROM sb.message JOIN sb.message_body USING (id, at) WHERE provider_id = ANY ($1)", acknowledged); n != len(acknowledged) {
		t.Errorf("%d messages were acknowledged, %d are there", len(acknowledged), n)
	}
	if n := s.count("SELECT count(*) - count(DISTINCT provider_id) FROM sb.message"); n != 0 {
		t.Errorf("%d messages are there twice", n)
	}
}

// A message that the database refuses must not take others down with it.
func TestAMessageThatCantBeStoredSpoilsNoOther(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.exec("ALTER TABLE sb.message_body ADD CONSTRAINT poison CHECK (body <> 'poison')")
	for range 5 {
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				body, want := "good", http.StatusOK
				if i == 7 {
					body, want = "poison", http.StatusServiceUnavailable
				}
				if status, _ := s.post(inboundPath, form(newSID(), fmt.Sprintf("+49151%07d", i), body)); status != want {
					t.Errorf("%s was answered %d", body, status)
				}
			})
		}
		all.Wait()
	}
	if n := s.count("SELECT count(*) FROM sb.message"); n != 5*23 {
		t.Errorf("%d messages, want %d", n, 5*23)
	}
	if n := s.count("SELECT count(*) FROM sb.seen"); n != 5*23 {
		t.Errorf("%d ids seen: what was not stored must be taken when it is sent again", n)
	}
}

func TestAMonthWithoutPartitionsIsMade(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.exec(`DO $$ DECLARE p regclass; BEGIN
		FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent IN ('sb.message'::regclass, 'sb.message_body'::regclass) LOOP
			EXECUTE 'DROP TABLE ' || p;
		END LOOP; END $$`)
	s.says(guest, "Is anybody there?")
	if n := s.count("SELECT count(*) FROM sb.message JOIN sb.message_body USING (id, at)"); n != 1 {
		t.Errorf("%d messages", n)
	}
}
