package connect

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/test/standin/telegram/standin"
)

// A bot whose Channel goes: what `instance withdraw` does at Telegram, and what it tells.
func TestAWebhookIsTakenFromTelegram(t *testing.T) {
	bot := standin.Bot{ID: 123456789, Username: "Hotel_Berlin_bot", Token: botToken}
	hook := func(channel string) string { return publicURL + "/webhooks/" + channel + "/telegram" }
	for sentence, c := range map[string]struct {
		set      string // where the bot's webhook leads before
		token    string // in the Secret
		username string
		down     bool
		want     contract.WithdrawResult
		left     string
	}{
		"the channel's own goes":                   {set: hook("telegram"), token: botToken, want: contract.WithdrawResult{Gone: true}},
		"there may be none":                        {token: botToken, want: contract.WithdrawResult{Gone: true}},
		"one that another took over is left alone": {set: hook("lobby"), token: botToken, want: contract.WithdrawResult{Gone: true}, left: hook("lobby")},
		"a revoked token can't":                    {set: hook("telegram"), token: "987654321:AAE-token_of-the-test-0000000000000", want: contract.WithdrawResult{Problem: contract.ProblemRefused, Code: "401"}, left: hook("telegram")},
		"nor can what is no token":                 {set: hook("telegram"), token: "none", want: contract.WithdrawResult{Problem: contract.ProblemUnreadable}, left: hook("telegram")},
		"a provider that is away is no refusal":    {set: hook("telegram"), token: botToken, down: true, left: hook("telegram")},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			api := standin.New(bot)
			server := httptest.NewTLSServer(api)
			t.Cleanup(server.Close)
			dir := t.TempDir()
			for file, content := range map[string]string{contract.FileBotToken: c.token, contract.FileSecretToken: secretToken} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.set != "" {
				setWebhook(t, server, c.set)
			}
			channel := contract.Channel{Name: "telegram", Type: contract.ChannelTypeTelegram, Telegram: &contract.Telegram{
				Username: "hotel_berlin_bot", APIBaseURL: server.URL, CABundle: authority(server),
			}}
			if c.down {
				server.Close()
			}
			log := &lockedBuffer{}
			site := provider.Site{PublicURL: publicURL, Prefix: "/webhooks/telegram/", Dir: dir}
			got := withdraw(t.Context(), slog.New(slog.NewJSONHandler(log, nil)), channel, site, 20*time.Millisecond)
			if got != c.want || api.Webhook(botToken).URL != c.left {
				t.Errorf("it tells %+v, and the webhook leads to %q", got, api.Webhook(botToken).URL)
			}
			if strings.Contains(log.String(), strings.TrimPrefix(botToken, "123456789:")) {
				t.Errorf("the token is in the log: %s", log)
			}
		})
	}
}

func setWebhook(t *testing.T, server *httptest.Server, at string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"url": at, "secret_token": secretToken})
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Post(server.URL+"/bot"+botToken+"/setWebhook", "application/json", strings.NewReader(string(body)))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("setting the webhook: %v, %v", response, err)
	}
	_ = response.Body.Close()
}
