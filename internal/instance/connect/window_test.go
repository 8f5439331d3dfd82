package connect

import (
	"testing"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// jobs of the channel's queue.
var jobs = contract.QueueSchema(pgtest.Channel) + ".river_job"

// night gives the tenant a window that is closed now and opens in an hour or so; day one that is open.
func (s *stage) night() { s.window("now() + interval '1 hour'", "now() + interval '2 hours'") }
func (s *stage) day()   { s.window("now() - interval '2 hours'", "now() + interval '2 hours'") }

func (s *stage) window(opens, closes string) {
	s.t.Helper()
	s.exec("DELETE FROM sb.send_window")
	s.exec("INSERT INTO sb.send_window (opens, closes, days, time_zone) SELECT (" + opens + ")::time, (" + closes + ")::time, '{1,2,3,4,5,6,7}', 'UTC'")
}

// automated queues what another system sends.
func (s *stage) automated(to, body string) uuid.UUID {
	s.t.Helper()
	var id uuid.UUID
	s.asleep(func() {
		id = s.reply(to, body)
		s.exec("UPDATE sb.message SET origin = 'automated' WHERE id = $1", id)
	})
	return id
}

// asleep does something while no queue is worked.
func (s *stage) asleep(do func()) {
	s.t.Helper()
	s.end()
	do()
	s.start()
}

// sleeps waits until a message's job does, and gives for how many minutes.
func (s *stage) sleeps() (minutes int) {
	s.t.Helper()
	s.until("a job that waits", func() (bool, string) {
		return s.count("SELECT count(*) FROM "+jobs+" WHERE state = 'scheduled' AND scheduled_at > now() + interval '1 minute'") == 1, ""
	})
	return s.count("SELECT round(extract(epoch FROM scheduled_at - now()) / 60)::int FROM " + jobs + " WHERE state = 'scheduled'")
}

// wake has the job run now, as it would when its time has come.
func (s *stage) wake() {
	s.t.Helper()
	s.exec("UPDATE " + jobs + " SET scheduled_at = now() WHERE state = 'scheduled'")
}

func TestAnAutomatedMessageWaitsForItsWindowAndAReplyDoesNot(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.night()
	id := s.automated(guest, "Your stay begins tomorrow")
	if minutes := s.sleeps(); minutes < 55 || minutes > 60 {
		t.Errorf("it sleeps for %d minutes, want an hour", minutes)
	}
	if status, _, _ := s.message(id); status != "queued" {
		t.Errorf("the message is %s", status)
	}
	if n := s.count("SELECT count(*) FROM sb.message WHERE id = $1 AND not_before BETWEEN now() + interval '55 minutes' AND now() + interval '1 hour' AND attempted_at IS NULL", id); n != 1 {
		t.Error("when it may go is not noted, or an attempt is")
	}
	reply := s.reply(guest, "Yes, behind the house")
	s.becomes(reply, "accepted", "sent", "delivered")
	if n := len(s.twilio.Attempts(guest)); n != 1 {
		t.Errorf("%d messages went to the provider, want the reply alone", n)
	}

	// The guest's own zone counts, and one that is noted meanwhile too: there the day has begun.
	s.exec("UPDATE sb.contact SET time_zone = 'Asia/Tokyo'")
	s.window("now() AT TIME ZONE 'Asia/Tokyo' - interval '1 hour'", "now() AT TIME ZONE 'Asia/Tokyo' + interval '1 hour'")
	s.wake()
	s.becomes(id, "accepted", "sent", "delivered")
	s.sent(guest, 2)
}

func TestWhoSaysStopAtNightIsNotWrittenToInTheMorning(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.night()
	id := s.automated(guest, "Your stay begins tomorrow")
	s.sleeps()
	s.says(guest, "STOP")
	s.until("the confirmation", func() (bool, string) { return len(s.twilio.Attempts(guest)) == 1, "" })
	s.day()
	s.wake()
	s.becomes(id, "suppressed")
	s.sent(guest, 1)
}

// What staff may send despite a request in the guest's own words, no other system may.
func TestAWishToStopEndsAutomatedMessages(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version, requested, since) SELECT '*', address_hash, 1, true, now() - interval '1 hour' FROM sb.contact_address WHERE kind = 'phone'")
	id := s.automated(guest, "Your stay begins tomorrow")
	s.becomes(id, "suppressed")
	s.sent(guest, 0)
}

// The six hours in which a provider may put a message off begin when its window opens.
func TestTheAgeOfAMessageCountsFromItsWindow(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	id := func() (id uuid.UUID) {
		s.asleep(func() {
			s.provider.Close()
			id = s.reply(guest, "Your stay begins tomorrow")
			s.exec("SELECT sb.ensure_partition(now() - interval '10 hours')")
			s.exec("UPDATE sb.message SET origin = 'automated', at = at - interval '10 hours', not_before = now() WHERE id = $1", id)
			s.exec("UPDATE sb.message_body SET at = at - interval '10 hours' WHERE id = $1", id)
			s.exec("UPDATE "+jobs+" SET args = jsonb_build_object('message_id', $1::uuid, 'at', (SELECT at FROM sb.message WHERE id = $1))", id)
		})
		return id
	}()
	s.until("a second attempt", func() (bool, string) {
		status, code, _ := s.message(id)
		return s.count("SELECT count(*) FROM "+jobs+" WHERE attempt >= 2 AND state <> 'completed'") == 1, status + " " + code
	})
	s.exec("UPDATE sb.message SET not_before = now() - interval '7 hours' WHERE id = $1", id)
	s.becomes(id, "failed")
}

// A window that never opens, or whose time has not come, is asked about again within the hour: it may be changed.
func TestAClosedWindowIsAskedAboutAgain(t *testing.T) {
	t.Parallel()
	s := inHouse(t)
	s.exec("INSERT INTO sb.send_window (opens, closes, days, time_zone) VALUES ('08:00', '20:00', '{}', 'UTC')")
	id := s.automated(guest, "Your stay begins tomorrow")
	if minutes := s.sleeps(); minutes < 55 || minutes > 60 {
		t.Errorf("it sleeps for %d minutes, want an hour", minutes)
	}
	s.exec("DELETE FROM sb.send_window")
	s.wake()
	s.becomes(id, "accepted", "sent", "delivered")
	s.sent(guest, 1)
}
