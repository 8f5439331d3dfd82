package webhook_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// A message is told by ids; its words go along for who asked for them alone.
func TestAMessageIsTold(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]bool{"by ids": false, "with its words": true} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.subscribe(text, contract.EventMessageReceived)
			s.work()
			id := s.says("Is the pool open?", "")
			got := s.next()
			d := got.payload.Data
			if got.payload.Type != contract.EventMessageReceived || d["messageId"] != id.String() || d["channel"] != pgtest.Channel || d["contactId"] == nil || d["conversationId"] == nil {
				t.Errorf("told %s", got.body)
			}
			if time.Since(got.payload.Timestamp) > time.Minute {
				t.Errorf("it happened at %s", got.payload.Timestamp)
			}
			if words, there := d["text"]; there != text || text && words != "Is the pool open?" {
				t.Errorf("of the words was told: %v", words)
			}
			if strings.Contains(got.body, guest) {
				t.Errorf("the guest's number was told: %s", got.body)
			}
			s.until("the event to go", func() bool { return s.count("SELECT count(*) FROM sb.webhook_event") == 0 })
		})
	}
}

// Long words are cut, so that what is sent is bounded.
func TestLongWordsAreCut(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(true, contract.EventMessageReceived)
	s.work()
	s.says(strings.Repeat("ß", 4097), "")
	d := s.next().payload.Data
	if d["text"] != strings.Repeat("ß", 4096) || d["textCut"] != true {
		t.Errorf("told textCut %v of %d bytes", d["textCut"], len(d["text"].(string)))
	}
}

func TestAReceiptAndAnOptOutAreTold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.says("hello", "") // before there is a subscription: not told
	s.subscribe(false, contract.EventMessageStatus, contract.EventOptOutChanged)
	s.work()
	id := s.replies("SM1")
	if _, err := s.d.Connector(t, pgtest.Channel).Exec(t.Context(), "SELECT sb.record_status(NULL, NULL, 'SM1', 'delivered', NULL)"); err != nil {
		t.Fatal(err)
	}
	got := s.next()
	if d := got.payload.Data; got.payload.Type != contract.EventMessageStatus || d["messageId"] != id.String() || d["status"] != "delivered" {
		t.Errorf("told %s", got.body)
	}
	s.says("STOP", "stop")
	got = s.next()
	if d := got.payload.Data; got.payload.Type != contract.EventOptOutChanged || d["change"] != "stop" || d["source"] != "guest" || d["contactId"] == nil || d["messageId"] != nil {
		t.Errorf("told %s", got.body)
	}
	s.until("all to be told", func() bool { return s.waiting() == 0 })
}

func TestAWithdrawnTestimonialIsToldByItsID(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(true, contract.EventTestimonialWithdrawn)
	s.work()
	s.says("hello", "")
	serve, id := s.d.Serve(t), uuid.NewString()
	if _, err := serve.Exec(t.Context(), "SELECT sb.testimonial_record($1, (SELECT id FROM sb.contact), 'A pearl', 'Ada', 'website', 'May we?', 'en', 'phone', NULL, now(), NULL)", id); err != nil {
		t.Fatal(err)
	}
	for range 2 { // told once
		if _, err := serve.Exec(t.Context(), "SELECT sb.testimonial_withdraw($1, NULL, 'phone')", id); err != nil {
			t.Fatal(err)
		}
	}
	got := s.next()
	if d := got.payload.Data; got.payload.Type != contract.EventTestimonialWithdrawn || d["testimonialId"] != id || d["contactId"] == nil || len(d) != 2 {
		t.Errorf("told %s", got.body)
	}
	s.until("all to be told", func() bool { return s.waiting() == 0 })
}

// What is not taken is told again, under the same id, and not before the receiver asks for it.
func TestWhatIsNotTakenIsToldAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(false, contract.EventMessageReceived)
	n := 0
	s.answer = func(w http.ResponseWriter, _ told) {
		switch n++; n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
	s.work()
	s.says("hello", "")
	first := s.next()
	second := s.next()
	asked := time.Now()
	third := s.next()
	if first.id != second.id || second.id != third.id || first.id == "" {
		t.Errorf("told as %q, %q, %q", first.id, second.id, third.id)
	}
	if waited := time.Since(asked); waited < 900*time.Millisecond {
		t.Errorf("told again after %s, when the receiver asked for a second", waited)
	}
	s.until("the event to go", func() bool {
		return s.waiting() == 0 && s.count("SELECT count(*) FROM sb.webhook WHERE problem IS NULL AND failing_since IS NULL") == 1
	})
}

// A receiver that wants no more is told no more, and what waited is there to be seen.
func TestAReceiverThatHasGoneIsToldNoMore(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(false, contract.EventMessageReceived)
	s.says("one", "")
	s.says("two", "")
	s.answer = func(w http.ResponseWriter, _ told) { w.WriteHeader(http.StatusGone) }
	stop := s.work()
	s.next()
	s.until("the subscription to end", func() bool {
		return s.count("SELECT count(*) FROM sb.webhook_state() WHERE ended AND problem = 'status-410' AND dead = 2 AND waiting = 0") == 1
	})
	s.says("three", "")
	stop()
	if n := len(s.got); n != 0 || s.count("SELECT count(*) FROM sb.webhook_event") != 2 {
		t.Errorf("it was told %d times more", n)
	}
}

// While secrets change, both sign: a receiver that knows one of them takes what is sent.
func TestBothSecretsSign(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(false, contract.EventMessageReceived)
	s.hook.Secrets = 2
	s.secret(1, secretOf(1))
	s.work()
	s.says("hello", "")
	s.verify(s.next(), 1)
	s.secret(1, secretOf(2)) // counts at once
	s.says("hello", "")
	s.verify(s.next(), 2)
}

// Neither addresses nor secrets nor words come into a log.
func TestLogsTellNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(true, contract.EventMessageReceived)
	s.answer = func(w http.ResponseWriter, _ told) { http.Error(w, "secret answer", http.StatusBadRequest) }
	s.hook.URL += "/?token=secret-token"
	s.work()
	s.says("secret words", "")
	s.next()
	s.until("a log line", func() bool { return strings.Contains(s.log.text(), "status-400") })
	s.receiver.Close()
	s.until("a connection to be refused", func() bool { return strings.Contains(s.log.text(), contract.WebhookUnreachable) })
	for _, no := range []string{"secret", "127.0.0.1", guest, "whsec_"} {
		if strings.Contains(s.log.text(), no) {
			t.Errorf("the log has %q: %s", no, s.log.text())
		}
	}
}

// What was not taken for three days is given up, shown for a week, and then goes.
func TestWhatIsNeverTakenIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(false, contract.EventMessageReceived)
	s.says("hello", "")
	s.exec("UPDATE sb.webhook_event SET at = now() - interval '3 days 1 minute'")
	s.answer = func(w http.ResponseWriter, _ told) { w.WriteHeader(http.StatusBadGateway) }
	stop := s.work()
	s.until("it to be given up", func() bool { return s.count("SELECT count(*) FROM sb.webhook_event WHERE dead_at IS NOT NULL") == 1 })
	stop()
	// Staff have it sent once more, and it is taken. It would be given up again after three more days.
	var outcome string
	if err := s.d.Serve(t).QueryRow(t.Context(), "SELECT sb.webhook_retry(id) FROM (SELECT (sb.webhook_dead('infinity', gen_random_uuid(), 1)).id) e").Scan(&outcome); err != nil || outcome != "sent" {
		t.Fatal(outcome, err)
	}
	stop = s.work()
	s.until("it to be tried again", func() bool {
		return s.count("SELECT count(*) FROM sb.webhook_event WHERE dead_at IS NULL AND attempts > 0") == 1
	})
	stop()
	s.exec("UPDATE sb.webhook_event SET retried_at = now() - interval '3 days 1 minute', next_at = now()")
	stop = s.work()
	s.until("it to be given up again", func() bool { return s.count("SELECT count(*) FROM sb.webhook_event WHERE dead_at IS NOT NULL") == 1 })
	stop()
	s.exec("UPDATE sb.webhook_event SET dead_at = now() - interval '7 days 1 minute'")
	if _, err := s.d.Pool(t, contract.LoginRole(contract.ComponentWebhooks, 1)).Exec(context.Background(), "SELECT sb.webhook_sweep()"); err != nil {
		t.Fatal(err)
	}
	if n := s.count("SELECT count(*) FROM sb.webhook_event"); n != 0 {
		t.Errorf("%d are left", n)
	}
}
