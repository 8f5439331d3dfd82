// Package smpp speaks SMPP 3.4 with a message centre (SMSC): one connection, bound as a transceiver, by which messages come
// and go. PDUs are made by gosmpp. What a message centre requests is read here, with bounds.
package smpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/trust"
)

// Ways to send long messages, as contract.SMPP spells them.
const (
	longUDH8    = "UDH8"
	longUDH16   = "UDH16"
	longSAR     = "SAR"
	longPayload = "Payload"
)

// Numbering (SMPP 3.4, 5.2.5 and 5.2.6).
const (
	tonUnknown       = 0
	tonInternational = 1
	tonNational      = 2
	npiUnknown       = 0
	npiISDN          = 1
)

// Provider is one account's side of a channel.
type Provider struct {
	channel contract.SMPP
	site    provider.Site
	log     *slog.Logger
	roots   *x509.CertPool // nil: without TLS
	pace    *rate.Limiter
	window  chan struct{}
	retry   func(attempt int) time.Duration

	mu      sync.Mutex
	desk    provider.Desk
	link    *link         // nil while there is none
	last    error         // of the last attempt to bind; nil: it was bound
	tried   chan struct{} // closed by an attempt to bind, and made anew
	wake    chan struct{}
	sending sending
}

// New makes a provider and checks what can be checked without the network.
func New(channel contract.SMPP, site provider.Site, log *slog.Logger) (*Provider, error) {
	switch {
	case channel.Host == "" || channel.Port < 1 || channel.Port > 65535:
		return nil, errors.New("smpp needs host and port of the message centre")
	case channel.SystemID == "" || len(channel.SystemID) > 15:
		return nil, errors.New("smpp needs systemID, of 15 characters at most")
	case len(channel.From) > 20:
		return nil, errors.New("smpp: from has 20 characters at most")
	case channel.WindowSize < 1 || channel.MessagesPerSecond < 1 || channel.EnquireLinkSeconds < 1:
		return nil, errors.New("smpp needs windowSize, messagesPerSecond and enquireLinkSeconds of at least 1")
	}
	if c := channel.CountryCode; c != "" && (len(c) > 3 || !dialled(c) || c[0] == '0') {
		return nil, errors.New("smpp: countryCode is 1 to 3 digits, of which the first is no zero")
	}
	switch channel.LongMessages {
	case longUDH8, longUDH16, longSAR, longPayload:
	default:
		return nil, fmt.Errorf("smpp: longMessages is %q; use one of UDH8, UDH16, SAR and Payload", channel.LongMessages)
	}
	p := &Provider{
		channel: channel, site: site, log: log, window: make(chan struct{}, channel.WindowSize), retry: backoff,
		pace: rate.NewLimiter(rate.Limit(channel.MessagesPerSecond), 1), last: errors.New("the message centre was not called yet"),
		tried: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	if _, err := p.password(); err != nil {
		return nil, err
	}
	if !channel.Plain {
		var err error
		if p.roots, err = trust.Authorities(channel.CABundle); err != nil {
			return nil, fmt.Errorf("reading the channel's caBundle: %w", err)
		}
	}
	return p, nil
}

// password is the account's. Longer ones can't be said in SMPP.
func (p *Provider) password() (string, error) {
	value, err := p.site.Credential(contract.FilePassword)
	if err == nil && len(value) > 8 {
		err = errors.New("reading the channel's credentials: the key password of the Secret that the Channel names has more than the 8 characters that SMPP 3.4 has room for")
	}
	return value, err
}

// Webhooks are none.
func (p *Provider) Webhooks() []provider.Webhook { return nil }

// AtOnce is the window.
func (p *Provider) AtOnce() int { return p.channel.WindowSize }

// Addresses is the guest's number, and the national forms of it that were kept while the channel had no country: who opted out
// by one of those is not written to by the other.
func (p *Provider) Addresses(number string) []person.Address {
	all := []person.Address{{Kind: contract.KindPhone, Value: number}}
	for _, form := range nationalForms(number, p.channel.CountryCode) {
		all = append(all, person.Address{Kind: contract.KindPhone, Value: form})
	}
	return all
}

// Connected says whether the channel is bound.
func (p *Provider) Connected() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link == nil {
		return fmt.Errorf("the channel is not bound at the message centre: %w", p.last)
	}
	return nil
}

// Check tells how the last bind ended. While there is none it has one made, with the credentials as they are now.
func (p *Provider) Check(ctx context.Context) error {
	p.mu.Lock()
	if p.link != nil {
		p.mu.Unlock()
		return nil
	}
	tried := p.tried
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	select {
	case <-tried:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// dial opens a connection to the message centre.
func (p *Provider) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	at := net.JoinHostPort(p.channel.Host, strconv.Itoa(p.channel.Port))
	var conn net.Conn
	var err error
	if p.roots == nil {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", at)
	} else {
		conn, err = (&tls.Dialer{Config: &tls.Config{RootCAs: p.roots, ServerName: p.channel.Host, MinVersion: tls.VersionTLS12}}).DialContext(ctx, "tcp", at)
	}
	if err != nil {
		return nil, fmt.Errorf("calling the message centre: %w", err)
	}
	return conn, nil
}
