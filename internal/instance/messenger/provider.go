// Package messenger speaks the protocols of Meta's Messenger Platform: signed webhooks, and
// messages of a page by the Graph API.
package messenger

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

var pageID = regexp.MustCompile(`^[0-9]{5,32}$`)

// Provider is one page's side of a channel.
type Provider struct {
	channel contract.Messenger
	site    provider.Site
	graph   *meta.Graph

	downloads *provider.Downloads
}

// New makes a provider and checks what can be checked without the network.
func New(channel contract.Messenger, site provider.Site) (*Provider, error) {
	if !pageID.MatchString(channel.PageID) {
		return nil, errors.New("messenger needs pageID, which is digits")
	}
	graph, err := meta.NewGraph(channel.APIBaseURL, channel.APIVersion, channel.CABundle, site)
	if err != nil {
		return nil, err
	}
	for _, key := range contract.CredentialKeys(contract.ChannelTypeMessenger) {
		if _, err := site.Credential(key); err != nil {
			return nil, err
		}
	}
	downloads, err := provider.NewDownloads(channel.APIBaseURL, channel.CABundle, mediaHosts...)
	if err != nil {
		return nil, err
	}
	return &Provider{channel: channel, site: site, graph: graph, downloads: downloads}, nil
}

// Addresses is the guest's id for this page alone: another page knows the same guest by another.
func (p *Provider) Addresses(id string) []person.Address {
	return []person.Address{{Kind: contract.KindMessenger, Value: id}}
}

// Webhooks are the verification of the address, and what is then sent to it.
func (p *Provider) Webhooks() []provider.Webhook {
	return meta.Webhooks(p.site, contract.WebhookPath(contract.ChannelTypeMessenger), p.parse)
}

// Check asks Meta whose the access token is: it must be the page's own.
func (p *Provider) Check(ctx context.Context) error {
	return p.graph.Check(ctx, "me", p.channel.PageID)
}

// outgoing is a request to send a text in answer to a guest.
type outgoing struct {
	Recipient recipient `json:"recipient"`
	Type      string    `json:"messaging_type"`
	Message   text      `json:"message"`
}

type recipient struct {
	ID string `json:"id"`
}

type text struct {
	Text string `json:"text"`
	// Metadata names the message to us: Meta repeats it in the echo, which settles a send of unknown outcome.
	Metadata string `json:"metadata"`
}

// Send gives a text or a file to Messenger. It can't be asked what it was given, so an outcome that is
// unknown stays so until an echo names the message.
func (p *Provider) Send(ctx context.Context, out provider.Outgoing) (provider.Sent, error) {
	var a meta.Answer
	var err error
	if len(out.Files) > 0 { // one, without words, as the staff API sees to
		a, err = p.sendFile(ctx, out)
	} else {
		a, err = p.graph.Post(ctx, p.channel.PageID+"/messages", outgoing{recipient{out.To}, "RESPONSE", text{out.Body, meta.Callback(out.Key)}})
	}
	if err != nil {
		return provider.Sent{}, err
	}
	if a.Error != nil || a.Status >= 400 {
		return provider.Sent{}, failed(a)
	}
	var taken struct {
		ID string `json:"message_id"`
	}
	if err := json.Unmarshal(a.Body, &taken); err != nil || !a.OK() || !isID(taken.ID) {
		return provider.Sent{}, &provider.UnknownError{Cause: errors.New("Messenger answered without a message")}
	}
	return provider.Sent{ID: taken.ID}, nil
}
