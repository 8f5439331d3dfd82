package connect

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/telegram"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/telegram/standin"
)

const (
	botToken     = "123456789:AAE-token_of-the-test-0000000000000"
	secretToken  = "secret_token-of-the-test"
	tgGuest      = int64(5551234567)
	telegramPath = "/webhooks/" + pgtest.OtherChannel + "/telegram"
)

// tg is a stage whose channel is Telegram's.
type tg struct {
	*stage
	api *standin.Server
	bot standin.Bot
}

// newTelegram starts a connector of pgtest.OtherChannel between a database and a stand-in
// for Telegram, and waits until it has told Telegram where it is.
func newTelegram(t *testing.T, d *pgtest.Database, change ...func(*tg)) *tg {
	t.Helper()
	s := &tg{
		stage: &stage{t: t, database: d, admin: d.Admin(t), serve: d.Serve(t), dir: t.TempDir(), log: &lockedBuffer{}, checkEvery: 50 * time.Millisecond},
		bot:   standin.Bot{ID: 123456789, Username: "Hotel_Berlin_bot", Token: botToken},
	}
	s.api = standin.New(s.bot)
	s.provider = httptest.NewTLSServer(s.api)
	t.Cleanup(func() {
		s.provider.CloseClientConnections()
		s.provider.Close()
	})
	s.writeKey(1)
	s.write(contract.FileBotToken, []byte(botToken+"\n"))
	s.write(contract.FileSecretToken, []byte(secretToken+"\n"))
	s.exec("UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeTelegram, pgtest.OtherChannel)
	s.channel = contract.Channel{Name: pgtest.OtherChannel, Type: contract.ChannelTypeTelegram, Telegram: &contract.Telegram{
		Username: "hotel_berlin_bot", APIBaseURL: s.provider.URL, CABundle: authority(s.provider),
	}}
	s.route = func() error {
		s.bot.Address, s.bot.CA = s.connector.Listener.Addr().String(), authority(s.connector)
		s.api.SetBots(s.bot)
		return nil
	}
	for _, c := range change {
		c(s)
	}
	s.play(botToken, secretToken, strconv.FormatInt(tgGuest, 10))
	return s
}

// ready waits until Telegram knows where updates go.
func (s *tg) ready() *tg {
	s.t.Helper()
	s.until("the webhook to be set", func() (bool, string) {
		return s.api.Webhook(s.bot.Token).URL != "", fmt.Sprintf("%+v", s.running.Check())
	})
	return s
}

// delivers brings an update, and gives the status that it is answered.
func (s *tg) delivers(update standin.Object) int {
	s.t.Helper()
	status, err := s.api.Deliver(context.Background(), s.bot.Token, update)
	if err != nil {
		s.t.Fatal(err)
	}
	return status
}

// writes has a guest write texts, each of which must be acknowledged.
func (s *tg) writes(from int64, bodies ...string) {
	s.t.Helper()
	s.api.Begin(from)
	for _, body := range bodies {
		if status := s.delivers(s.api.Text(from, body)); status != http.StatusOK {
			s.t.Fatalf("an update was answered %d", status)
		}
	}
}

// took waits until Telegram took n messages for somebody, and nothing is left to be sent.
func (s *tg) took(to int64, n int) []standin.Message {
	s.t.Helper()
	s.until("messages to be taken", func() (bool, string) {
		return len(s.api.Messages(to)) == n && s.count("SELECT count(*) FROM "+contract.QueueSchema(s.channel.Name)+".river_job WHERE finalized_at IS NULL") == 0, ""
	})
	return s.api.Messages(to)
}

func address(chat int64) string { return strconv.FormatInt(chat, 10) }

func TestAGuestWritesByTelegramAndIsAnswered(t *testing.T) {
	t.Parallel()
	s := newTelegram(t, pgtest.New(t)).ready()
	if hook := s.api.Webhook(botToken); hook.URL != publicURL+telegramPath || hook.Secret != secretToken || fmt.Sprint(hook.Allowed) != "[message]" {
		t.Errorf("the webhook is %+v", hook)
	}
	s.writes(tgGuest, "Grüße 🗝", "Is my room ready?")
	first, second := s.reply(address(tgGuest), "Yes, behind the house 🏠"), s.reply(address(tgGuest), "See you")
	s.becomes(first, "sent")
	s.becomes(second, "sent")
	if m := s.took(tgGuest, 2); m[0].Text == m[1].Text {
		t.Errorf("sent %+v", m)
	}
	if _, _, bound := s.message(first); bound == "" || strings.Contains(bound, address(tgGuest)) {
		t.Errorf("bound to %q", bound)
	}
	if n := s.count(`SELECT count(*) FROM sb.contact_address WHERE kind = 'telegram' AND address = $1`, address(tgGuest)); n != 1 {
		t.Errorf("the guest bears %d addresses of Telegram", n)
	}
	if n := s.count("SELECT count(*) FROM sb.message_body WHERE body = 'Grüße 🗝'"); n != 1 {
		t.Errorf("the text is stored %d times", n)
	}
}

func TestAnUpdateIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := newTelegram(t, pgtest.New(t)).ready()
	update := s.api.Text(tgGuest, "Once")
	again := s.api.Text(tgGuest, "Another")
	again["update_id"] = update["update_id"] // counted anew after a quiet week
	for _, u := range []standin.Object{update, update, again, update} {
		if status := s.delivers(u); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.message"); n != 2 {
		t.Errorf("%d messages are stored, want 2", n)
	}
}

func TestAnUpdateThatCouldNotBeStoredIsTakenLater(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := newTelegram(t, d).ready()
	s.writes(tgGuest, "before")
	update := s.api.Text(tgGuest, "meanwhile")
	d.Refuse(t)
	if status := s.delivers(update); status != http.StatusServiceUnavailable {
		t.Errorf("answered %d", status)
	}
	d.Accept(t)
	s.admin.Reset() // its connections were cut, too
	s.until("the update to be taken", func() (bool, string) {
		status := s.delivers(update)
		return status == http.StatusOK, strconv.Itoa(status)
	})
	if n := s.count("SELECT count(*) FROM sb.message"); n != 2 {
		t.Errorf("%d messages are stored, want 2", n)
	}
}

func TestWhatIsNotTelegramsIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := newTelegram(t, pgtest.New(t)).ready()
	s.writes(tgGuest, "Hallo")
	before := s.fingerprint()
	body := []byte(`{"update_id":1,"message":{"message_id":1,"from":{"id":7},"chat":{"id":7,"type":"private"},"text":"You have won"}}`)
	for what, c := range map[string]struct {
		body   []byte
		secret string
		want   int
	}{
		"without the secret":           {body, "", http.StatusForbidden},
		"with another":                 {body, "secret_token-of-the-tesT", http.StatusForbidden},
		"with the beginning of it":     {body, secretToken[:20], http.StatusForbidden},
		"with the bot's token":         {body, botToken, http.StatusForbidden},
		"no JSON":                      {[]byte("text=Hallo"), secretToken, http.StatusBadRequest},
		"no update":                    {[]byte(`{"message":{"message_id":1}}`), secretToken, http.StatusBadRequest},
		"larger than an update can be": {make([]byte, 1<<20+1), secretToken, http.StatusRequestEntityTooLarge},
	} {
		header := http.Header{"Content-Type": {"application/json"}}
		if c.secret != "" {
			header.Set(telegram.SecretHeader, c.secret)
		}
		if status, _, answer := s.raw(telegramPath, c.body, header); status != c.want || strings.Contains(answer, "won") {
			t.Errorf("%s: answered %d, want %d: %s", what, status, c.want, answer)
		}
	}
	if after := s.fingerprint(); after != before {
		t.Errorf("the database changed from\n%s\nto\n%s", before, after)
	}
}

func TestTelegramKnowsTheCommandsOfSMS(t *testing.T) {
	t.Parallel()
	s := newTelegram(t, pgtest.New(t)).ready()
	s.writes(tgGuest, "/start", "/stop")
	if m := s.took(tgGuest, 1)[0]; m.Text != optout.Answer(optout.Stop) {
		t.Errorf("the guest was sent %q", m.Text)
	}
	s.becomes(s.reply(address(tgGuest), "One more thing"), "suppressed")
	s.writes(tgGuest, "/help", "STOP", "please stop messaging me")
	s.took(tgGuest, 1)
	s.writes(tgGuest, "/start", "/help")
	s.took(tgGuest, 3)
	s.becomes(s.reply(address(tgGuest), "Welcome back"), "sent")
}

func TestWhatTelegramRefusesIsShownInWords(t *testing.T) {
	t.Parallel()
	for sentence, want := range map[string]string{
		"Forbidden: bot was blocked by the user":                 "blocked-by-guest",
		"Forbidden: user is deactivated":                         "account-deleted",
		"Forbidden: bot can't initiate conversation with a user": "not-started",
		"Forbidden: something that is new":                       "403",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			s := newTelegram(t, pgtest.New(t)).ready()
			s.writes(tgGuest, "Hallo")
			s.api.Block(tgGuest, sentence)
			id := s.reply(address(tgGuest), "A day later")
			s.becomes(id, "failed")
			if _, code, _ := s.message(id); code != want {
				t.Errorf("the error code is %q", code)
			}
			// Telegram itself holds messages back, and lets them through again when the guest wants them.
			if n := s.count("SELECT count(*) FROM sb.suppression"); n != 0 || len(s.api.Attempts(tgGuest)) != 1 {
				t.Errorf("%d suppressions, %d attempts", n, len(s.api.Attempts(tgGuest)))
			}
			s.api.Block(tgGuest, "")
			s.becomes(s.reply(address(tgGuest), "And again"), "sent")
		})
	}
}

func TestWhatTelegramDidNotTakeIsSentAgainAndWhatItMayHaveIsNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults   []standin.Fault
		want     string
		attempts int
	}{
		"too much, then taken":             {[]standin.Fault{{Status: 429, RetryAfter: 1}, {Status: 429, RetryAfter: 1}}, "sent", 3},
		"cut off after it was taken":       {[]standin.Fault{{Accept: true, Drop: true}}, "unknown", 1},
		"cut off before it was taken":      {[]standin.Fault{{Drop: true}}, "unknown", 1},
		"a gateway that fails":             {[]standin.Fault{{Status: 502}}, "unknown", 1},
		"an error that is no JSON":         {[]standin.Fault{{Status: 400}}, "failed", 1},
		"a token that is good again later": {[]standin.Fault{{Status: 401, Description: "Unauthorized"}}, "sent", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTelegram(t, pgtest.New(t)).ready()
			s.writes(tgGuest, "Hallo")
			for _, f := range c.faults {
				s.api.AddFault(f)
			}
			id := s.reply(address(tgGuest), "Yes, behind the house")
			s.becomes(id, c.want)
			s.until("the job to end", func() (bool, string) {
				return s.count("SELECT count(*) FROM "+contract.QueueSchema(s.channel.Name)+".river_job WHERE finalized_at IS NULL") == 0, ""
			})
			if got, _, _ := s.message(id); got != c.want || len(s.api.Attempts(tgGuest)) != c.attempts {
				t.Errorf("it ends as %s after %d attempts, want %s after %d", got, len(s.api.Attempts(tgGuest)), c.want, c.attempts)
			}
		})
	}
}
