// Package newchannel is the channel that docs/new-channel.md adds, by a paging service that does not exist. A test holds the page
// and this package together, and plays the service.
package newchannel

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// step 1: what the Channel says

// Settings are those of the Channel, as internal/contract has them.
type Settings struct {
	Account    string `json:"account"`
	APIBaseURL string `json:"apiBaseURL"`
	CABundle   string `json:"caBundle,omitempty"`
}

// Provider is one account's side of a channel.
type Provider struct {
	settings Settings
	site     provider.Site
	http     *http.Client
}

// New makes a provider and checks what can be checked without the network.
func New(settings Settings, site provider.Site) (*Provider, error) {
	if settings.Account == "" {
		return nil, errors.New("pager needs account")
	}
	if err := provider.CheckOrigin("apiBaseURL", settings.APIBaseURL); err != nil {
		return nil, err
	}
	if _, err := site.Credential(contract.FileAuthToken); err != nil {
		return nil, err
	}
	client, err := provider.NewHTTP(settings.CABundle)
	return &Provider{settings, site, client}, err
}

// step 2: who a guest is

// Addresses are those by which the guest at a number is known: an opt-out by any channel counts for the number.
func (p *Provider) Addresses(number string) []person.Address {
	return []person.Address{{Kind: contract.KindPhone, Value: number}}
}

// step 3: what comes in

const maxBody = 64 << 10 // bytes

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// Webhooks is the one request that the service makes.
func (p *Provider) Webhooks() []provider.Webhook {
	return []provider.Webhook{{Method: http.MethodPost, Path: "pager", MaxBody: maxBody, Read: p.read}}
}

// read believes nothing before the signature over the body's bytes is found right.
func (p *Provider) read(r *http.Request, body []byte) (provider.Delivery, error) {
	secret, err := p.site.Credential(contract.FileAuthToken) // at each request: it may have been rotated
	if err != nil {
		return provider.Delivery{}, err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	given, err := hex.DecodeString(r.Header.Get("X-Pager-Signature"))
	if err != nil || !hmac.Equal(mac.Sum(nil), given) {
		return provider.Delivery{}, provider.Forbidden("the signature does not match: sign the raw body with the account's token")
	}
	return parse(body)
}

// parse reads a page, or news of one of ours.
func parse(body []byte) (provider.Delivery, error) {
	var id, from, text, status string
	page, _ := provider.ReadJSON(body)
	for name, v := range page.Members {
		switch string(name) {
		case "id":
			id = v.Text()
		case "from":
			from = v.Text()
		case "text":
			text = v.Text()
		case "status":
			status = v.Text()
		}
	}
	switch {
	case id == "" || len(id) > 64:
		return provider.Delivery{}, provider.Malformed(errors.New("the body is not a page as JSON; send it complete"))
	case status == "delivered" || status == "failed":
		return provider.Delivery{Statuses: []provider.Status{{ID: id, Status: status}}}, nil
	case !e164.MatchString(from):
		return provider.Delivery{Unreadable: 1}, nil // nobody could answer it, now or when it is sent again
	}
	return provider.Delivery{Messages: []provider.Inbound{{
		ID: id, From: []person.Address{{Kind: contract.KindPhone, Value: from}}, Body: provider.Storable(text),
	}}}, nil
}

// step 4: what goes out

// Send pages a guest. Which error it gives decides whether the message is sent again, so a doubt is *provider.UnknownError.
func (p *Provider) Send(ctx context.Context, out provider.Outgoing) (provider.Sent, error) {
	secret, err := p.site.Credential(contract.FileAuthToken)
	if err != nil {
		return provider.Sent{}, &provider.NotSentError{Cause: err}
	}
	body, err := json.Marshal(map[string]string{"account": p.settings.Account, "to": out.To, "text": out.Body})
	if err != nil {
		return provider.Sent{}, &provider.NotSentError{Cause: err}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.settings.APIBaseURL+"/pages", bytes.NewReader(body))
	if err != nil {
		return provider.Sent{}, &provider.NotSentError{Cause: errors.New("the Channel's apiBaseURL can't be called")}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+secret)
	status, header, answer, err := provider.Attempt(p.http, r)
	switch {
	case err != nil:
		return provider.Sent{}, err
	case status == http.StatusTooManyRequests:
		return provider.Sent{}, &provider.NotSentError{After: provider.RetryAfter(header), Cause: errors.New("the service asks to be asked later")}
	case status == http.StatusUnauthorized: // a mistake of configuration: the message waits until it is mended
		return provider.Sent{}, &provider.NotSentError{Cause: errors.New("the service does not take the channel's token")}
	case status >= 400 && status < 500:
		return provider.Sent{}, &provider.RefusedError{Code: fmt.Sprintf("http-%d", status), Reason: "the service takes no such page"}
	}
	var page struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &page); err != nil || status >= 300 || page.ID == "" {
		return provider.Sent{}, &provider.UnknownError{Cause: fmt.Errorf("the service answered HTTP %d without a page", status)}
	}
	return provider.Sent{ID: page.ID}, nil
}

// end
