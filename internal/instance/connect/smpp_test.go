package connect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/internal/smsctest"
)

// line is a stage whose channel is bound at a message centre.
type line struct {
	*stage
	smsc *smsctest.Server
}

// newSMPP starts a connector of pgtest.OtherChannel between a database and a message centre.
func newSMPP(t *testing.T, d *pgtest.Database, change ...func(*line)) *line {
	t.Helper()
	s := &line{
		stage: &stage{t: t, database: d, admin: d.Admin(t), serve: d.Serve(t), dir: t.TempDir(), log: &lockedBuffer{}, checkEvery: 50 * time.Millisecond},
		smsc:  smsctest.Start(t),
	}
	s.writeKey(1)
	s.write(contract.FilePassword, []byte(smsctest.Password+"\n"))
	s.exec("UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeSMPP, pgtest.OtherChannel)
	s.channel = contract.Channel{Name: pgtest.OtherChannel, Type: contract.ChannelTypeSMPP, SMPP: &contract.SMPP{
		Host: "127.0.0.1", Port: s.smsc.Port, Plain: true, SystemID: smsctest.SystemID, From: number, SourceTON: 1, SourceNPI: 1,
		WindowSize: 10, EnquireLinkSeconds: 1, MessagesPerSecond: 1000, LongMessages: "UDH8",
	}}
	s.route = func() error { return nil }
	for _, c := range change {
		c(s)
	}
	s.play(guest[1:])
	return s
}

// bound waits until the channel is bound.
func (s *line) bound() *line {
	s.t.Helper()
	s.until("the channel to be bound", func() (bool, string) {
		err := s.running.Ready(s.t.Context())
		return err == nil, fmt.Sprint(err)
	})
	return s
}

// cut cuts the connection, and waits until the channel is bound again. That may be so soon that nobody sees it unbound.
func (s *line) cut() *line {
	s.t.Helper()
	before := len(s.smsc.Events("bind"))
	s.smsc.Drop()
	s.until("another bind", func() (bool, string) {
		n := len(s.smsc.Events("bind"))
		return n > before, fmt.Sprintf("%d binds", n)
	})
	return s.bound()
}

func (s *line) text(id, text string) smsctest.Message {
	return smsctest.Message{ID: id, From: guest[1:], To: number[1:], Text: smsctest.Hex([]byte(text))}
}

// says has a guest write texts, each of which must be acknowledged before the next.
func (s *line) says(texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		before := len(s.smsc.Events("acknowledged"))
		s.smsc.Deliver(s.text("", text))
		s.until("the message to be acknowledged", func() (bool, string) {
			return len(s.smsc.Events("acknowledged")) > before, ""
		})
		if e := s.smsc.Events("acknowledged"); e[len(e)-1].Status != 0 {
			s.t.Fatalf("answered with status %d", e[len(e)-1].Status)
		}
	}
}

// submitted waits until n messages were submitted and nothing is left to be sent.
func (s *line) submitted(n int) []smsctest.Event {
	s.t.Helper()
	s.until("messages to be submitted", func() (bool, string) {
		e := s.smsc.Events("submit")
		return len(e) >= n && s.count("SELECT count(*) FROM "+contract.QueueSchema(s.channel.Name)+".river_job WHERE finalized_at IS NULL") == 0, fmt.Sprint(len(e))
	})
	e := s.smsc.Events("submit")
	if len(e) != n {
		s.t.Fatalf("%d messages were submitted, want %d", len(e), n)
	}
	return e
}

func TestAGuestWritesBySMPPAndIsAnswered(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t)).bound()
	s.smsc.Behave(map[string]any{"receipts": "text"})
	s.says("Is my room ready?")
	id := s.reply(guest, "Yes [it is], for 5 €")
	s.becomes(id, "delivered")
	e := s.submitted(1)[0]
	if want := smsctest.Hex([]byte("Yes \x1b<it is\x1b>, for 5 \x1be")); e.Text != want || e.Coding != 0 || e.To != guest[1:] || e.TON != 1 || e.From != number[1:] || e.Registered != 1 {
		t.Errorf("submitted %+v, want %s", e, want)
	}
	if n := s.count("SELECT count(*) FROM sb.contact_address WHERE kind = 'phone' AND address = $1", guest); n != 1 {
		t.Errorf("the guest bears %d numbers", n)
	}
	s.end()
	s.until("the message centre to tell of one end", func() (bool, string) { // it does so after it has answered
		n := len(s.smsc.Events("unbind"))
		return n == 1, fmt.Sprintf("unbound %d times", n)
	})
	if n := s.count("SELECT count(*) FROM sb.smpp_unconfirmed"); n != 0 {
		t.Errorf("%d messages are unconfirmed after an orderly end", n)
	}
}

func TestSTOPBySMPPEndsMessages(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t)).bound()
	s.says("Hello", "STOP", "STOP")
	if e := s.submitted(1); e[0].Text != smsctest.Hex([]byte(optout.Answer(optout.Stop))) {
		t.Errorf("STOP was answered with %s", e[0].Text)
	}
	s.becomes(s.reply(guest, "One more thing"), "suppressed")
	s.says("START")
	s.becomes(s.reply(guest, "Welcome back"), "accepted")
	s.submitted(3)
	s.says("please do not text me any more")
	if n := s.count("SELECT count(*) FROM sb.suppression WHERE requested"); n != 1 {
		t.Errorf("%d requests are kept", n)
	}
	if strings.Contains(s.log.String(), "Welcome") {
		t.Error("the log holds a text")
	}
}

func TestANationalNumberIsTheSameGuest(t *testing.T) {
	t.Parallel()
	const international, national, before = "447700900123", "07700900123", "07700900456"
	s := newSMPP(t, pgtest.New(t), func(s *line) { s.channel.SMPP.CountryCode = "44" }).bound()
	ton := 0
	say := func(from, text string) {
		t.Helper()
		known := len(s.smsc.Events("acknowledged"))
		s.smsc.Deliver(smsctest.Message{From: from, To: number[1:], TON: &ton, Text: smsctest.Hex([]byte(text))})
		s.until("the message to be acknowledged", func() (bool, string) { return len(s.smsc.Events("acknowledged")) > known, "" })
	}
	say(international, "Hello")
	say(national, "STOP")
	if n := s.count("SELECT count(*) FROM sb.contact_address WHERE address = $1", "+"+international); n != 1 {
		t.Errorf("%d guests bear the number", n)
	}
	if n := s.count("SELECT count(*) FROM sb.contact_address"); n != 1 {
		t.Errorf("there are %d addresses", n)
	}
	s.submitted(1)
	s.becomes(s.reply("+"+international, "One more thing"), "suppressed")

	// Who opted out while the channel had no country stays so.
	keys, err := addresshash.Load(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	hash, version := keys.Hashes(contract.KindPhone, before)
	s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ($1, $2, $3)", s.channel.Name, hash[0], version)
	say("447700900456", "Hello")
	s.becomes(s.reply("+447700900456", "Good evening"), "suppressed")
}

func TestABindThatIsRefusedIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		behaviour map[string]any
		problem   string
		code      string
	}{
		"a wrong password":  {map[string]any{"password": "another"}, contract.ProblemRefused, "14"},
		"another system id": {map[string]any{"system_id": "another"}, contract.ProblemElsewhere, "15"},
		"not allowed":       {map[string]any{"bind_status": 0x0D}, contract.ProblemNotAllowed, "13"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSMPP(t, pgtest.New(t), func(s *line) { s.smsc.Behave(c.behaviour) })
			s.until("the problem to be told", func() (bool, string) {
				is := s.running.Check()
				return is.Problem == c.problem && is.Code == c.code, fmt.Sprintf("%+v", is)
			})
			if s.running.Ready(t.Context()) == nil {
				t.Error("it is ready")
			}
			s.smsc.Behave(map[string]any{"password": smsctest.Password, "system_id": smsctest.SystemID, "bind_status": 0})
			s.bound().until("the problem to be gone", func() (bool, string) {
				is := s.running.Check()
				return is.Problem == "" && !is.Answered.IsZero(), fmt.Sprintf("%+v", is)
			})
		})
	}
}

func TestAMessageCentreThatIsDownIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t)).bound()
	s.says("Hello")
	s.smsc.Down()
	s.until("the connection to be missed", func() (bool, string) { return s.running.Ready(t.Context()) != nil, "" })
	id := s.reply(guest, "Later")
	s.smsc.Up()
	s.bound().becomes(id, "accepted")
	s.submitted(1)
}

func TestAMessageThatIsNotTakenForNowIsTakenLaterAndOnce(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t)).bound()
	s.says("Hello")
	s.smsc.Behave(map[string]any{"statuses": []int{0x58, 0x14, 0}})
	s.becomes(s.reply(guest, "Throttled"), "accepted")
	s.submitted(3)
	s.smsc.Behave(map[string]any{"statuses": []int{0x0B}})
	id := s.reply(guest, "No such number")
	s.becomes(id, "failed")
	if _, code, _ := s.message(id); code != "smpp-b" {
		t.Errorf("code %q", code)
	}
}

func TestAMessageWithoutAnswerIsNotSentTwice(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t)).bound()
	s.says("Hello")
	s.smsc.Behave(map[string]any{"silent": 1})
	id := s.reply(guest, "Did you get this?")
	s.until("the submit", func() (bool, string) { return len(s.smsc.Events("submit")) == 1, "" })
	s.smsc.Drop()
	s.becomes(id, "unknown")
	if _, code, _ := s.message(id); code != codeUnanswered {
		t.Errorf("code %q", code)
	}
	s.submitted(1)
}

func TestReceiptsOfEveryForm(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t)).bound()
	s.says("Hello")
	for i, b := range []map[string]any{
		{"receipts": "text", "ids": "decimal"}, {"receipts": "text", "ids": "hex"}, {"receipts": "tlv", "ids": "decimal"}, {"receipts": "tlv", "ids": "hex"},
		{"receipts": "tlv text reference", "ids": "decimal", "silent": 1},
	} {
		s.smsc.Behave(b)
		s.becomes(s.reply(guest, fmt.Sprint("Message ", i)), "delivered")
	}
}

func TestLongMessagesGoOutAndComeIn(t *testing.T) {
	t.Parallel()
	for way, options := range map[string]string{"UDH8": "", "UDH16": "", "SAR": "sar_msg_ref_num", "Payload": "message_payload"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSMPP(t, pgtest.New(t), func(s *line) { s.channel.SMPP.LongMessages = way }).bound()
			s.smsc.Behave(map[string]any{"receipts": "text"})
			s.says("Hello")
			long := strings.Repeat("Grüße 🔑 ", 20)
			id := s.reply(guest, long)
			s.becomes(id, "delivered")
			parts := s.smsc.Events("submit")
			if way != "Payload" && len(parts) < 3 || way == "Payload" && len(parts) != 1 {
				t.Fatalf("%d parts", len(parts))
			}
			// What we sent comes back as if the guest had written it, in another order, one part twice.
			for i := range parts {
				e := parts[len(parts)-1-i]
				if _, has := e.Options[options]; options != "" && !has {
					t.Errorf("a part without %s: %v", options, e.Options)
				}
				s.smsc.Deliver(smsctest.Message{From: guest[1:], To: number[1:], ESMClass: e.ESMClass, Coding: e.Coding, Text: e.Text, Options: e.Options})
			}
			s.until("the message to be whole", func() (bool, string) {
				n := s.count("SELECT count(*) FROM sb.message_body b JOIN sb.message m USING (at, id) WHERE m.direction = 'in' AND b.body = $1", long)
				return n == 1, fmt.Sprint(n)
			})
			if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'"); n != 2 {
				t.Errorf("%d messages came in", n)
			}
			if n := s.count("SELECT count(*) FROM sb.smpp_long"); n != 0 {
				t.Errorf("%d messages are awaited", n)
			}
		})
	}
}

// part is one of a message whose reference is 7.
func (s *line) part(number, of int, text string) smsctest.Message {
	m := s.text("", "")
	m.ESMClass, m.Text = 0x40, smsctest.Hex(append([]byte{5, 0, 3, 7, byte(of), byte(number)}, text...))
	return m
}

func (s *line) brings(messages ...smsctest.Message) {
	s.t.Helper()
	before := len(s.smsc.Events("acknowledged"))
	for _, m := range messages {
		s.smsc.Deliver(m)
	}
	s.until("the messages to be acknowledged", func() (bool, string) { return len(s.smsc.Events("acknowledged")) >= before+len(messages), "" })
}

func TestPartsSurviveARestartAndAreWhatAGuestWrote(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t)).bound()
	s.brings(s.part(3, 3, "text me again"), s.part(1, 3, "please "))
	if n := s.count("SELECT count(*) FROM sb.message_body WHERE body = 'please […]text me again'"); n != 1 {
		t.Errorf("the parts that are here are not shown")
	}
	s.end()
	s.start()
	s.bound().brings(s.part(2, 3, "do not "))
	if n := s.count("SELECT count(*) FROM sb.message_body WHERE body = 'please do not text me again'"); n != 1 {
		t.Errorf("the message is not whole")
	}
	if n := s.count("SELECT count(*) FROM sb.suppression WHERE requested"); n != 1 {
		t.Errorf("the wish is kept %d times", n)
	}
	s.brings(s.part(1, 2, "ST"), s.part(2, 2, "OP"))
	if n := s.count("SELECT count(*) FROM sb.suppression WHERE NOT requested"); n != 1 {
		t.Errorf("STOP in two parts is kept %d times", n)
	}
}

func TestAPartThatComesAfterItsMessageWasErasedBeginsAnother(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t)).bound()
	s.brings(s.part(1, 2, "secret "))
	s.exec("DELETE FROM sb.message_body")
	s.exec("DELETE FROM sb.message")
	s.brings(s.part(2, 2, "words"))
	if n := s.count("SELECT count(*) FROM sb.message_body WHERE body = '[…]words'"); n != 1 {
		t.Error("the second part is not there")
	}
	if n := s.count("SELECT count(*) FROM sb.message_body"); n != 1 {
		t.Errorf("%d texts", n)
	}
}

func TestARepetitionIsStoredOnceAndTheSameWordsTwice(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t), func(s *line) { s.channel.SMPP.EnquireLinkSeconds = 300 }).bound()
	stored := func(want int) {
		t.Helper()
		if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'"); n != want {
			t.Errorf("%d messages are stored, want %d", n, want)
		}
	}
	s.says("Yes", "Yes")
	stored(2)
	s.cut().says("Yes") // cut before anything else was answered: nobody knows whether it has heard
	stored(2)
	s.says("Yes")
	stored(2)
	s.says("Yes")
	stored(3)
	// A STOP is never taken for a repetition: START may have come in between.
	s.says("STOP", "START")
	s.cut().says("STOP")
	if n := s.count("SELECT count(*) FROM sb.suppression"); n != 1 {
		t.Errorf("the last word was STOP, and %d are suppressed", n)
	}
}

func TestAMessageThatCouldNotBeStoredIsBroughtAgain(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := newSMPP(t, d).bound()
	s.says("before")
	d.Refuse(t)
	s.smsc.Deliver(s.text("", "meanwhile"))
	s.until("the bind to be given up", func() (bool, string) { return s.running.Ready(t.Context()) != nil, "" })
	d.Accept(t)
	s.admin.Reset() // its connections were cut, too
	s.bound().until("the message to be stored", func() (bool, string) {
		return s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'") == 2, ""
	})
}

func TestTwoConnectorsAreNotBoundAtOnce(t *testing.T) {
	t.Parallel()
	s := newSMPP(t, pgtest.New(t)).bound()
	first, end := s.running, s.end
	s.start()
	second := s.running
	s.until("the second to wait", func() (bool, string) {
		return strings.Contains(s.log.String(), "another connector of the channel is bound"), ""
	})
	if first.Ready(t.Context()) != nil || second.Ready(t.Context()) == nil {
		t.Error("not the first alone is bound")
	}
	end()
	s.bound()
	s.until("the centre to tell of two binds", func() (bool, string) { // it tells a little later than it answers
		n := len(s.smsc.Events("bind"))
		if n > 2 {
			t.Fatalf("%d binds", n)
		}
		return n == 2, fmt.Sprint(n)
	})
}
