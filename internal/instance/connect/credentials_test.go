package connect

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	twilio "github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
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

func TestATokenOfTwiliosIsTriedBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	s := newStage(t, pgtest.New(t), func(*contract.Channel) {}) // checked every 5 minutes, and when the token changes
	s.problem("", "")
	set := func(a twilio.Account) {
		t.Helper()
		a.SID, a.Numbers, a.MessagingServices = account, []string{number}, []string{messagingService}
		if err := s.twilio.AddAccount(a); err != nil {
			t.Fatal(err)
		}
	}
	s.writeToken("another-token-of-the-test")
	s.problem(contract.ProblemRefused, "20003")
	set(twilio.Account{AuthToken: "a-third-token-of-the-test", Status: "suspended"})
	s.writeToken("a-third-token-of-the-test")
	s.problem(contract.ProblemSuspended, "0")
	set(twilio.Account{AuthToken: "a-fourth-token-of-the-test", Status: "elsewhere"})
	s.writeToken("a-fourth-token-of-the-test")
	s.problem("", "")
	s.writeToken("another-token-of-the-test")
	s.problem(contract.ProblemRefused, "20003")
	set(twilio.Account{AuthToken: token})
	s.writeToken(token)
	s.problem("", "")
	s.says(guest, "Hallo")
	s.becomes(s.reply(guest, "Good evening"), "delivered")
}

func TestATokenOfMetasIsTriedBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	s := newWhatsApp(t, pgtest.New(t))
	s.problem("", "")
	other := s.number
	other.PhoneNumberID, other.AccessToken = "106540352242999", "access-token-of-another-number"
	if err := s.meta.AddNumber(other); err != nil {
		t.Fatal(err)
	}
	s.write(contract.FileAccessToken, []byte("guess"))
	s.problem(contract.ProblemRefused, "190")
	s.write(contract.FileAccessToken, []byte(other.AccessToken))
	s.problem(contract.ProblemElsewhere, "100")
	s.meta.Expire(other.AccessToken)
	s.write(contract.FileAccessToken, []byte(other.AccessToken+"\n"))
	s.problem(contract.ProblemExpired, "190")
	s.write(contract.FileAppSecret, []byte(" "))
	s.problem(contract.ProblemUnreadable, "")
	s.write(contract.FileAppSecret, []byte(appSecret))
	s.write(contract.FileAccessToken, []byte(accessToken))
	s.problem("", "")
}

func (s *stage) ask(chains [][]*x509.Certificate) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, contract.PathCheck, nil)
	r.TLS = &tls.ConnectionState{VerifiedChains: chains}
	w := httptest.NewRecorder()
	s.running.CheckHandler().ServeHTTP(w, r)
	return w
}

func of(name string) [][]*x509.Certificate {
	return [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: name}}}}
}

// told is what the operator is told of the connector's traffic. All connectors of a test binary count together.
func (s *stage) told() contract.Traffic {
	s.t.Helper()
	var state contract.ConnectorState
	w := s.ask(of(contract.OperatorName))
	if err := json.Unmarshal(w.Body.Bytes(), &state); err != nil || state.Traffic == nil || state.Traffic.Queue == nil || state.Traffic.Started.IsZero() {
		s.t.Fatalf("the operator is told %s: %v", w.Body, err)
	}
	return *state.Traffic
}

func TestTheCheckIsTheOperatorsAlone(t *testing.T) {
	t.Parallel()
	s := newStage(t, pgtest.New(t))
	s.problem("", "")
	for what, chains := range map[string][][]*x509.Certificate{"nobody": nil, "a connector": of("sb_connector_front_desk_v1")} {
		if w := s.ask(chains); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "answered") {
			t.Errorf("%s is answered %d: %s", what, w.Code, w.Body)
		}
	}
	var told contract.Check
	w := s.ask(of(contract.OperatorName))
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || told != s.running.Check() {
		t.Errorf("the operator is told %s: %v", w.Body, err)
	}
	// Webhooks of the channel's go to it alone: the same server has no other path.
	if status, _, _ := s.raw(contract.PathCheck, nil, http.Header{}); status != http.StatusNotFound {
		t.Errorf("among the webhooks it is answered %d", status)
	}
}

func TestATelegramChannelSaysWhatItNeeds(t *testing.T) {
	good := contract.Telegram{Username: "hotel_berlin_bot", APIBaseURL: "https://api.telegram.org"}
	for says, change := range map[string]func(*contract.Telegram, *stage){
		"username":                  func(c *contract.Telegram, _ *stage) { c.Username = "@hotel_berlin_bot" },
		"apiBaseURL":                func(c *contract.Telegram, _ *stage) { c.APIBaseURL = "http://api.telegram.org" },
		"caBundle":                  func(c *contract.Telegram, _ *stage) { c.CABundle = "none" },
		"the key botToken of":       func(_ *contract.Telegram, s *stage) { s.write(contract.FileBotToken, []byte("bot/../123")) },
		"the key secretToken of":    func(_ *contract.Telegram, s *stage) { s.write(contract.FileSecretToken, []byte("short")) },
		"with the member of the sa": nil,
	} {
		s := &stage{t: t, dir: t.TempDir()}
		s.writeKey(1)
		s.write(contract.FileBotToken, []byte(botToken))
		s.write(contract.FileSecretToken, []byte(secretToken))
		w := good
		c := Config{Channel: contract.Channel{Name: "a", Type: contract.ChannelTypeTelegram}, PublicURL: publicURL, KeysDir: s.dir, ChannelDir: s.dir}
		if change != nil {
			change(&w, s)
			c.Channel.Telegram = &w
		}
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "bot/../123") {
			t.Errorf("want %q: %v", says, err)
		}
	}
}

func TestATokenOfAPageIsTriedBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	s := newMessenger(t, pgtest.New(t))
	s.problem("", "")
	other := s.page
	other.ID, other.AccessToken = "104512345678902", "access-token-of-another-page"
	s.meta.SetPage(other)
	s.write(contract.FileAccessToken, []byte(other.AccessToken))
	s.problem(contract.ProblemElsewhere, "")
	s.write(contract.FileAccessToken, []byte("guess"))
	s.problem(contract.ProblemRefused, "190")
}
