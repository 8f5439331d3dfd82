// Package whatsapp speaks the protocols of WhatsApp's Cloud API: signed webhooks, and
// messages by the Graph API.
package whatsapp

import (
	"context"
	"errors"
	"regexp"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

var graphID = regexp.MustCompile(`^[0-9]{5,32}$`)

// Provider is one number's side of a channel.
type Provider struct {
	channel contract.WhatsApp
	site    provider.Site
	graph   *meta.Graph

	downloads *provider.Downloads
}

// New makes a provider and checks what can be checked without the network.
func New(channel contract.WhatsApp, site provider.Site) (*Provider, error) {
	if !graphID.MatchString(channel.PhoneNumberID) || !graphID.MatchString(channel.BusinessAccountID) {
		return nil, errors.New("whatsApp needs phoneNumberID and businessAccountID, which are digits")
	}
	graph, err := meta.NewGraph(channel.APIBaseURL, channel.APIVersion, channel.CABundle, site)
	if err != nil {
		return nil, err
	}
	for _, key := range contract.CredentialKeys(contract.ChannelTypeWhatsApp) {
		if _, err := site.Credential(key); err != nil {
			return nil, err
		}
	}
	downloads, err := provider.NewDownloads(channel.APIBaseURL, channel.CABundle, provider.Host{Name: mediaHost})
	if err != nil {
		return nil, err
	}
	return &Provider{channel: channel, site: site, graph: graph, downloads: downloads}, nil
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
	return meta.Webhooks(p.site, contract.WebhookPath(contract.ChannelTypeWhatsApp), p.parse)
}

// Check asks Meta for the number.
func (p *Provider) Check(ctx context.Context) error {
	return p.graph.Check(ctx, p.channel.PhoneNumberID, p.channel.PhoneNumberID)
}
