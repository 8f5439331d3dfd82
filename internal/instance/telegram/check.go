package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// told is what Telegram was told of the webhook last.
type told struct {
	mu      sync.Mutex
	webhook webhook
}

// webhook is where Telegram sends updates.
type webhook struct {
	URL    string `json:"url"`
	Secret string `json:"secret_token"`
	// Kinds of updates: what is not asked for does not come to lie here. Edits are not: Telegram makes some of its own accord.
	Kinds []string `json:"allowed_updates"`
}

// Check asks Telegram whose token it is, and sees to it that updates come to this channel,
// with its secret. What Telegram keeps of the secret can't be read: it is told once more
// after each start and each change.
func (p *Provider) Check(ctx context.Context) error {
	secret, err := p.secret()
	if err != nil {
		return errUnreadable
	}
	var bot struct {
		Username string `json:"username"`
	}
	if err := p.call(ctx, "getMe", struct{}{}, &bot); err != nil {
		return err
	}
	if !strings.EqualFold(bot.Username, p.channel.Username) {
		return &provider.CredentialsError{Problem: contract.ProblemElsewhere}
	}
	var kept webhook
	if err := p.call(ctx, "getWebhookInfo", struct{}{}, &kept); err != nil {
		return err
	}
	want := webhook{URL: p.address(), Secret: secret, Kinds: []string{"message"}}
	p.told.mu.Lock()
	defer p.told.mu.Unlock()
	if kept.URL == want.URL && p.told.webhook.Secret == want.Secret {
		return nil
	}
	if err := p.call(ctx, "setWebhook", want, nil); err != nil {
		return err
	}
	p.told.webhook = want
	return nil
}

// address is where updates of the channel go.
func (p *Provider) address() string {
	return p.site.PublicURL + p.site.Prefix + contract.WebhookPath(contract.ChannelTypeTelegram)
}

// Withdraw has Telegram send nothing to the channel any more. Updates that wait at Telegram stay there, for 24 hours at most:
// another channel may take the bot over.
func (p *Provider) Withdraw(ctx context.Context) error {
	var kept webhook
	if err := p.call(ctx, "getWebhookInfo", struct{}{}, &kept); err != nil {
		return err
	}
	if kept.URL != p.address() {
		return nil
	}
	return p.call(ctx, "deleteWebhook", map[string]bool{"drop_pending_updates": false}, nil)
}

// errUnreadable is a file of the Secret that is missing, or no credential.
var errUnreadable = &provider.CredentialsError{Problem: contract.ProblemUnreadable}

// call calls a method that sends nothing, and reads its result. It fails as provider.Checker says.
func (p *Provider) call(ctx context.Context, method string, parameters, result any) error {
	if _, err := p.token(); err != nil {
		return errUnreadable
	}
	r, err := p.request(ctx, method, parameters)
	if err != nil {
		return err
	}
	status, _, body, err := provider.Do(p.http, r)
	if err != nil {
		return err
	}
	var a answer
	switch {
	case a.read(status, body):
	case status == http.StatusUnauthorized || status == http.StatusNotFound: // 404 for a token that can't be any
		return &provider.CredentialsError{Problem: contract.ProblemRefused, Code: strconv.Itoa(a.ErrorCode)}
	case method == "setWebhook" && status == http.StatusBadRequest:
		return &provider.CredentialsError{Problem: contract.ProblemWebhook, Code: strconv.Itoa(a.ErrorCode)}
	default:
		return fmt.Errorf("asking Telegram: %s answered HTTP %d", method, status)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(a.Result, result); err != nil {
		return errors.New("asking Telegram: " + method + " answered what can't be read")
	}
	return nil
}
