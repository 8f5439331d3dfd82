// Package openid has staff say who they are by a provider of OpenID Connect, in the authorization code flow with PKCE (OpenID Connect
// Core 1.0, section 3.1; RFC 7636; RFC 9700). What they may do here is not the provider's to say.
package openid

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Bounds on what comes from the provider or its redirect, in bytes, and how long what its discovery document says counts.
const (
	maxCode        = 4 << 10
	maxSubject     = 255 // OpenID Connect Core 1.0, section 2
	maxEmail       = 254
	discoveryLasts = time.Hour
)

var (
	// ErrUnavailable says that the provider does not answer, or is not set up here as it must be.
	ErrUnavailable = errors.New("the provider of the sign-in can't be used")
	// ErrDeclined says that the provider let the person go back, or did not let them in.
	ErrDeclined = errors.New("the provider did not sign the person in")
	// ErrUntrusted says that an answer is not one to this attempt, or not the provider's.
	ErrUntrusted = errors.New("the answer to the sign-in is not to be trusted")
	// ErrUnverified says that the provider has not verified the person's e-mail address, or told none.
	ErrUnverified = errors.New("the provider has not verified the e-mail address")
	// ErrDomain says that the provider may not speak for the domain of the address.
	ErrDomain = errors.New("the provider may not speak for the domain of the e-mail address")
)

// Person is who the provider says that somebody is.
type Person struct {
	Issuer, Client, Subject string
	Email                   string // lower case; the provider has verified it
}

// Provider is the one that a tenant's staff sign in by.
type Provider struct {
	config   contract.StaffOIDC
	dir      string // with the client's secret
	redirect string
	client   *http.Client
	asking   chan struct{} // whoever asks for the discovery document has it

	mu    sync.Mutex
	found *found
}

// found is what the discovery document says.
type found struct {
	*oidc.Provider
	endpoint  oauth2.Endpoint
	namesSelf bool // its answers name the issuer (RFC 9207)
	until     time.Time
}

// FromEnvironment gives the provider of contract.EnvStaffOIDC; nil when there is none.
func FromEnvironment() (*Provider, error) {
	value := os.Getenv(contract.EnvStaffOIDC)
	if value == "" {
		return nil, nil
	}
	var c contract.StaffOIDC
	if err := json.Unmarshal([]byte(value), &c); err != nil {
		return nil, fmt.Errorf("reading %s: it is no JSON of a provider: %w", contract.EnvStaffOIDC, err)
	}
	return New(c, contract.DirStaffOIDC, os.Getenv(contract.EnvPublicURL))
}

// New gives a provider. dir holds the client's secret as contract.FileClientSecret, which is read at each sign-in; origin is the
// tenant's own. Nothing is asked of the provider before somebody signs in.
func New(c contract.StaffOIDC, dir, origin string) (*Provider, error) {
	client, err := newClient(c)
	if err != nil {
		return nil, fmt.Errorf("setting up the sign-in by %s: %w", c.Name, err)
	}
	return &Provider{config: c, dir: dir, redirect: origin + contract.PathSignInReturn, client: client, asking: make(chan struct{}, 1)}, nil
}

// Name of the provider, for people.
func (p *Provider) Name() string { return p.config.Name }

// Required says that no password is taken.
func (p *Provider) Required() bool { return p.config.Required }

// Usable says that the provider may be reached.
func (p *Provider) Usable() bool { return len(p.config.CIDRs) > 0 }

// Begin gives the address at the provider that the browser is to go to. It fails with ErrUnavailable.
func (p *Provider) Begin(ctx context.Context, f Flow) (string, error) {
	if _, err := p.secret(); err != nil {
		return "", err
	}
	found, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	return p.oauth(found, "").AuthCodeURL(f.state(), oidc.Nonce(f.nonce()), oauth2.S256ChallengeOption(f.verifier())), nil
}

// Finish takes what the browser brought back from the provider, and asks that who it is. It fails with one of the package's errors, none
// of which says anything that came from outside but an error code.
func (p *Provider) Finish(ctx context.Context, f Flow, answer url.Values) (Person, error) {
	if !same(answer.Get("state"), f.state()) {
		return Person{}, fmt.Errorf("%w: its state is another browser's", ErrUntrusted)
	}
	found, err := p.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	if iss := answer.Get("iss"); iss != "" && iss != p.config.Issuer || iss == "" && found.namesSelf {
		return Person{}, fmt.Errorf("%w: it is another issuer's", ErrUntrusted)
	}
	if answer.Has("error") {
		return Person{}, fmt.Errorf("%w: it answers %s", ErrDeclined, codeOf(answer.Get("error")))
	}
	code := answer.Get("code")
	if code == "" || len(code) > maxCode {
		return Person{}, fmt.Errorf("%w: it has no code", ErrUntrusted)
	}
	secret, err := p.secret()
	if err != nil {
		return Person{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.oauth(found, secret).Exchange(ctx, code, oauth2.VerifierOption(f.verifier()))
	if err != nil {
		return Person{}, exchangeFailed(err)
	}
	raw, _ := token.Extra("id_token").(string)
	// Algorithms are the asymmetric ones that the discovery document names: none of them is none, and no secret signs.
	id, err := found.Verifier(&oidc.Config{ClientID: p.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return Person{}, verifyFailed(err)
	}
	return p.person(ctx, found, f, id, token)
}

// person reads a verified ID token. What it does not say of the address, the provider is asked for.
func (p *Provider) person(ctx context.Context, found *found, f Flow, id *oidc.IDToken, token *oauth2.Token) (Person, error) {
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return Person{}, fmt.Errorf("%w: the ID token can't be read", ErrUntrusted)
	}
	if azp, _ := claims["azp"].(string); !same(id.Nonce, f.nonce()) || claims["azp"] != nil && azp != p.config.ClientID || len(id.Audience) > 1 && azp == "" {
		return Person{}, fmt.Errorf("%w: the ID token is of another attempt, or was made for somebody else", ErrUntrusted)
	}
	if id.Issuer != p.config.Issuer || id.Subject == "" || len(id.Subject) > maxSubject {
		return Person{}, fmt.Errorf("%w: the ID token names no issuer and subject that count", ErrUntrusted)
	}
	if claims["email"] == nil && found.UserInfoEndpoint() != "" {
		info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return Person{}, fmt.Errorf("%w: it does not tell the e-mail address: %s", ErrUnavailable, reason(err))
		}
		claims = map[string]any{}
		if err := info.Claims(&claims); err != nil || info.Subject != id.Subject {
			return Person{}, fmt.Errorf("%w: what it tells of the person is somebody else's", ErrUntrusted)
		}
	}
	email, _ := claims["email"].(string)
	email = strings.ToLower(strings.TrimSpace(email))
	_, domain, _ := strings.Cut(email, "@")
	if !affirmed(claims[p.config.VerifiedClaim]) || domain == "" || len(email) > maxEmail || strings.ContainsRune(domain, '@') {
		return Person{}, ErrUnverified
	}
	if len(p.config.EmailDomains) > 0 && !slices.Contains(p.config.EmailDomains, domain) {
		return Person{}, ErrDomain
	}
	return Person{Issuer: p.config.Issuer, Client: p.config.ClientID, Subject: id.Subject, Email: email}, nil
}

// affirmed reads a claim that says yes. Some providers write it as a text or a number.
func affirmed(claim any) bool {
	switch v := claim.(type) {
	case bool:
		return v
	case string:
		return v == "true" || v == "1"
	case float64:
		return v == 1
	}
	return false
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (p *Provider) oauth(found *found, secret string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.config.ClientID, ClientSecret: secret, Endpoint: found.endpoint, RedirectURL: p.redirect, Scopes: []string{oidc.ScopeOpenID, "email"},
	}
}

// secret is read each time, so that a Secret that was changed counts.
func (p *Provider) secret() (string, error) {
	f, err := os.Open(filepath.Join(p.dir, contract.FileClientSecret))
	if err != nil {
		return "", fmt.Errorf("%w: its client secret is not there; see condition StaffOIDCReady of the Tenant", ErrUnavailable)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, contract.MaxClientSecret+1))
	secret := strings.TrimSpace(string(b))
	if err != nil || secret == "" || len(b) > contract.MaxClientSecret {
		return "", fmt.Errorf("%w: its client secret can't be read; see condition StaffOIDCReady of the Tenant", ErrUnavailable)
	}
	return secret, nil
}
