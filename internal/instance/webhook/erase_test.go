package webhook_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func (s *stage) erase(ctx context.Context) error {
	_, err := s.d.Pool(s.t, contract.LoginRole(contract.ComponentSubject, 1)).Exec(ctx, "SELECT sb.subject_erase('r', ARRAY['phone'], $1)", [][]byte{[]byte("hash of the guest")})
	return err
}

func (s *stage) limit(category string, days int) {
	s.t.Helper()
	s.exec("INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ('p', $1, $2, 1, 'd')", category, days)
}

// age has all that a guest said have happened days ago.
func (s *stage) age(days int) {
	s.t.Helper()
	s.exec("SELECT sb.ensure_partition(now() - make_interval(days => $1))", days)
	s.exec("UPDATE sb.message SET at = at - make_interval(days => $1)", days)
	s.exec("UPDATE sb.message_body SET at = at - make_interval(days => $1)", days)
	s.exec("UPDATE sb.webhook_event SET message_at = message_at - make_interval(days => $1)", days)
}

// What has expired is not told, whatever waited.
func TestWhatHasExpiredIsNotTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		category     string
		gone, silent bool // the event goes; its words do
	}{
		"the message":    {category: "MessageMetadata", gone: true},
		"its guest":      {category: "Contacts", gone: true},
		"its words":      {category: "Messages", silent: true},
		"something else": {category: "AccessLogs"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.subscribe(true, contract.EventMessageReceived)
			s.says("hello", "")
			s.age(2)
			s.exec("UPDATE sb.contact SET last_seen_at = now() - interval '2 days'")
			s.limit(c.category, 1)
			stop := s.work()
			s.until("the event to go", func() bool { return s.waiting() == 0 })
			stop()
			switch n := len(s.got); {
			case c.gone && n != 0:
				t.Errorf("it was told: %s", (<-s.got).body)
			case !c.gone && n != 1:
				t.Errorf("it was told %d times", n)
			case !c.gone:
				if _, words := (<-s.got).payload.Data["text"]; words == c.silent {
					t.Errorf("words were told: %t", words)
				}
			}
		})
	}
}

// A retention run removes what waits of what it deletes, also while nothing is sent; what was given up too.
func TestARetentionRunRemovesWhatWaits(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(false, contract.EventMessageReceived)
	s.says("old", "")
	s.says("old and given up", "")
	s.exec("UPDATE sb.webhook_event SET dead_at = now() WHERE id = (SELECT id FROM sb.webhook_event LIMIT 1)")
	s.age(2)
	s.says("new", "")
	s.limit("MessageMetadata", 1)
	if _, err := s.d.Retain(t).Exec(t.Context(), "SELECT sb.retention_open('p', 'd')"); err != nil {
		t.Fatal(err)
	}
	if n := s.count("SELECT count(*) FROM sb.webhook_event"); n != 1 {
		t.Errorf("%d events are left, want the new one", n)
	}
}

// An erasure takes along what waits, and what was given up, of a person.
func TestAnErasureTakesAlongWhatWaits(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(true, contract.EventMessageReceived, contract.EventOptOutChanged)
	s.says("hello", "")
	s.says("STOP", "stop")
	s.exec("UPDATE sb.webhook_event SET dead_at = now() WHERE id = (SELECT id FROM sb.webhook_event LIMIT 1)")
	if n := s.count("SELECT count(*) FROM sb.webhook_event"); n != 3 {
		t.Fatalf("%d events wait, want 3", n)
	}
	if err := s.erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.count("SELECT count(*) FROM sb.webhook_event"); n != 0 {
		t.Errorf("%d events are left", n)
	}
}

// A message that went from a guest whom a hold keeps goes from what waits too.
func TestAnErasureTakesAlongWhatWaitsOfAMessage(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(true, contract.EventMessageReceived)
	s.says("held", "")
	s.exec("INSERT INTO sb.hold (name, by_subject, channel, to_at) VALUES ('case', false, $1, clock_timestamp())", pgtest.Channel)
	s.says("not held", "")
	if err := s.erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, m := s.count("SELECT count(*) FROM sb.webhook_event"), s.count("SELECT count(*) FROM sb.message"); n != 1 || m != 1 {
		t.Errorf("%d events and %d messages are left, want those that are held", n, m)
	}
}

// An erasure that is done has ended all: it waits for what is being sent at the moment.
func TestAnErasureWaitsForWhatIsBeingSent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(true, contract.EventMessageReceived)
	sending, finish := make(chan struct{}), make(chan struct{})
	s.answer = func(http.ResponseWriter, told) {
		close(sending)
		<-finish
	}
	s.says("hello", "")
	stop := s.work()
	<-sending
	erased := make(chan error, 1)
	go func() { erased <- s.erase(context.Background()) }()
	s.until("the erasure to wait", func() bool {
		return s.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE 'sb\\_subject%' AND wait_event_type = 'Lock'") == 1
	})
	select {
	case err := <-erased:
		t.Errorf("the erasure was done while its person's words were being sent (%v)", err)
	default:
	}
	close(finish)
	select {
	case err := <-erased:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the erasure did not end")
	}
	stop()
	if n := s.count("SELECT count(*) FROM sb.webhook_event"); n != 0 {
		t.Errorf("%d events are left", n)
	}
}
