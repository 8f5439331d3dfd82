// Package whatsapp speaks the protocols of WhatsApp's Cloud API: signed webhooks, and
// messages by the Graph API.
package whatsapp

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"regexp"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// maxWebhook bounds a webhook's body, in bytes: Meta's are at most 3 MiB.
	maxWebhook = 3 << 20
	// maxChallenge bounds what is echoed when the address is verified, in bytes.
	maxChallenge = 256
)

var (
	graphID    = regexp.MustCompile(`^[0-9]{5,32}$`)
	apiVersion = regexp.MustCompile(`^v[1-9][0-9]{0,2}\.[0-9]{1,2}$`)
)

// Provider is one number's side of a channel.
type Provider struct {
	channel contract.WhatsApp
	site    provider.Site
	http    *http.Client
}

// New makes a provider and checks what can be checked without the network.
func New(channel contract.WhatsApp, site provider.Site) (*Provider, error) {
	if !graphID.MatchString(channel.PhoneNumberID) || !graphID.MatchString(channel.BusinessAccountID) || !apiVersion.MatchString(channel.APIVersion) {
		return nil, errors.New("whatsApp needs phoneNumberID and businessAccountID, which are digits, and apiVersion, as in v23.0")
	}
	if err := provider.CheckOrigin("apiBaseURL", channel.APIBaseURL); err != nil {
		return nil, err
	}
	for _, key := range contract.CredentialKeys(contract.ChannelTypeWhatsApp) {
		if _, err := site.Credential(key); err != nil {
			return nil, err
		}
	}
	client, err := provider.NewHTTP(channel.CABundle)
	return &Provider{channel: channel, site: site, http: client}, err
}

// Addresses are a guest's WhatsApp id and the number that it stands for.
func (p *Provider) Addresses(id string) []person.Address {
	a, err := person.Parse(contract.KindWhatsApp, id)
	if err != nil { // an id that is no number
		return []person.Address{{Kind: contract.KindWhatsApp, Value: id}}
	}
	return a.Aliases()
}

// Webhooks are the verification of the address, and what is then sent to it.
func (p *Provider) Webhooks() []provider.Webhook {
	path := contract.WebhookPath(contract.ChannelTypeWhatsApp)
	return []provider.Webhook{
		{Method: http.MethodGet, Path: path, Read: p.verify},
		{Method: http.MethodPost, Path: path, MaxBody: maxWebhook, Read: p.read},
	}
}

// verify answers Meta's question whether this is the address that somebody who knows the
// verify token has set.
func (p *Provider) verify(r *http.Request, _ []byte) (provider.Delivery, error) {
	token, err := p.site.Credential(contract.FileVerifyToken)
	if err != nil {
		return provider.Delivery{}, err
	}
	query := r.URL.Query()
	challenge := query.Get("hub.challenge")
	switch {
	case query.Get("hub.mode") != "subscribe":
		return provider.Delivery{}, provider.Malformed(errors.New("hub.mode is not subscribe: this address is verified by GET, and takes webhooks by POST"))
	case subtle.ConstantTimeCompare([]byte(query.Get("hub.verify_token")), []byte(token)) != 1:
		return provider.Delivery{}, provider.Forbidden("hub.verify_token is not that of this channel: use the key verifyToken of the Secret that the Channel names")
	case challenge == "" || len(challenge) > maxChallenge:
		return provider.Delivery{}, provider.Malformed(errors.New("hub.challenge is missing or too long"))
	}
	// Whoever knows the token chooses the text: nothing may be made of it but text.
	return provider.Delivery{Answer: challenge, ContentType: "text/plain; charset=utf-8"}, nil
}

// read reads a webhook that the app's secret signs.
func (p *Provider) read(r *http.Request, body []byte) (provider.Delivery, error) {
	signature := r.Header.Get(SignatureHeader)
	if signature == "" {
		return provider.Delivery{}, provider.Forbidden("the header " + SignatureHeader + " is missing: sign the body with the app's secret")
	}
	secret, err := p.site.Credential(contract.FileAppSecret)
	if err != nil {
		return provider.Delivery{}, err
	}
	if !Signed(secret, body, signature) {
		return provider.Delivery{}, provider.Forbidden("the signature does not match: sign the raw body with the app's secret")
	}
	return p.parse(body)
}
