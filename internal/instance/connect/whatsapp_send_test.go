package connect

import (
	"net/http"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/whatsapp"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

func TestWhatsAppsStatusesMoveForwardOnly(t *testing.T) {
	t.Parallel()
	s := newWhatsApp(t, pgtest.New(t))
	s.writes(waGuest, "Hallo")
	if err := s.meta.SetOutcome(standin.Outcome{To: waGuest, Statuses: []string{}}); err != nil {
		t.Fatal(err)
	}
	id := s.reply(waGuest, "Good evening")
	s.becomes(id, "accepted")
	m := s.took(waGuest, 1)[0]
	for _, step := range []struct{ status, want string }{{"read", "read"}, {"delivered", "read"}, {"sent", "read"}, {"failed", "read"}, {"deleted", "read"}} {
		if status, answer := s.deliver(s.number.Payload(s.number.Value(nil, []standin.Object{{"id": m.ID, "status": step.status}}))); status != http.StatusOK {
			t.Fatalf("%s was answered %d: %s", step.status, status, answer)
		}
		if got, _, _ := s.message(id); got != step.want {
			t.Errorf("after %s the status is %s", step.status, got)
		}
	}
}

func TestTheClosedWindowIsShownToStaff(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*wa) error{
		"at once": func(s *wa) error {
			return s.meta.AddFault(standin.Fault{Answer: "status", Status: 400, Code: 131047})
		},
		"by a status": func(s *wa) error {
			return s.meta.SetOutcome(standin.Outcome{To: waGuest, Statuses: []string{"failed"}, Code: 131047})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWhatsApp(t, pgtest.New(t))
			s.writes(waGuest, "Hallo")
			if err := prepare(s); err != nil {
				t.Fatal(err)
			}
			id := s.reply(waGuest, "A day later")
			s.becomes(id, "failed")
			if _, code, _ := s.message(id); code != whatsapp.CodeWindowClosed {
				t.Errorf("the error code is %q", code)
			}
			if n := len(s.meta.Attempts(waGuest)); n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
		})
	}
}

func TestWhatWhatsAppCertainlyDidNotTakeIsSentAgain(t *testing.T) {
	t.Parallel()
	s := newWhatsApp(t, pgtest.New(t))
	s.writes(waGuest, "Hallo")
	for _, f := range []standin.Fault{
		{Answer: "status", Status: 429, Code: 130429, RetryAfter: 1}, {Answer: "status", Status: 400, Code: 131056}, {Answer: "status", Status: 503, Code: 131016},
	} {
		if err := s.meta.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	s.becomes(s.reply(waGuest, "Good evening"), "read")
	s.took(waGuest, 1)
	if n := len(s.meta.Attempts(waGuest)); n != 4 {
		t.Errorf("%d attempts, want 4", n)
	}
}

// WhatsApp can't be asked: what is unknown stays so, until a status names the message.
func TestAnUnknownOutcomeIsNeverSentTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault standin.Fault
		quiet bool
		want  string
	}{
		"cut off, and nothing is heard":    {standin.Fault{Accept: true, Answer: "drop"}, true, "unknown"},
		"cut off, and a status tells":      {standin.Fault{Accept: true, Answer: "drop"}, false, "read"},
		"cut off, and it was not taken":    {standin.Fault{Answer: "drop"}, true, "unknown"},
		"a failure that says nothing":      {standin.Fault{Answer: "status", Status: 500}, true, "unknown"},
		"a failure that was taken as well": {standin.Fault{Accept: true, Answer: "status", Status: 502}, false, "read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWhatsApp(t, pgtest.New(t))
			s.writes(waGuest, "Hallo")
			if c.quiet {
				if err := s.meta.SetOutcome(standin.Outcome{To: waGuest, Statuses: []string{}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.meta.AddFault(c.fault); err != nil {
				t.Fatal(err)
			}
			id := s.reply(waGuest, "Yes, behind the house")
			s.becomes(id, c.want)
			s.until("the job to end", func() (bool, string) {
				return s.count("SELECT count(*) FROM "+contract.QueueSchema(s.channel.Name)+".river_job WHERE finalized_at IS NULL") == 0, ""
			})
			if got, _, _ := s.message(id); got != c.want {
				t.Errorf("it ends as %s", got)
			}
			if n := len(s.meta.Attempts(waGuest)); n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
		})
	}
}
