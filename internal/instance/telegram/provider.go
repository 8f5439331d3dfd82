// Package telegram speaks the protocol of Telegram's Bot API: updates by webhook, and
// methods called by HTTPS.
package telegram

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// SecretHeader carries the word by which Telegram proves itself.
const SecretHeader = "X-Telegram-Bot-Api-Secret-Token" //nolint:gosec // a name, not the word

// maxWebhook bounds an update, in bytes. Telegram's have some KiB.
const maxWebhook = 1 << 20

// The long ones are compiled where they are needed: other processes of the program never do.
var (
	username    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{3,31}$`)
	botToken    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{5,20}:[A-Za-z0-9_-]{20,100}$`) })
	secretToken = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{16,256}$`) })
)

// Provider is one bot's side of a channel.
type Provider struct {
	channel contract.Telegram
	site    provider.Site
	http    *http.Client
	told    told

	downloads *provider.Downloads
}

// New makes a provider and checks what can be checked without the network.
func New(channel contract.Telegram, site provider.Site) (*Provider, error) {
	if !username.MatchString(channel.Username) {
		return nil, errors.New("telegram needs username: the bot's, without the @, as in hotel_berlin_bot")
	}
	if err := provider.CheckOrigin("apiBaseURL", channel.APIBaseURL); err != nil {
		return nil, err
	}
	p := &Provider{channel: channel, site: site}
	for _, read := range []func() (string, error){p.token, p.secret} {
		if _, err := read(); err != nil {
			return nil, err
		}
	}
	var err error
	if p.downloads, err = provider.NewDownloads(channel.APIBaseURL, channel.CABundle); err != nil {
		return nil, err
	}
	p.http, err = provider.NewHTTP(channel.CABundle)
	return p, err
}

// token is the bot's. It is part of addresses: what can't be one is not put there.
func (p *Provider) token() (string, error) {
	return p.credential(contract.FileBotToken, botToken(), "what BotFather gives, as in 123456789:AA…")
}

func (p *Provider) secret() (string, error) {
	return p.credential(contract.FileSecretToken, secretToken(), "16 to 256 letters, digits, hyphens and underscores")
}

func (p *Provider) credential(key string, form *regexp.Regexp, says string) (string, error) {
	value, err := p.site.Credential(key)
	if err == nil && !form.MatchString(value) {
		err = fmt.Errorf("reading the channel's credentials: the key %s of the Secret that the Channel names is not %s", key, says)
	}
	return value, err
}

// Addresses is the guest's id at Telegram alone: a bot is not told of numbers.
func (p *Provider) Addresses(id string) []person.Address {
	return []person.Address{{Kind: contract.KindTelegram, Value: id}}
}

// Webhooks is the one for updates.
func (p *Provider) Webhooks() []provider.Webhook {
	return []provider.Webhook{{Method: http.MethodPost, Path: contract.WebhookPath(contract.ChannelTypeTelegram), MaxBody: maxWebhook, Read: p.read}}
}

// read reads an update that bears the channel's secret.
func (p *Provider) read(r *http.Request, body []byte) (provider.Delivery, error) {
	given := r.Header.Get(SecretHeader)
	if given == "" {
		return provider.Delivery{}, provider.Forbidden("the header " + SecretHeader + " is missing: set the webhook with the channel's secretToken")
	}
	secret, err := p.secret()
	if err != nil {
		return provider.Delivery{}, err
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(secret)) != 1 {
		return provider.Delivery{}, provider.Forbidden("the header " + SecretHeader + " is not that of this channel: set the webhook with the channel's secretToken")
	}
	return parse(body)
}
