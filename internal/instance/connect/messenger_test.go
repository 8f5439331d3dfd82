package connect

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/messenger/standin"
	whatsapp "github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

const (
	fbGuest       = "5551234567890123"
	fbOther       = "5551234567890124"
	messengerPath = "/webhooks/" + pgtest.OtherChannel + "/messenger"
)

// fb is a stage whose channel is a page's Messenger.
type fb struct {
	*stage
	meta *standin.Server
	page standin.Page
}

// newMessenger starts a connector of pgtest.OtherChannel between a database and a stand-in for Messenger.
func newMessenger(t *testing.T, d *pgtest.Database) *fb {
	t.Helper()
	s := &fb{
		stage: &stage{t: t, database: d, admin: d.Admin(t), serve: d.Serve(t), dir: t.TempDir(), log: &lockedBuffer{}},
		page:  standin.Page{ID: "104512345678901", AccessToken: accessToken, AppSecret: appSecret, WebhookURL: publicURL + messengerPath},
	}
	s.meta = standin.New(s.page)
	s.provider = httptest.NewTLSServer(s.meta)
	t.Cleanup(func() {
		s.provider.CloseClientConnections()
		s.provider.Close()
	})
	s.writeKey(1)
	for name, value := range map[string]string{contract.FileAccessToken: accessToken, contract.FileAppSecret: appSecret, contract.FileVerifyToken: verifyToken} {
		s.write(name, []byte(value+"\n"))
	}
	s.exec("UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeMessenger, pgtest.OtherChannel)
	s.channel = contract.Channel{Name: pgtest.OtherChannel, Type: contract.ChannelTypeMessenger, Messenger: &contract.Messenger{
		PageID: s.page.ID, APIBaseURL: s.provider.URL, APIVersion: "v23.0", CABundle: authority(s.provider),
	}}
	s.route = func() error {
		s.page.Address, s.page.CA = s.connector.Listener.Addr().String(), authority(s.connector)
		s.meta.SetPage(s.page)
		return nil
	}
	s.play(accessToken, appSecret, verifyToken, fbGuest)
	return s
}

// delivers brings events in one webhook, which must be acknowledged.
func (s *fb) delivers(events ...standin.Object) {
	s.t.Helper()
	if status, err := s.meta.Deliver(context.Background(), events...); err != nil || status != http.StatusOK {
		s.t.Fatalf("a webhook was answered %d: %v", status, err)
	}
}

// writes has a guest write texts.
func (s *fb) writes(from string, bodies ...string) {
	s.t.Helper()
	for _, body := range bodies {
		s.delivers(s.page.Text(from, standin.NewID(), body))
	}
}

// receipt tells that what was sent to a guest before an instant was delivered, or read.
func (s *fb) receipt(what, guest string, watermark time.Time, ids ...string) {
	s.t.Helper()
	content := standin.Object{"watermark": watermark.UnixMilli()}
	if ids != nil {
		content["mids"] = ids
	}
	s.delivers(standin.Event(guest, s.page.ID, time.Now(), standin.Object{what: content}))
}

// took waits until Messenger took n messages, and nothing is left to be sent.
func (s *fb) took(n int) []standin.Message {
	s.t.Helper()
	s.until("messages to be taken", func() (bool, string) {
		return len(s.meta.Messages()) == n && s.count("SELECT count(*) FROM "+contract.QueueSchema(s.channel.Name)+".river_job WHERE finalized_at IS NULL") == 0, ""
	})
	return s.meta.Messages()
}

func (s *fb) is(id uuid.UUID, want, after string) {
	s.t.Helper()
	if got, _, _ := s.message(id); got != want {
		s.t.Errorf("after %s it is %s, want %s", after, got, want)
	}
}

func TestAGuestWritesByMessengerAndIsAnswered(t *testing.T) {
	t.Parallel()
	s := newMessenger(t, pgtest.New(t))
	s.problem("", "")
	text := s.page.Text(fbGuest, standin.NewID(), "Grüße 🗝")
	press := standin.Event(fbGuest, s.page.ID, time.Now(), standin.Object{"postback": standin.Object{"mid": standin.NewID(), "title": "Late check-out", "payload": "LATE"}})
	image := standin.Event(fbGuest, s.page.ID, time.Now(), standin.Object{"message": standin.Object{"mid": standin.NewID(), "attachments": []standin.Object{{"type": "image", "payload": standin.Object{"url": "https://example.com/a"}}}}})
	for range 2 { // Meta sends again what was not acknowledged in time
		s.delivers(text, press, image, text)
	}
	if n := s.count("SELECT count(*) FROM sb.message_body WHERE body IN ('Grüße 🗝', 'Late check-out', '[image]')"); n != 3 {
		t.Errorf("%d messages are stored, want 3", n)
	}
	id := s.reply(fbGuest, "Yes, until noon 🕛")
	s.becomes(id, "accepted")
	m := s.took(1)[0]
	if _, _, bound := s.message(id); m.Text != "Yes, until noon 🕛" || bound != m.ID {
		t.Errorf("sent %+v, bound to %q", m, bound)
	}
	// What the page wrote is no guest's: neither ours, nor what somebody wrote in Meta's own inbox.
	s.delivers(s.page.Echo(m), s.page.Echo(standin.Message{ID: standin.NewID(), To: fbGuest, Text: "STOP", At: time.Now()}))
	if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'") + s.count("SELECT count(*) FROM sb.suppression"); n != 3 {
		t.Errorf("%d messages of guests and suppressions, want 3", n)
	}
}

func TestReceiptsOfMessengerMoveForwardOnly(t *testing.T) {
	t.Parallel()
	s := newMessenger(t, pgtest.New(t))
	s.writes(fbGuest, "Hallo")
	s.writes(fbOther, "Hallo")
	before := time.Now()
	first := s.reply(fbGuest, "One")
	s.becomes(first, "accepted")
	others := s.reply(fbOther, "Not yours")
	s.becomes(others, "accepted")
	between := time.Now()
	s.until("another millisecond", func() (bool, string) { return time.Since(between) > 5*time.Millisecond, "" })
	second := s.reply(fbGuest, "Two")
	s.becomes(second, "accepted")

	s.receipt("read", fbGuest, before.Add(-time.Millisecond))
	s.is(first, "accepted", "a watermark of before")
	s.receipt("read", fbGuest, between)
	s.is(first, "read", "its watermark")
	s.is(second, "accepted", "the watermark of what was sent earlier")
	s.is(others, "accepted", "another guest's watermark")
	s.receipt("delivery", fbGuest, time.Now())
	s.is(first, "read", "a delivery that came late")
	s.is(second, "delivered", "its delivery")
	s.receipt("read", fbGuest, before)
	s.is(second, "delivered", "a watermark that goes back")
	_, _, mid := s.message(others)
	s.receipt("delivery", fbOther, before, mid, standin.NewID())
	s.is(others, "delivered", "a receipt that names it")
	s.receipt("read", fbOther, time.Now())
	s.is(others, "read", "its watermark")
	s.receipt("delivery", fbOther, time.Now(), mid)
	s.is(others, "read", "a receipt that names it late")
}

func TestWhatMessengerRefusesIsShownInWords(t *testing.T) {
	t.Parallel()
	for want, prepare := range map[string]func(*fb){
		"window-closed":     func(s *fb) { s.meta.Wrote(fbGuest, time.Now().Add(-25*time.Hour)) },
		"guest-unavailable": func(s *fb) { s.meta.AddFault(standin.Fault{Status: 400, Code: 551, Subcode: 1545041}) },
		"100":               func(s *fb) { s.meta.AddFault(standin.Fault{Status: 400, Code: 100}) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			s := newMessenger(t, pgtest.New(t))
			s.writes(fbGuest, "Hallo")
			prepare(s)
			id := s.reply(fbGuest, "A day later")
			s.becomes(id, "failed")
			if _, code, _ := s.message(id); code != want || s.meta.Attempts() != 1 {
				t.Errorf("the error code is %q after %d attempts", code, s.meta.Attempts())
			}
		})
	}
}

func TestAnEchoSettlesWhatIsUnknown(t *testing.T) {
	t.Parallel()
	s := newMessenger(t, pgtest.New(t))
	s.writes(fbGuest, "Hallo")
	s.meta.AddFault(standin.Fault{Status: 400, Code: 613}) // too much at once: certainly not sent
	s.meta.AddFault(standin.Fault{Accept: true, Drop: true})
	id := s.reply(fbGuest, "Yes, behind the house")
	s.becomes(id, "unknown")
	m := s.took(1)[0]
	s.delivers(s.page.Echo(m))
	s.is(id, "accepted", "its echo")
	s.receipt("read", fbGuest, time.Now())
	s.is(id, "read", "its watermark")
	if n := s.meta.Attempts(); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
}

func TestMessengerKnowsTheCommandsOfSMS(t *testing.T) {
	t.Parallel()
	s := newMessenger(t, pgtest.New(t))
	s.writes(fbGuest, "Stop!")
	if m := s.took(1)[0]; m.Text != optout.Answer(optout.Stop) {
		t.Errorf("the guest was sent %q", m.Text)
	}
	s.becomes(s.reply(fbGuest, "One more thing"), "suppressed")
	s.writes(fbGuest, "HELP", "STOP")
	s.took(1)
	s.writes(fbGuest, "START")
	s.took(2)
	s.becomes(s.reply(fbGuest, "Welcome back"), "accepted")
}

func TestWhatIsNotThisPagesIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := newMessenger(t, d)
	s.writes(fbGuest, "Hallo")
	before := s.fingerprint()
	body := s.page.Payload(s.page.Text(fbGuest, "m_evil", "You have won an é"))
	another := standin.Page{ID: "104512345678902"}
	others := another.Payload(another.Text(fbGuest, "m_evil", "Hallo"))
	whole := []byte(strings.ReplaceAll(string(body), `"object":"page"`, `"object":"instagram"`))
	for what, c := range map[string]struct {
		body      []byte
		signature string
		want      int
	}{
		"unsigned":         {body, "", http.StatusForbidden},
		"signed by others": {body, whatsapp.Sign("another", body), http.StatusForbidden},
		"rewritten":        {[]byte(strings.ReplaceAll(string(body), `\u00e9`, "é")), whatsapp.Sign(appSecret, body), http.StatusForbidden},
		"another page's":   {others, whatsapp.Sign(appSecret, others), http.StatusForbidden},
		"another product":  {whole, whatsapp.Sign(appSecret, whole), http.StatusBadRequest},
		"too large":        {make([]byte, 3<<20+1), whatsapp.Sign(appSecret, make([]byte, 3<<20+1)), http.StatusRequestEntityTooLarge},
	} {
		header := http.Header{"Content-Type": {"application/json"}}
		if c.signature != "" {
			header.Set(meta.SignatureHeader, c.signature)
		}
		if status, _, answer := s.raw(messengerPath, c.body, header); status != c.want || strings.Contains(answer, "won") {
			t.Errorf("%s: answered %d, want %d: %s", what, status, c.want, answer)
		}
	}
	if after := s.fingerprint(); after != before {
		t.Errorf("the database changed from\n%s\nto\n%s", before, after)
	}
	// While the database is away nothing is acknowledged, a receipt neither.
	text := s.page.Text(fbGuest, standin.NewID(), "meanwhile")
	read := standin.Event(fbGuest, s.page.ID, time.Now(), standin.Object{"read": standin.Object{"watermark": time.Now().UnixMilli()}})
	d.Refuse(t)
	for what, e := range map[string]standin.Object{"a message": text, "a watermark": read} {
		if status, err := s.meta.Deliver(t.Context(), e); err != nil || status != http.StatusServiceUnavailable {
			t.Errorf("%s is answered %d: %v", what, status, err)
		}
	}
	d.Accept(t)
	s.admin.Reset() // its connections were cut, too
	s.until("the message to be taken", func() (bool, string) {
		status, err := s.meta.Deliver(t.Context(), text)
		return status == http.StatusOK, fmt.Sprint(status, err)
	})
}
