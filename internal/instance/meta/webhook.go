package meta

import (
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// maxWebhook bounds a webhook's body, in bytes: Meta's are at most 3 MiB.
	maxWebhook = 3 << 20
	// maxChallenge bounds what is echoed when the address is verified, in bytes.
	maxChallenge = 256
)

// Webhooks are the verification of the address at a path, and what is then sent to it,
// which parse reads once the app's secret has signed it.
func Webhooks(site provider.Site, path string, parse func(body []byte) (provider.Delivery, error)) []provider.Webhook {
	return []provider.Webhook{
		{Method: http.MethodGet, Path: path, Read: func(r *http.Request, _ []byte) (provider.Delivery, error) { return verify(site, r) }},
		{Method: http.MethodPost, Path: path, MaxBody: maxWebhook, Read: func(r *http.Request, body []byte) (provider.Delivery, error) {
			if err := signed(site, r, body); err != nil {
				return provider.Delivery{}, err
			}
			return parse(body)
		}},
	}
}

// ErrTooMany is a webhook with more in it than Meta sends.
var ErrTooMany = provider.Malformed(errors.New("the webhook holds too many messages and receipts; send fewer at once"))

// Webhook is what Meta sends: of each account its news.
type Webhook struct {
	Entries provider.JSON // a list
	most    int
}

// MaxItems bounds the messages and receipts of one webhook. Meta sends at most 1,000 changes.
const MaxItems = 2000

// fewItems are taken of a webhook of any size.
const fewItems = 64

// ReadWebhook reads one about objects of a kind, as in page. minItem is what each of many messages and receipts has at least, in octets:
// what is made of them must not take many times the memory of the webhook.
func ReadWebhook(body []byte, object string, minItem int) (Webhook, error) {
	w := Webhook{most: min(MaxItems, fewItems+len(body)/minItem)}
	v, _ := provider.ReadJSON(body)
	w.Entries = v.Member("entry")
	if v.Member("object").Text() != object || w.Entries.Is() && !w.Entries.IsList() {
		return w, provider.Malformed(errors.New("the body is not a webhook of a " + object + " as JSON; send it complete"))
	}
	return w, nil
}

// TooMany says whether a webhook of its size may not hold so many messages and receipts.
func (w Webhook) TooMany(items int) bool { return items > w.most }

// verify answers Meta's question whether this is the address that somebody who knows the
// verify token has set.
func verify(site provider.Site, r *http.Request) (provider.Delivery, error) {
	token, err := site.Credential(contract.FileVerifyToken)
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

// signed fails for a webhook that the app's secret does not sign.
func signed(site provider.Site, r *http.Request, body []byte) error {
	signature := r.Header.Get(SignatureHeader)
	if signature == "" {
		return provider.Forbidden("the header " + SignatureHeader + " is missing: sign the body with the app's secret")
	}
	secret, err := site.Credential(contract.FileAppSecret)
	if err != nil {
		return err
	}
	if !Signed(secret, body, signature) {
		return provider.Forbidden("the signature does not match: sign the raw body with the app's secret")
	}
	return nil
}
