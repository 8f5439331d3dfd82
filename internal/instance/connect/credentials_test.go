package connect

import (
	"fmt"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// problem waits until the connector says that of its credentials.
func (s *stage) problem(want, code string) contract.Check {
	s.t.Helper()
	s.until("the credentials to be judged as "+want, func() (bool, string) {
		c := s.running.Check()
		return !c.Answered.IsZero() && c.Problem == want && c.Code == code, fmt.Sprintf("%+v", c)
	})
	return s.running.Check()
}

func TestATokenOfTelegramsIsTriedBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	s := newTelegram(t, pgtest.New(t)).ready()
	s.problem("", "")

	other := s.bot
	other.Token, other.Username = botToken+"x", "hotel_potsdam_bot"
	s.api.SetBots(other)
	s.problem(contract.ProblemRefused, "401") // revoked
	s.write(contract.FileBotToken, []byte(other.Token))
	s.problem(contract.ProblemElsewhere, "")
	s.write(contract.FileBotToken, []byte("none"))
	s.problem(contract.ProblemUnreadable, "")

	// Another token of the same bot, and another secret: Telegram is told of both without a restart.
	other.Username = s.bot.Username
	s.api.SetBots(other)
	s.write(contract.FileSecretToken, []byte("another-secret-of-the-test"))
	s.write(contract.FileBotToken, []byte(other.Token))
	s.problem("", "")
	if hook := s.api.Webhook(other.Token); hook.Secret != "another-secret-of-the-test" || hook.URL != publicURL+telegramPath {
		t.Errorf("the webhook is %+v", hook)
	}

	// A provider that is away says nothing of the credentials.
	s.provider.CloseClientConnections()
	s.provider.Close()
	before := s.running.Check()
	s.until("another try", func() (bool, string) {
		c := s.running.Check()
		return c.Tried.After(before.Answered), fmt.Sprintf("%+v", c)
	})
	if c := s.running.Check(); c.Problem != "" || c.Answered.IsZero() {
		t.Errorf("it says %+v", c)
	}
}

func TestTelegramIsToldOnceOfAWebhook(t *testing.T) {
	t.Parallel()
	s := newTelegram(t, pgtest.New(t)).ready()
	asked := s.api.Calls("getMe")
	s.until("some more checks", func() (bool, string) { return s.api.Calls("getMe") > asked+3, "" })
	if n := s.api.Calls("setWebhook"); n != 1 {
		t.Errorf("it was told %d times", n)
	}
}
