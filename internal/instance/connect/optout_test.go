package connect

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
)

func TestStopStopsAndStartResumes(t *testing.T) {
	t.Parallel()
	s := newStage(t, pgtest.New(t), func(c *contract.Channel) {
		c.Keywords = []contract.Keywords{{Locale: "de", Stop: []string{"Abbestellen"}, Start: []string{"STOP"}}}
	})
	for i, c := range []struct{ stop, start string }{
		{"STOP", "START"}, {" \t Stop \r\n", "\u00a0 sTaRt "}, {"Unsubscribe\n", "UNSTOP"}, {"Arrêt!", "yes"}, {"abbestellen", "Start."},
	} {
		from := fmt.Sprintf("+4915112340%03d", i)
		s.says(from, "Hallo")
		s.says(from, c.stop)
		if m := s.sent(from, 1)[0]; m.Body != optout.Answer(optout.Stop) {
			t.Errorf("%q was confirmed by %q", c.stop, m.Body)
		}
		blocked := s.reply(from, "One more thing")
		s.becomes(blocked, "suppressed")
		if n := s.count(`SELECT count(*) FROM sb.conversation v JOIN sb.contact_address a USING (contact_id)
			WHERE a.address = $1 AND sb.opt_out(v.id) = 'optedOut'`, from); n != 1 {
			t.Errorf("%q: sb.opt_out does not say so", c.stop)
		}
		s.says(from, c.stop)
		s.says(from, "HELP")
		s.sent(from, 1) // no second confirmation, and HELP is silent
		s.says(from, c.start)
		if m := s.sent(from, 2)[1]; m.Body != optout.Answer(optout.Start) {
			t.Errorf("%q was confirmed by %q", c.start, m.Body)
		}
		s.says(from, c.start) // resumes nothing: a message like any other
		s.becomes(s.reply(from, "Welcome back"), "delivered")
		s.sent(from, 3)
		hash, _ := s.keys().Hash(kindPhone, from)
		var changes string
		if err := s.admin.QueryRow(t.Context(), "SELECT string_agg(change || ' by ' || source, ', ' ORDER BY id) FROM sb.consent_log WHERE address_hash = $1 AND channel = $2",
			hash, pgtest.Channel).Scan(&changes); err != nil || changes != "stop by guest, start by guest" {
			t.Errorf("%q: the log of consent says %q (%v)", c.stop, changes, err)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.message WHERE origin = 'confirmation'"); n != 10 {
		t.Errorf("%d confirmations, want 10", n)
	}
}

func TestManyStopsAtOnceAreConfirmedOnce(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() { s.post(inboundPath, form(newSID(), guest, "stop")) })
	}
	all.Wait()
	s.sent(guest, 1)
	if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'") + s.count("SELECT count(*) FROM sb.consent_log"); n != 13 {
		t.Errorf("%d messages and changes, want 12 and 1", n)
	}
}

func TestHelpIsAnswered(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.says(guest, "Does the bus stop at the hotel?")
	s.says(guest, "help")
	if m := s.sent(guest, 1)[0]; m.Body != optout.Answer(optout.Help) {
		t.Errorf("answered %q", m.Body)
	}
	if n := s.count("SELECT count(*) FROM sb.suppression") + s.count("SELECT count(*) FROM sb.consent_log"); n != 0 {
		t.Errorf("%d suppressions and changes of consent", n)
	}
}

func TestWhatTheProviderHasAnsweredIsNotAnsweredTwice(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	for _, step := range []struct {
		body, kind string
		suppressed int
	}{{"LEAVE ME ALONE", "STOP", 1}, {"help", "HELP", 1}, {"START", "START", 0}} {
		f := form(newSID(), guest, step.body)
		f.Set("OptOutType", step.kind)
		if status, answer := s.post(inboundPath, f); status != http.StatusOK {
			t.Fatalf("answered %d: %s", status, answer)
		}
		if n := s.count("SELECT count(*) FROM sb.suppression"); n != step.suppressed {
			t.Errorf("after %s: %d suppressions, want %d", step.kind, n, step.suppressed)
		}
	}
	s.sent(guest, 0)
	if n := s.count("SELECT count(*) FROM sb.consent_log"); n != 2 {
		t.Errorf("%d changes of consent, want 2", n)
	}
}

func TestAStopThatOvertakesAReplyWins(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.fault(standin.Fault{Answer: "status", Status: 429, RetryAfter: 2})
	id := s.reply(guest, "This one waits for the provider")
	s.until("the first attempt", func() (bool, string) { return len(s.twilio.Attempts(guest)) == 1, "" })
	s.says(guest, "STOP")
	s.becomes(id, "suppressed")
	if m := s.sent(guest, 1)[0]; m.Body != optout.Answer(optout.Stop) {
		t.Errorf("the provider was given %q", m.Body)
	}
}

func TestAStopCountsForTheWholeTenant(t *testing.T) {
	d := pgtest.New(t)
	s := newStage(t, d)
	s.says(guest, "STOP")
	s.sent(guest, 1)
	other := newStage(t, d, func(c *contract.Channel) { c.Name = pgtest.OtherChannel })
	path := strings.ReplaceAll(inboundPath, pgtest.Channel, pgtest.OtherChannel)
	if status, answer := other.post(path, form(newSID(), guest, "Massage?")); status != http.StatusOK {
		t.Fatalf("answered %d: %s", status, answer)
	}
	other.becomes(other.reply(guest, "At six"), "suppressed")
	other.sent(guest, 0)
}

func TestWhomTheProviderBlocksIsSuppressed(t *testing.T) {
	s := inHouse(t)
	if err := s.twilio.SetOptOut(standin.OptOut{Account: account, From: number, To: guest}); err != nil {
		t.Fatal(err)
	}
	id := s.reply(guest, "Good evening")
	s.becomes(id, "failed")
	if _, code, _ := s.message(id); code != "21610" {
		t.Errorf("the error code is %q", code)
	}
	s.becomes(s.reply(guest, "Hello?"), "suppressed")
	if n := s.count("SELECT count(*) FROM sb.consent_log WHERE change = 'stop' AND source = 'provider' AND channel = $1", pgtest.Channel); n != 1 {
		t.Errorf("%d changes of consent by the provider", n)
	}
}

func TestAnOptOutSurvivesARotationOfTheKey(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	sid := newSID()
	s.post(inboundPath, form(sid, guest, "Hello"))
	s.says(guest, "STOP")
	s.sent(guest, 1)
	s.writeKey(2)
	s.becomes(s.reply(guest, "Hello?"), "suppressed") // before the guest has written again
	s.post(inboundPath, form(sid, guest, "Hello"))    // a replay is known still
	s.says(guest, "Did anyone answer?")
	s.becomes(s.reply(guest, "Hello?"), "suppressed")
	s.sent(guest, 1)
	if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'"); n != 3 {
		t.Errorf("%d messages in, want 3", n)
	}
	if n := s.count("SELECT count(*) FROM sb.contact"); n != 1 {
		t.Errorf("%d contacts, want 1", n)
	}
	if n := s.count("SELECT count(*) FROM sb.contact_address WHERE key_version = 2") + s.count("SELECT count(*) FROM sb.suppression WHERE key_version = 2"); n != 2 {
		t.Error("the guest's rows are not under the new key")
	}
	s.says(guest, "START")
	s.becomes(s.reply(guest, "Welcome back"), "delivered")
}

func TestAnExpiredGuestComesBackAsAnother(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.says(guest, "Hello")
	s.database.Limits(t, map[string]int32{contract.CategoryContacts: 30})
	var before, after uuid.UUID
	if err := s.admin.QueryRow(t.Context(), "UPDATE sb.contact SET last_seen_at = now() - interval '31 days', name = 'Erika' RETURNING id").Scan(&before); err != nil {
		t.Fatal(err)
	}
	s.says(guest, "Hello again")
	if err := s.admin.QueryRow(t.Context(), "SELECT contact_id FROM sb.contact_address WHERE address = $1", guest).Scan(&after); err != nil {
		t.Fatal(err)
	}
	if before == after {
		t.Error("the expired contact came back to life")
	}
	if n := s.count("SELECT count(*) FROM sb.contact WHERE id = $1 AND last_seen_at < now() - interval '30 days'", before); n != 1 {
		t.Error("the expired contact was touched")
	}
	if n := s.count("SELECT count(*) FROM sb.conversation WHERE contact_id = $1", after); n != 1 {
		t.Error("the new contact has no conversation of its own")
	}
}

// A wish in words of the guest's own holds everything back that was decided before it was known, and is not answered.
func TestARequestInOwnWordsWaitsForStaff(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.fault(standin.Fault{Answer: "status", Status: 429, RetryAfter: 2})
	waiting := s.reply(guest, "This one waits for the provider")
	s.until("the first attempt", func() (bool, string) { return len(s.twilio.Attempts(guest)) == 1, "" })
	s.says(guest, "Please stop texting me.")
	s.becomes(waiting, "suppressed")
	s.says(guest, "Bitte keine SMS mehr!") // again: nothing new
	s.says(guest, "HELP")                  // asked for: answered
	if m := s.sent(guest, 1)[0]; m.Body != optout.Answer(optout.Help) {
		t.Errorf("the guest was sent %q", m.Body)
	}
	if n := s.count("SELECT count(*) FROM sb.suppression WHERE requested AND channel = '*'"); n != 1 {
		t.Errorf("%d requests are noted, want 1", n)
	}
	s.becomes(s.reply(guest, "A member of staff who has read it"), "delivered")
	s.sent(guest, 2)
	s.says(guest, "Arrêt")
	if m := s.sent(guest, 3)[2]; m.Body != optout.Answer(optout.Stop) {
		t.Errorf("the STOP was confirmed by %q", m.Body)
	}
	s.says(guest, "please stop texting me") // has opted out already
	s.becomes(s.reply(guest, "Hello?"), "suppressed")
	s.sent(guest, 3)
	if got := s.consents(guest); got != "request by guest, stop by guest" {
		t.Errorf("the log of consent says %q", got)
	}
	s.says(guest, "START")
	s.says(guest, "ne m'écrivez plus")
	s.says(guest, "START") // takes a request back too
	s.becomes(s.reply(guest, "Welcome back"), "delivered")
	if got := s.consents(guest); got != "request by guest, stop by guest, start by guest, request by guest, start by guest" {
		t.Errorf("the log of consent says %q", got)
	}
}

// What a member of staff wrote before the guest asked again was not decided knowing it.
func TestARequestThatIsRepeatedCountsAnew(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.says(guest, "stop please")
	s.fault(standin.Fault{Answer: "status", Status: 429, RetryAfter: 2})
	waiting := s.reply(guest, "A last word")
	s.until("the first attempt", func() (bool, string) { return len(s.twilio.Attempts(guest)) == 1, "" })
	s.says(guest, "STOP TEXTING ME")
	s.becomes(waiting, "suppressed")
	s.sent(guest, 0)
}

// consents is what the log says of a number.
func (s *stage) consents(phone string) string {
	s.t.Helper()
	hash, _ := s.keys().Hash(kindPhone, phone)
	var changes string
	if err := s.admin.QueryRow(s.t.Context(), "SELECT COALESCE(string_agg(change || ' by ' || source, ', ' ORDER BY id), '') FROM sb.consent_log WHERE address_hash = $1",
		hash).Scan(&changes); err != nil {
		s.t.Fatal(err)
	}
	return changes
}
