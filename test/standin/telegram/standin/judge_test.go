package standin

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

const (
	token = "123456789:AAE-stand-in_of-the-test-00000000000"
	guest = 5551234567
)

// client is go-telegram's, with the stand-in as its Bot API.
func client(t *testing.T, s *Server, token string, more ...bot.Option) (*bot.Bot, error) {
	t.Helper()
	api := httptest.NewTLSServer(s)
	t.Cleanup(api.Close)
	return bot.New(token, append(more, bot.WithServerURL(api.URL), bot.WithHTTPClient(time.Minute, api.Client()))...)
}

func TestAnIndependentClientIsServed(t *testing.T) {
	s := New(Bot{ID: 123456789, Username: "hotel_berlin_bot", Token: token})
	b, err := client(t, s, token) // New calls getMe
	if err != nil {
		t.Fatal(err)
	}
	me, err := b.GetMe(t.Context())
	if err != nil || me.Username != "hotel_berlin_bot" || !me.IsBot {
		t.Errorf("it is %+v: %v", me, err)
	}
	write := func(text string) (*models.Message, error) {
		return b.SendMessage(t.Context(), &bot.SendMessageParams{ChatID: int64(guest), Text: text, LinkPreviewOptions: &models.LinkPreviewOptions{IsDisabled: bot.True()}})
	}
	if _, err := write("Hi"); !errors.Is(err, bot.ErrorBadRequest) || !strings.Contains(err.Error(), "chat not found") {
		t.Errorf("to a stranger: %v", err)
	}
	s.Begin(guest)
	if m, err := write("Grüße 🗝"); err != nil || m.Text != "Grüße 🗝" || m.Chat.ID != guest || m.ID == 0 {
		t.Errorf("sent %+v: %v", m, err)
	}
	if _, err := write(strings.Repeat("🗝", 2049)); !errors.Is(err, bot.ErrorBadRequest) || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long text: %v", err)
	}
	s.AddFault(Fault{Status: 429, RetryAfter: 7})
	var later *bot.TooManyRequestsError
	if _, err := write("Hi"); !errors.As(err, &later) || later.RetryAfter != 7 {
		t.Errorf("when it is too much: %v", err)
	}
	s.Block(guest, "Forbidden: bot was blocked by the user")
	if _, err := write("Hi"); !errors.Is(err, bot.ErrorForbidden) {
		t.Errorf("blocked: %v", err)
	}
	if n := len(s.Messages(guest)); n != 1 {
		t.Errorf("%d messages were taken, want 1", n)
	}
	if _, err := client(t, s, token+"x"); !errors.Is(err, bot.ErrorUnauthorized) {
		t.Errorf("another token: %v", err)
	}
}

func TestAnIndependentHandlerTakesItsUpdates(t *testing.T) {
	s := New(Bot{ID: 123456789, Username: "hotel_berlin_bot", Token: token})
	b, err := client(t, s, token, bot.WithWebhookSecretToken("the-secret-of-the-test"), bot.WithUpdatesChannelCap(4), bot.WithErrorsHandler(func(err error) { t.Error(err) }))
	if err != nil {
		t.Fatal(err)
	}
	for what, p := range map[string]*bot.SetWebhookParams{
		"a URL without HTTPS": {URL: "http://example.com/a"},
		"another port":        {URL: "https://example.com:8444/a"},
		"a secret with blank": {URL: "https://example.com/a", SecretToken: "a b"},
	} {
		if _, err := b.SetWebhook(t.Context(), p); !errors.Is(err, bot.ErrorBadRequest) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if ok, err := b.SetWebhook(t.Context(), &bot.SetWebhookParams{
		URL: "https://example.com/hook", SecretToken: "the-secret-of-the-test", AllowedUpdates: []string{"message"},
	}); err != nil || !ok {
		t.Fatal(err)
	}
	if info, err := b.GetWebhookInfo(t.Context()); err != nil || info.URL != "https://example.com/hook" || len(info.AllowedUpdates) != 1 {
		t.Errorf("the webhook is %+v: %v", info, err)
	}
	got := make(chan *models.Update, 1)
	b.RegisterHandlerMatchFunc(func(*models.Update) bool { return true }, func(_ context.Context, _ *bot.Bot, u *models.Update) { got <- u })
	go b.StartWebhook(t.Context())
	app := httptest.NewTLSServer(b.WebhookHandler())
	defer app.Close()
	s.SetBots(Bot{ID: 123456789, Username: "hotel_berlin_bot", Token: token, Address: app.Listener.Addr().String(),
		CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: app.Certificate().Raw}))})
	if status, err := s.Deliver(t.Context(), token, s.Text(guest, "Is my room ready?")); err != nil || status != http.StatusOK {
		t.Fatalf("answered %d: %v", status, err)
	}
	select {
	case u := <-got:
		if u.ID == 0 || u.Message == nil || u.Message.Text != "Is my room ready?" || u.Message.From.ID != guest || u.Message.Chat.Type != models.ChatTypePrivate {
			t.Errorf("read as %+v", u)
		}
	case <-time.After(time.Minute):
		t.Error("no update came")
	}
	if ok, err := b.DeleteWebhook(t.Context(), &bot.DeleteWebhookParams{DropPendingUpdates: true}); err != nil || !ok || s.Webhook(token).URL != "" {
		t.Errorf("the webhook stays: %v, %v", ok, err)
	}
}
