package standin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"
)

var secretToken = regexp.MustCompile(`^[A-Za-z0-9_-]{0,256}$`)

func (s *Server) setWebhook(w http.ResponseWriter, bot Bot, given map[string]json.RawMessage) {
	var hook Webhook
	if !read(given, "url", &hook.URL) || !read(given, "secret_token", &hook.Secret) || !read(given, "allowed_updates", &hook.Allowed) || len(given) > 0 {
		fail(w, http.StatusBadRequest, "Bad Request: can't parse parameters", 0)
		return
	}
	u, err := url.Parse(hook.URL)
	switch {
	case err != nil || hook.URL != "" && u.Scheme != "https":
		fail(w, http.StatusBadRequest, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook", 0)
	case !slices.Contains([]string{"", "443", "80", "88", "8443"}, u.Port()):
		fail(w, http.StatusBadRequest, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443", 0)
	case !secretToken.MatchString(hook.Secret):
		fail(w, http.StatusBadRequest, "Bad Request: secret token contains unallowed characters", 0)
	default:
		s.mu.Lock()
		s.webhooks[bot.Token] = hook
		s.mu.Unlock()
		answer(w, true)
	}
}

func (s *Server) deleteWebhook(w http.ResponseWriter, bot Bot, given map[string]json.RawMessage) {
	var drop bool
	if !read(given, "drop_pending_updates", &drop) || len(given) > 0 {
		fail(w, http.StatusBadRequest, "Bad Request: can't parse parameters", 0)
		return
	}
	s.mu.Lock()
	delete(s.webhooks, bot.Token)
	s.mu.Unlock()
	answer(w, true)
}

// Text is an update with a text that a guest writes to a bot.
func (s *Server) Text(from int64, body string) Object {
	return s.Update(from, Object{"text": body})
}

// Update is an update with a guest's message, of which content gives the members that
// tell what it is.
func (s *Server) Update(from int64, content Object) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates++
	s.numbers++
	m := Object{
		"message_id": s.numbers, "date": time.Now().Unix(),
		"from": Object{"id": from, "is_bot": false, "first_name": "Zoë", "language_code": "de"},
		"chat": Object{"id": from, "type": "private", "first_name": "Zoë"},
	}
	for name, value := range content {
		m[name] = value
	}
	return Object{"update_id": s.updates, "message": m}
}

// Deliver posts an update to a bot's webhook, as often as it is called, and gives the HTTP
// status of the answer.
func (s *Server) Deliver(ctx context.Context, token string, update Object) (int, error) {
	body, err := json.Marshal(update)
	if err != nil {
		return 0, fmt.Errorf("making an update: %w", err)
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.bots, func(b Bot) bool { return b.Token == token })
	hook := s.webhooks[token]
	var bot Bot
	if i >= 0 {
		bot = s.bots[i]
	}
	s.mu.Unlock()
	if i < 0 || hook.URL == "" {
		return 0, errors.New("the bot has no webhook")
	}
	return post(ctx, bot, hook, body)
}

func post(ctx context.Context, bot Bot, hook Webhook, body []byte) (int, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(bot.CA)) {
		return 0, errors.New("the bot's ca holds no certificate")
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, bot.Address)
		},
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("making a webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if hook.Secret != "" {
		r.Header.Set("X-Telegram-Bot-Api-Secret-Token", hook.Secret)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("posting a webhook: %w", err)
	}
	_ = response.Body.Close()
	return response.StatusCode, nil
}
