package openid

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// discover asks for the provider's discovery document, which counts for an hour; while the provider does not answer, the one before does.
func (p *Provider) discover(ctx context.Context) (*found, error) {
	if f := p.known(); f != nil && time.Now().Before(f.until) {
		return f, nil
	}
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: it does not answer in time", ErrUnavailable)
	}
	before := p.known()
	if before != nil && time.Now().Before(before.until) {
		return before, nil // somebody else has asked meanwhile
	}
	f, err := p.ask(ctx)
	if err != nil {
		if before != nil {
			return before, nil
		}
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = f
	return f, nil
}

func (p *Provider) known() *found {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.found
}

func (p *Provider) ask(ctx context.Context) (*found, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: its discovery document: %s", ErrUnavailable, reason(err))
	}
	var says struct {
		Methods   []string `json:"token_endpoint_auth_methods_supported"`
		NamesSelf bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&says); err != nil {
		return nil, fmt.Errorf("%w: its discovery document can't be read", ErrUnavailable)
	}
	f := &found{Provider: provider, endpoint: provider.Endpoint(), namesSelf: says.NamesSelf, until: time.Now().Add(discoveryLasts)}
	if at, err := url.Parse(f.endpoint.AuthURL); err != nil || at.Scheme != "https" || at.Host == "" || at.User != nil {
		return nil, fmt.Errorf("%w: its discovery document sends browsers elsewhere than to an address by https", ErrUnavailable)
	}
	switch {
	case len(says.Methods) == 0 || slices.Contains(says.Methods, "client_secret_basic"):
		f.endpoint.AuthStyle = oauth2.AuthStyleInHeader
	case slices.Contains(says.Methods, "client_secret_post"):
		f.endpoint.AuthStyle = oauth2.AuthStyleInParams
	default:
		return nil, fmt.Errorf("%w: it takes no client secret", ErrUnavailable)
	}
	return f, nil
}
