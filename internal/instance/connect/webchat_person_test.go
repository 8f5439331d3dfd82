package connect

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/instance/subject"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// requests carries out a request about a guest of the chat, as `instance subject` does.
func (s *chat) requests(kind, address string) contract.SubjectResult {
	s.t.Helper()
	a, err := person.Parse(contract.KindWebChat, address)
	if err != nil {
		s.t.Fatal(err)
	}
	result, err := subject.Run(context.Background(), s.database.Subject(s.t), contract.Request{
		Name: "request", UID: uuid.NewString(), Type: kind, ReceivedAt: time.Now(),
	}, "hotel-berlin", subject.Person{Addresses: []person.Address{a}, Keys: s.keys()})
	if err != nil {
		s.t.Fatal(err)
	}
	return result
}

func TestAStopInTheChatEndsIt(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	session := s.opens("guest-4711")
	b, _ := s.comes(session, "")
	b.says("a", "Hello")
	b.stored("a", "Hello")
	b.says("b", "stop")
	b.stored("b", "stop")
	if confirmed := b.shows(optout.Answer(optout.Stop))[0]; confirmed.From != "system" {
		t.Errorf("it is confirmed by %+v", confirmed)
	}
	s.becomes(s.reply(userAddress("guest-4711"), "One more thing"), "suppressed")
	b.says("c", "START")
	b.stored("c", "START")
	b.shows(optout.Answer(optout.Start))
	s.reply(userAddress("guest-4711"), "Welcome back")
	b.shows("Welcome back")
}

// TestWhatWaitsIsNotShownToWhoOptedOutMeanwhile: an answer waits for a guest who is away. Somebody opts the guest out; the
// answer is not shown then, nor once the guest has opted in again.
func TestWhatWaitsIsNotShownToWhoOptedOutMeanwhile(t *testing.T) {
	t.Parallel()
	for name, optOut := range map[string]func(*chat){
		"by a request": func(s *chat) { s.requests(contract.RequestOptOut, userAddress("guest-4711")) },
		"by another browser": func(s *chat) {
			b, _ := s.comes(s.opens("guest-4711"), "0.2") // it does not show what waits to this one: it has a later place
			b.says("stop", "STOP")
			b.stored("stop", "STOP")
		},
		"by a key that is newer than the guest's address": func(s *chat) {
			s.writeKey(2)
			hash, version := s.keys().Hash(contract.KindWebChat, userAddress("guest-4711"))
			s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ('*', $1, $2)", hash, version)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newChat(t, pgtest.New(t))
			session := s.opens("guest-4711")
			b, _ := s.comes(session, "")
			b.says("a", "Hello")
			b.stored("a", "Hello")
			s.leaves(b)
			waits := s.reply(userAddress("guest-4711"), "Are you there?")
			s.becomes(waits, "accepted")
			optOut(s)
			back, _ := s.comes(session, b.cursor)
			s.becomes(waits, "suppressed")
			back.says("z", "START")
			for {
				f := back.gets("message")
				if f.Text == "Are you there?" {
					t.Fatal("it is shown")
				}
				if f.ClientID == "z" {
					break
				}
			}
			s.becomes(waits, "suppressed")
		})
	}
}

func TestAnErasureEndsTheChat(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]struct{ user string }{"of a session": {""}, "of a user": {"guest-4711"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newChat(t, pgtest.New(t))
			session := s.opens(by.user)
			address := session.address()
			if by.user != "" {
				address = userAddress(by.user)
			}
			b, _ := s.comes(session, "")
			b.says("a", "My name is Anna")
			b.stored("a", "My name is Anna")
			other, _ := s.comes(s.opens(""), "")
			other.says("a", "I stay")
			other.stored("a", "I stay")
			s.requests(contract.RequestErasure, address)
			if code := b.closed(); code != 4401 {
				t.Errorf("closed with %d", code)
			}
			if n := s.count("SELECT count(*) FROM sb.web_chat_session") + s.count("SELECT count(*) FROM sb.contact") + s.count("SELECT count(*) FROM sb.message_body"); n != 3 {
				t.Errorf("%d rows are left, want the other guest's 3", n)
			}
			again := s.dial()
			again.sends(map[string]any{"type": "hello", "token": session.Token})
			if code := again.closed(); code != 4401 {
				t.Errorf("its token is answered by %d", code)
			}
			other.says("b", "still")
			other.stored("b", "still")
		})
	}
}

// TestAHoldKeepsAChatThatIsOver: what is held survives an erasure, and the guest can't go on in it.
func TestAHoldKeepsAChatThatIsOver(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	session := s.opens("guest-4711")
	hash, _ := s.keys().Hash(contract.KindWebChat, userAddress("guest-4711"))
	s.exec("INSERT INTO sb.hold (name, by_subject) VALUES ('case', true)")
	s.exec("INSERT INTO sb.hold_alias (hold, kind, address_hash) VALUES ('case', 'webchat', $1)", hash)
	s.exec("INSERT INTO sb.hold_contact SELECT 'case', contact_id FROM sb.contact_address WHERE address_hash = $1", hash)
	b, _ := s.comes(session, "")
	b.says("a", "Evidence")
	b.stored("a", "Evidence")
	result := s.requests(contract.RequestErasure, userAddress("guest-4711"))
	if len(result.Refused) == 0 {
		t.Errorf("nothing was refused: %+v", result)
	}
	if code := b.closed(); code != 4401 {
		t.Errorf("closed with %d", code)
	}
	if n := s.count("SELECT count(*) FROM sb.web_chat_session WHERE token_hash IS NULL") + s.count("SELECT count(*) FROM sb.message_body"); n != 2 {
		t.Errorf("%d rows are kept, want the session and what was written", n)
	}
}

func TestARunOfRetentionRemovesSessions(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	old, young := s.opens(""), s.opens("guest-4711")
	policy := s.database.Limits(t, map[string]int32{contract.CategoryWebChatSessions: 1})
	idle, _ := s.comes(old, "")
	s.exec("UPDATE sb.web_chat_session SET last_active_at = now() - interval '25 hours' WHERE id = $1", old.Session)
	b, _ := s.comes(young, "")
	result, err := retention.Run(t.Context(), s.database.Retain(t), policy, "hotel-berlin", retention.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := result.Categories; len(c) != 1 || c[0].Deleted != 1 || c[0].Overdue == nil || *c[0].Overdue != 0 {
		t.Errorf("the run tells %+v", c)
	}
	if code := idle.closed(); code != 4401 {
		t.Errorf("closed with %d", code)
	}
	b.says("a", "still here")
	b.stored("a", "still here")
	if n := s.count("SELECT count(*) FROM sb.web_chat_session"); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
}

// TestAGuestSeesWhatStaffDo by the functions that the staff API calls.
func TestAGuestSeesWhatStaffDo(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	session := s.opens("")
	b, _ := s.comes(session, "")
	b.says("a", "Hello?")
	shown := b.stored("a", "Hello?")
	call := func(query string) {
		t.Helper()
		if _, err := s.serve.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	call("SELECT sb.web_chat_typing(id) FROM sb.conversation")
	b.gets("typing")
	call("SELECT sb.web_chat_seen(conversation_id, id, at) FROM sb.message")
	if f := b.gets("receipt"); f.Status != "read" || f.Cursor != shown.Cursor {
		t.Errorf("told %+v", f)
	}
	// Once is enough; who comes back is told again.
	call("SELECT sb.web_chat_seen(conversation_id, id, at) FROM sb.message")
	back, _ := s.comes(session, shown.Cursor)
	if f := back.gets("receipt"); f.Cursor != shown.Cursor {
		t.Errorf("told %+v", f)
	}
	if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in' AND status = 'received'"); n != 1 {
		t.Error("the message of the guest has another status")
	}
}
