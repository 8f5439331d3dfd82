package connect

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
)

// inHouse is a stage with a guest who has written.
func inHouse(t *testing.T, change ...func(*contract.Channel)) *stage {
	s := newStage(t, pgtest.New(t), change...)
	s.says(guest, "Is there parking?")
	return s
}

func (s *stage) fault(f standin.Fault) {
	s.t.Helper()
	f.To = guest
	if err := s.twilio.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}

func TestAReplyIsSentAndItsReceiptsArrive(t *testing.T) {
	s := inHouse(t)
	id := s.reply(guest, "Yes, behind the house 🙂")
	s.becomes(id, "delivered")
	m := s.sent(guest, 1)[0]
	if m.Body != "Yes, behind the house 🙂" || m.From != number || m.Account != account {
		t.Errorf("the provider was given %+v", m)
	}
	if _, _, sid := s.message(id); sid != m.SID {
		t.Errorf("the message is bound to %q, want %q", sid, m.SID)
	}
	if n := s.count("SELECT count(*) FROM sb.message WHERE id = $1 AND attempted_at > at", id); n != 1 {
		t.Error("the attempt was not noted")
	}
	if len(s.twilio.Lookups("")) != 0 {
		t.Error("the provider was asked about a message whose outcome was known")
	}
	for _, c := range s.twilio.Callbacks(guest) {
		if c.Status != http.StatusOK {
			t.Errorf("status %s was answered %d %s", c.MessageStatus, c.Status, c.Error)
		}
	}
}

func TestAMessagingServiceSendsAndReceives(t *testing.T) {
	t.Parallel()
	s := newStage(t, pgtest.New(t), func(c *contract.Channel) { c.TwilioSMS.From, c.TwilioSMS.MessagingServiceSID = "", messagingService })
	f := form(newSID(), guest, "Hello")
	if status, _ := s.post(inboundPath, f); status != http.StatusForbidden {
		t.Errorf("a message to no messaging service was answered %d, want 403", status)
	}
	f.Set("MessagingServiceSid", messagingService)
	if status, answer := s.post(inboundPath, f); status != http.StatusOK {
		t.Fatalf("answered %d: %s", status, answer)
	}
	s.fault(standin.Fault{Accept: true, Answer: "drop"})
	id := s.reply(guest, "Good evening")
	s.becomes(id, "delivered")
	if m := s.sent(guest, 1)[0]; m.MessagingServiceSID != messagingService || m.From != "" {
		t.Errorf("the provider was given %+v", m)
	}
}

// A message is sent once whatever the provider does. attempts counts the requests
// to send, and asked says whether the provider had to be asked.
func TestAMessageIsSentOnce(t *testing.T) {
	for name, c := range map[string]struct {
		faults   []standin.Fault
		attempts int
		asked    bool
	}{
		"after a 500 that took nothing":           {[]standin.Fault{{Answer: "status", Status: 500}}, 2, true},
		"after a 503 that took it":                {[]standin.Fault{{Accept: true, Answer: "status", Status: 503}}, 1, true},
		"after a 429":                             {[]standin.Fault{{Answer: "status", Status: 429, Code: 20429}}, 2, false},
		"after a 429 with Retry-After":            {[]standin.Fault{{Answer: "status", Status: 429, RetryAfter: 1}}, 2, false},
		"after a connection cut before":           {[]standin.Fault{{Answer: "drop"}}, 2, true},
		"after a connection cut after":            {[]standin.Fault{{Accept: true, Answer: "drop"}}, 1, true},
		"after wrong credentials":                 {[]standin.Fault{{Answer: "status", Status: 401, Code: 20003}}, 2, false},
		"after a 500, a 429, and one that is cut": {[]standin.Fault{{Answer: "status", Status: 500}, {Answer: "status", Status: 429}, {Accept: true, Answer: "drop"}}, 3, true},
		"when asking fails at first": {[]standin.Fault{{Accept: true, Answer: "drop"}, {Operation: "list", Answer: "status", Status: 500, Count: 2},
			{Operation: "list", Answer: "drop"}}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := inHouse(t)
			// No callbacks: they would settle it too.
			if err := s.twilio.SetOutcome(standin.Outcome{To: guest}); err != nil {
				t.Fatal(err)
			}
			for _, f := range c.faults {
				s.fault(f)
			}
			id := s.reply(guest, "Yes, behind the house")
			s.becomes(id, "accepted")
			m := s.sent(guest, 1)[0]
			if _, _, sid := s.message(id); sid != m.SID {
				t.Errorf("the message is bound to %q, want %q", sid, m.SID)
			}
			attempts, lookups := s.twilio.Attempts(guest), s.twilio.Lookups(guest)
			if len(attempts) != c.attempts {
				t.Errorf("%d attempts, want %d: %v", len(attempts), c.attempts, attempts)
			}
			if c.asked != (len(lookups) > 0) {
				t.Errorf("%d lookups, want some: %t", len(lookups), c.asked)
			}
			for i := 1; i < len(attempts); i++ {
				if known := attempts[i-1].Status == 429 || attempts[i-1].Status == 401; known {
					continue
				}
				asked := false
				for _, l := range lookups {
					asked = asked || l.Status == 200 && l.At.After(attempts[i-1].At) && l.At.Before(attempts[i].At)
				}
				if !asked {
					t.Errorf("attempt %d was made without asking what became of the one before", i+1)
				}
			}
		})
	}
}

func TestWhatTheProviderRefusesHasFailedForGood(t *testing.T) {
	for name, c := range map[string]struct {
		fault standin.Fault
		code  string
	}{
		"a number that is not valid": {standin.Fault{Answer: "status", Status: 400, Code: 21211}, "21211"},
		"without a code of Twilio's": {standin.Fault{Answer: "status", Status: 400}, "http-400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := inHouse(t)
			s.fault(c.fault)
			before := s.told()
			id := s.reply(guest, "Nobody will read this")
			s.becomes(id, "failed")
			s.until("the operator is told", func() (bool, string) {
				now := s.told()
				return now.Failed[contract.FailureRefused] > before.Failed[contract.FailureRefused] && now.Sends["refused"] > before.Sends["refused"] &&
					now.Queue.Messages == 0 && now.Queue.Oldest == nil, fmt.Sprint(now)
			})
			s.sent(guest, 0)
			if _, code, _ := s.message(id); code != c.code {
				t.Errorf("the error code is %q, want %q", code, c.code)
			}
			if n := len(s.twilio.Attempts(guest)); n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
		})
	}
	t.Run("a text that is too long", func(t *testing.T) {
		t.Parallel()
		s := inHouse(t)
		id := s.reply(guest, strings.Repeat("long ", 400))
		s.becomes(id, "failed")
		if _, code, _ := s.message(id); code != "21617" {
			t.Errorf("the error code is %q", code)
		}
	})
}

func TestAProviderThatIsAwayIsGivenUpInTheEnd(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.provider.Close()
	id := s.reply(guest, "Are you still there?")
	s.until("attempts that certainly sent nothing", func() (bool, string) {
		status, _, _ := s.message(id)
		return status == "queued" && s.count("SELECT count(*) FROM "+contract.QueueSchema(pgtest.Channel)+".river_job WHERE attempt >= 2") == 1, status
	})
	waiting := s.told()
	if q := waiting.Queue; q.Messages != 1 || q.Oldest == nil || time.Since(*q.Oldest) < 0 || time.Since(*q.Oldest) > time.Hour || waiting.Sends["not_sent"] == 0 {
		t.Errorf("while it waits the operator is told %+v, %+v", waiting, q)
	}
	s.exec("UPDATE " + contract.QueueSchema(pgtest.Channel) + ".river_job SET max_attempts = 3")
	s.becomes(id, "failed")
	if _, code, _ := s.message(id); code != "provider-unavailable" {
		t.Errorf("the error code is %q", code)
	}
	s.until("the operator is told", func() (bool, string) {
		now := s.told()
		return now.Failed[contract.FailureUnavailable] > waiting.Failed[contract.FailureUnavailable] && now.Queue.Messages == 0, fmt.Sprint(now)
	})
}

func TestExpiredMessagesAreNotSent(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.end()
	s.database.Limits(t, map[string]int32{contract.CategoryMessages: 1, contract.CategoryMessageMetadata: 30})
	id := s.reply(guest, "Too late")
	s.exec("SELECT sb.ensure_partition(now() - interval '25 hours')") // on the first of a month that is another
	s.exec("UPDATE sb.message SET at = at - interval '25 hours' WHERE id = $1", id)
	s.exec("UPDATE sb.message_body SET at = at - interval '25 hours' WHERE id = $1", id)
	s.exec("UPDATE "+contract.QueueSchema(pgtest.Channel)+".river_job SET args = jsonb_build_object('message_id', $1::uuid, 'at', (SELECT at FROM sb.message WHERE id = $1))", id)
	s.start()
	s.becomes(id, "failed")
	s.sent(guest, 0)
	if _, code, _ := s.message(id); code != "expired" {
		t.Errorf("the error code is %q", code)
	}
}

func TestARotatedTokenIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	if err := s.twilio.AddAccount(standin.Account{SID: account, AuthToken: "rotated", Numbers: []string{number}}); err != nil {
		t.Fatal(err)
	}
	id := s.reply(guest, "Good evening")
	s.until("a refused attempt", func() (bool, string) {
		return s.count("SELECT count(*) FROM "+contract.QueueSchema(pgtest.Channel)+".river_job WHERE cardinality(errors) > 0") == 1, ""
	})
	s.writeToken("rotated")
	s.becomes(id, "accepted", "sent", "delivered")
	s.sent(guest, 1)
}

func TestAJobOfAnUnknownMessageEnds(t *testing.T) {
	s := inHouse(t)
	ctx := context.Background()
	tx, err := s.serve.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := queue.InsertTx(ctx, tx, pgtest.Channel, queue.SendArgs{MessageID: uuid.New(), At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	s.until("the job to end", func() (bool, string) {
		n := s.count("SELECT count(*) FROM " + contract.QueueSchema(pgtest.Channel) + ".river_job WHERE state = 'completed'")
		return n == 1, fmt.Sprint(n)
	})
	s.sent("", 0)
}
