package twilio

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// maxWebhook bounds a webhook's body, in bytes. Twilio's have some 1 KiB.
const maxWebhook = 1 << 20

// statusPath is where Twilio reports what became of a message.
const statusPath = "twilio/status"

// Provider is one Twilio account's side of a channel.
type Provider struct {
	*Client
	channel   contract.TwilioSMS
	site      provider.Site
	downloads *provider.Downloads
}

// New makes a provider and checks what can be checked without the network.
func New(channel contract.TwilioSMS, site provider.Site) (*Provider, error) {
	if channel.AccountSID == "" || (channel.From == "") == (channel.MessagingServiceSID == "") {
		return nil, errors.New("twilioSMS needs accountSID, and either from or messagingServiceSID")
	}
	if err := provider.CheckOrigin("apiBaseURL", channel.APIBaseURL); err != nil {
		return nil, err
	}
	p := &Provider{channel: channel, site: site}
	if _, err := p.token(); err != nil {
		return nil, err
	}
	var err error
	if p.downloads, err = provider.NewDownloads(channel.APIBaseURL, channel.CABundle, mediaHosts...); err != nil {
		return nil, err
	}
	p.Client, err = NewClient(channel, p.token)
	return p, err
}

func (p *Provider) token() (string, error) { return p.site.Credential(contract.FileAuthToken) }

// Addresses is the number alone.
func (p *Provider) Addresses(to string) []person.Address {
	return []person.Address{{Kind: contract.KindPhone, Value: to}}
}

// Send gives a message to Twilio, which reports on it by the message's own address.
func (p *Provider) Send(ctx context.Context, out provider.Outgoing) (provider.Sent, error) {
	callback := StatusCallback(p.site.PublicURL+p.site.Prefix+statusPath, out.ID, out.At)
	links := make([]string, len(out.Files))
	for i, f := range out.Files {
		var err error
		if links[i], err = f.Link(); err != nil {
			return provider.Sent{}, &provider.NotSentError{Cause: err}
		}
	}
	return p.Client.Send(ctx, Outgoing{To: out.To, Body: out.Body, StatusCallback: callback, MediaURLs: links})
}

// FetchesLinks says that Twilio takes addresses of files, not their bytes.
func (p *Provider) FetchesLinks() {}

// Webhooks are that of messages and that of receipts.
func (p *Provider) Webhooks() []provider.Webhook {
	return []provider.Webhook{
		{Method: http.MethodPost, Path: contract.WebhookPath(contract.ChannelTypeTwilioSMS), MaxBody: maxWebhook, Read: p.checked(p.inbound)},
		{Method: http.MethodPost, Path: statusPath, MaxBody: maxWebhook, Read: p.checked(p.status)},
	}
}

// checked reads the parameters of a webhook that is the channel's account's beyond doubt.
func (p *Provider) checked(next func(r *http.Request, form url.Values) (provider.Delivery, error)) func(*http.Request, []byte) (provider.Delivery, error) {
	return func(r *http.Request, body []byte) (provider.Delivery, error) {
		none := provider.Delivery{}
		signature := r.Header.Get(SignatureHeader)
		if signature == "" {
			return none, provider.Forbidden("the header " + SignatureHeader + " is missing: sign the webhook with the account's auth token")
		}
		form, err := ParseParameters(r.Header.Get("Content-Type"), body)
		if err != nil {
			return none, provider.Malformed(err)
		}
		token, err := p.token()
		if err != nil {
			return none, err
		}
		// The URL is the one given to the provider: the Host header is the sender's to choose.
		webhook := Webhook{URL: p.site.PublicURL + r.RequestURI, Form: form, Body: body, Signature: signature}
		switch {
		case !webhook.Signed(token):
			return none, provider.Forbidden("the signature does not match: sign the public URL and all parameters with the account's auth token")
		case form.Get("AccountSid") != p.channel.AccountSID:
			return none, provider.Forbidden("AccountSid is not that of this channel")
		}
		return next(r, form)
	}
}

func (p *Provider) inbound(_ *http.Request, form url.Values) (provider.Delivery, error) {
	in, err := ParseInbound(form)
	if err != nil {
		return provider.Delivery{}, provider.Malformed(err)
	}
	if !p.isOurs(in) {
		return provider.Delivery{}, provider.Forbidden("the message was not sent to the number or messaging service of this channel")
	}
	return provider.Delivery{
		Messages:    []provider.Inbound{{ID: in.SID, From: p.Addresses(in.From), Body: in.Body, Media: in.Media, Handled: advancedOptOut[in.OptOutType]}},
		ContentType: "text/xml; charset=utf-8",
		Answer:      `<?xml version="1.0" encoding="UTF-8"?><Response/>`,
	}, nil
}

func (p *Provider) isOurs(in Inbound) bool {
	if p.channel.MessagingServiceSID != "" {
		return in.MessagingServiceSID == p.channel.MessagingServiceSID
	}
	return in.To == p.channel.From
}

// advancedOptOut are the commands that Twilio's Advanced Opt-Out has recognised and
// answered: the guest must not be answered twice.
var advancedOptOut = map[string]optout.Command{"STOP": optout.Stop, "START": optout.Start, "HELP": optout.Help}

func (p *Provider) status(r *http.Request, form url.Values) (provider.Delivery, error) {
	s, err := ParseStatus(form)
	if err != nil {
		return provider.Delivery{}, provider.Malformed(err)
	}
	id, at, named, err := ParseCallback(r.URL.Query())
	if err != nil {
		return provider.Delivery{}, provider.Malformed(err)
	}
	if s.Status == "" {
		return provider.Delivery{}, nil // nothing that staff would want to know
	}
	news := provider.Status{ID: s.SID, Status: s.Status, ErrorCode: s.ErrorCode, Blocked: s.ErrorCode == strconv.Itoa(CodeBlocked)}
	if named {
		news.Message = &provider.Key{ID: id, At: at}
	}
	return provider.Delivery{Statuses: []provider.Status{news}}, nil
}
