package connect

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
)

func TestATimeOutIsSettledByAsking(t *testing.T) {
	for name, accepted := range map[string]bool{"it was sent": true, "it was not sent": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := inHouse(t)
			if err := s.twilio.SetOutcome(standin.Outcome{To: guest}); err != nil {
				t.Fatal(err)
			}
			s.fault(standin.Fault{Accept: accepted, Answer: "hang"})
			id := s.reply(guest, "Yes, behind the house")
			s.becomes(id, "accepted")
			s.sent(guest, 1)
			want := 2
			if accepted {
				want = 1
			}
			if n := len(s.twilio.Attempts(guest)); n != want {
				t.Errorf("%d attempts, want %d", n, want)
			}
			if len(s.twilio.Lookups(guest)) == 0 {
				t.Error("the provider was not asked")
			}
		})
	}
}

func TestACallbackSettlesAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.fault(standin.Fault{Accept: true, Answer: "drop"})
	s.fault(standin.Fault{Operation: "list", Answer: "status", Status: 500, Count: 1000})
	id := s.reply(guest, "Yes, behind the house")
	s.becomes(id, "delivered")
	m := s.sent(guest, 1)[0]
	if _, _, sid := s.message(id); sid != m.SID {
		t.Errorf("the message is bound to %q, want %q", sid, m.SID)
	}
}

func TestAKilledConnectorsMessageIsAskedForBeforeItIsSent(t *testing.T) {
	t.Parallel()
	for name, accepted := range map[string]bool{"killed after the provider took it": true, "killed before": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := inHouse(t)
			s.end()
			if err := s.twilio.SetOutcome(standin.Outcome{To: guest}); err != nil {
				t.Fatal(err)
			}
			// What a connector leaves behind that was killed between the note and the answer.
			id := s.reply(guest, "Yes, behind the house")
			s.exec("UPDATE sb.message SET status = 'sending', attempted_at = now() - interval '1 hour', status_at = now() - interval '1 hour' WHERE id = $1", id)
			s.exec("UPDATE " + contract.QueueSchema(pgtest.Channel) + ".river_job SET state = 'running', attempt = 1, attempted_at = now() - interval '1 hour'")
			if accepted {
				s.sendElsewhere("Yes, behind the house")
			}
			s.start()
			s.becomes(id, "accepted")
			s.sent(guest, 1)
			if len(s.twilio.Lookups(guest)) == 0 {
				t.Error("the provider was not asked")
			}
		})
	}
}

// sendElsewhere has the provider take a message to the guest that is none of this connector's.
func (s *stage) sendElsewhere(body string) {
	s.t.Helper()
	f := url.Values{"To": {guest}, "From": {number}, "Body": {body}}
	request, err := http.NewRequest(http.MethodPost, s.provider.URL+"/2010-04-01/Accounts/"+account+"/Messages.json", strings.NewReader(f.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	request.SetBasicAuth(account, token)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.provider.Client().Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		s.t.Fatalf("the stand-in answered %d", response.StatusCode)
	}
}

func TestWhatCantBeSettledIsShownAsUnknownAndNotSent(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	if err := s.twilio.SetOutcome(standin.Outcome{To: guest}); err != nil {
		t.Fatal(err)
	}
	s.sendElsewhere("OK")
	s.sendElsewhere("OK")
	s.fault(standin.Fault{Answer: "status", Status: 500})
	id := s.reply(guest, "OK")
	s.becomes(id, "unknown")
	s.sent(guest, 2)
	if n := len(s.twilio.Attempts(guest)); n != 3 {
		t.Errorf("%d attempts, want the one that failed and the two from elsewhere", n)
	}
}

func TestEqualRepliesAreEachSent(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.fault(standin.Fault{Accept: true, Answer: "drop"})
	first := s.reply(guest, "OK")
	s.becomes(first, "delivered")
	s.fault(standin.Fault{Answer: "drop"})
	second := s.reply(guest, "OK")
	s.becomes(second, "delivered")
	s.sent(guest, 2)
	_, _, one := s.message(first)
	_, _, other := s.message(second)
	if one == other {
		t.Errorf("both are bound to %s", one)
	}
}
