package connect

import (
	"fmt"
	"testing"

	"github.com/coder/websocket"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestAGuestChatsInTheBrowserAndIsAnswered(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	session := s.opens("")
	if session.SocketURL != "wss://example.com"+chatPath+"/socket" || session.WelcomeText != "Welcome" || session.PrivacyNoticeURL != site+"/privacy" || session.NoticeVersion != 2 || session.MaxMessageLength != 200 {
		t.Errorf("a session is %+v", session)
	}
	b, welcome := s.comes(session, "")
	if welcome.Session != session.Session || welcome.Reset {
		t.Errorf("welcomed by %+v", welcome)
	}
	b.says("a", "Grüße 🗝")
	if own := b.stored("a", "Grüße 🗝"); own.From != "guest" {
		t.Errorf("the guest's own message is shown as %+v", own)
	}
	reply := s.reply(session.address(), "Willkommen!")
	shown := b.shows("Willkommen!")[0]
	if shown.From != "staff" || shown.ID != reply.String() {
		t.Errorf("the answer is shown as %+v", shown)
	}
	s.becomes(reply, "sent")
	b.sends(map[string]any{"type": "receipt", "status": "delivered", "cursor": shown.Cursor})
	s.becomes(reply, "delivered")
	b.sends(map[string]any{"type": "receipt", "status": "read", "cursor": shown.Cursor})
	s.becomes(reply, "read")
	// Forward only.
	b.sends(map[string]any{"type": "receipt", "status": "delivered", "cursor": shown.Cursor})
	b.says("b", "Danke")
	b.stored("b", "Danke")
	s.becomes(reply, "read")
	if n := s.count("SELECT count(*) FROM sb.web_chat_session WHERE octet_length(token_hash) = 32 AND ip = '127.0.0.1' AND user_agent <> '' AND contact_id IS NOT NULL"); n != 1 {
		t.Errorf("%d sessions are stored with what they came from", n)
	}
	if n := s.count("SELECT count(*) FROM sb.web_chat_session WHERE to_jsonb(web_chat_session)::text LIKE '%' || $1 || '%'", session.Token); n != 0 {
		t.Error("a token is stored")
	}
}

func TestAnAnswerWaitsForAGuestWhoIsAway(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	session := s.opens("")
	b, _ := s.comes(session, "")
	b.says("a", "Is there a room?")
	b.stored("a", "Is there a room?")
	s.leaves(b) // the network is cut
	first, second := s.reply(session.address(), "Yes"), s.reply(session.address(), "For two")
	s.becomes(first, "accepted")
	s.becomes(second, "accepted")
	s.end() // and the connector started anew: nothing is kept in it
	s.start()
	back, welcome := s.comes(session, b.cursor)
	if welcome.Reset {
		t.Errorf("welcomed by %+v", welcome)
	}
	got := []string{back.gets("message").Text, back.gets("message").Text}
	if fmt.Sprint(got) != "[Yes For two]" && fmt.Sprint(got) != "[For two Yes]" {
		t.Errorf("got %q", got)
	}
	if welcome.UpTo != back.cursor {
		t.Errorf("the page was told of messages up to %q, and got them up to %q", welcome.UpTo, back.cursor)
	}
	s.becomes(first, "sent")
	s.becomes(second, "sent")
	// Exactly once: whoever comes back with the last cursor gets nothing more, with none all of it, in the same order.
	again, welcome := s.comes(session, back.cursor)
	if welcome.UpTo != "" {
		t.Errorf("the page has all, and is told of messages up to %q", welcome.UpTo)
	}
	again.says("b", "Thanks")
	again.stored("b", "Thanks")
	all, welcome := s.comes(session, "")
	if welcome.Reset {
		t.Errorf("welcomed by %+v", welcome)
	}
	all.shows("Is there a room?", got[0], got[1], "Thanks")
	// A cursor of another time counts for nothing, and the page is told so.
	for _, strange := range []string{"7.1", "0.999", "x", "0.-1"} {
		odd, welcome := s.comes(session, strange)
		if !welcome.Reset {
			t.Errorf("cursor %q is taken", strange)
		}
		odd.shows("Is there a room?")
		_ = odd.conn.CloseNow()
	}
}

func TestWhatIsSentAgainIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	session := s.opens("guest-4711")
	b, _ := s.comes(session, "")
	b.says("same", "Hello")
	shown := b.stored("same", "Hello")
	b.says("same", "Hello")
	if ack := b.gets("ack"); ack.ID != "same" || ack.Message != shown.ID {
		t.Errorf("sent again, it is acknowledged by %+v", ack)
	}
	// In another session of the same user, too; and by another guest it is another message.
	other, _ := s.comes(s.opens("guest-4711"), shown.Cursor)
	other.says("same", "Hello")
	if ack := other.gets("ack"); ack.Message != shown.ID {
		t.Errorf("in another session it is acknowledged by %+v", ack)
	}
	stranger, _ := s.comes(s.opens(""), "")
	stranger.says("same", "Hello")
	stranger.stored("same", "Hello")
	if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'"); n != 2 {
		t.Errorf("%d messages are stored", n)
	}
}

func TestTwoGuestsSeeTheirOwnThreads(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := newChat(t, d)
	one, two := s.opens(""), s.opens("guest-4711")
	first, _ := s.comes(one, "")
	second, _ := s.comes(two, "")
	tablet, _ := s.comes(s.opens("guest-4711"), "") // the second guest's other device
	for i := range 10 {
		first.says(fmt.Sprint("a", i), fmt.Sprint("first ", i))
		second.says(fmt.Sprint("b", i), fmt.Sprint("second ", i))
		first.stored(fmt.Sprint("a", i), fmt.Sprint("first ", i))
		second.stored(fmt.Sprint("b", i), fmt.Sprint("second ", i))
		tablet.shows(fmt.Sprint("second ", i))
	}
	s.reply(one.address(), "to the first")
	s.reply(userAddress("guest-4711"), "to the second")
	first.shows("to the first")
	second.shows("to the second")
	tablet.shows("to the second")
}

// TestConnectorsOfOneChannelShareItsGuests runs two of them, as a Deployment of two replicas does.
func TestConnectorsOfOneChannelShareItsGuests(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	here, there := newChat(t, d), newChat(t, d)
	session := here.opens("")
	phone, _ := here.comes(session, "")
	laptop, _ := there.comes(session, "")
	for i := range 20 {
		from, to := phone, laptop
		if i%2 == 1 {
			from, to = laptop, phone
		}
		text := fmt.Sprint("message ", i)
		from.says(fmt.Sprint("m", i), text)
		from.stored(fmt.Sprint("m", i), text)
		to.shows(text)
		here.reply(session.address(), "answer "+text)
		from.shows("answer " + text)
		to.shows("answer " + text)
	}
	if phone.cursor != laptop.cursor {
		t.Errorf("one is at %s, the other at %s", phone.cursor, laptop.cursor)
	}
}

func TestASessionThatHasEndedIsOver(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*chat, *browser, guestSession){
		"by the guest":   func(_ *chat, b *browser, _ guestSession) { b.sends(map[string]any{"type": "end"}) },
		"by deletion":    func(s *chat, _ *browser, _ guestSession) { s.exec("DELETE FROM sb.web_chat_session") },
		"with its guest": func(s *chat, _ *browser, _ guestSession) { s.exec("DELETE FROM sb.contact") },
		"by its limit": func(s *chat, b *browser, _ guestSession) {
			s.limit(contract.CategoryWebChatSessions)
			s.exec("UPDATE sb.web_chat_session SET last_active_at = now() - interval '2 days'")
			b.says("x", "late")
		},
		"by the limit of its guest": func(s *chat, b *browser, _ guestSession) {
			s.limit(contract.CategoryContacts)
			s.exec("UPDATE sb.contact SET last_seen_at = now() - interval '2 days'")
			b.says("x", "late")
		},
		"by its own time": func(s *chat, b *browser, _ guestSession) {
			s.exec("UPDATE sb.web_chat_session SET expires_at = now()")
			b.says("x", "late")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newChat(t, pgtest.New(t))
			session := s.opens("")
			b, _ := s.comes(session, "")
			b.says("a", "Hello")
			b.stored("a", "Hello")
			end(s, b, session)
			if code := b.closed(); code != 4401 {
				t.Errorf("closed with %d", code)
			}
			again := s.dial()
			again.sends(map[string]any{"type": "hello", "token": session.Token})
			if code := again.closed(); code != 4401 {
				t.Errorf("its token is answered by %d", code)
			}
			if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'"); n != 1 {
				t.Errorf("%d messages are stored", n)
			}
		})
	}
}

// limit bounds a category by a day, in force at once.
func (s *chat) limit(category string) {
	s.exec("INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ('p', $1, 1, 1, 'd')", category)
}

func TestWhatHasExpiredIsNotShown(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	session := s.opens("")
	b, _ := s.comes(session, "")
	b.says("a", "old")
	b.stored("a", "old")
	s.leaves(b)
	waits := s.reply(session.address(), "old too")
	s.becomes(waits, "accepted")
	s.limit(contract.CategoryMessages)
	s.exec("SELECT sb.ensure_partition(now() - interval '2 days')")
	s.exec("UPDATE sb.message SET at = at - interval '2 days'")
	s.exec("UPDATE sb.message_body SET at = at - interval '2 days'")
	back, _ := s.comes(session, "")
	back.says("b", "new")
	back.stored("b", "new")
	s.becomes(waits, "accepted")
}

func TestAConnectorThatStopsSendsGuestsElsewhere(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	b, _ := s.comes(s.opens(""), "")
	go s.end()
	if code := b.closed(); code != websocket.StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
}
