package connect

import (
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/switchboard-operator/switchboard/internal/instance/twilio"
)

const (
	// maxRequest bounds a webhook's body, in bytes. Twilio's have some 1 KiB.
	maxRequest = 1 << 20
	// largeRequest is where a body counts as large, in bytes.
	largeRequest = 64 << 10
	// maxRequests and maxLargeRequests bound how many are in memory at once, whoever sends them.
	maxRequests      = 256
	maxLargeRequests = 4
	// retryAfter is what a provider is asked to wait, in seconds.
	retryAfter = "2"
)

// guard lets only the provider's webhooks through, and not too many at once.
type guard struct {
	c            *Connector
	slots, large chan struct{}
}

func newGuard(c *Connector) *guard {
	return &guard{c: c, slots: make(chan struct{}, maxRequests), large: make(chan struct{}, maxLargeRequests)}
}

// checked calls next with the parameters of a webhook that is the channel's
// account's beyond doubt. Answers say what is wrong, and repeat nothing received.
func (g *guard) checked(next func(http.ResponseWriter, *http.Request, url.Values)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case g.slots <- struct{}{}:
			defer func() { <-g.slots }()
		default:
			unavailable(w, "too many webhooks at once")
			return
		}
		body, release, ok := g.read(w, r)
		if !ok {
			return
		}
		defer release()
		signature := r.Header.Get(twilio.SignatureHeader)
		if signature == "" {
			http.Error(w, "the header "+twilio.SignatureHeader+" is missing: sign the webhook with the account's auth token", http.StatusForbidden)
			return
		}
		form, err := twilio.ParseParameters(r.Header.Get("Content-Type"), body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		token, err := readToken(g.c.channelDir)
		if err != nil {
			g.c.log.Error("a webhook could not be checked", "error", err.Error())
			unavailable(w, "the channel's auth token can't be read")
			return
		}
		// The URL is the one given to the provider: the Host header is the sender's to choose.
		webhook := twilio.Webhook{URL: g.c.publicURL + r.RequestURI, Form: form, Body: body, Signature: signature}
		switch {
		case !webhook.Signed(token):
			http.Error(w, "the signature does not match: sign the public URL and all parameters with the account's auth token", http.StatusForbidden)
		case form.Get("AccountSid") != g.c.twilio.AccountSID:
			http.Error(w, "AccountSid is not that of this channel", http.StatusForbidden)
		default:
			next(w, r, form)
		}
	})
}

// read reads a body of at most maxRequest bytes. Of large ones only a few are let
// in at once; release gives the place back.
func (g *guard) read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), ok bool) {
	release = func() {}
	if r.ContentLength > maxRequest {
		tooLarge(w)
		return nil, nil, false
	}
	bounded := http.MaxBytesReader(w, r.Body, maxRequest)
	body, err := io.ReadAll(io.LimitReader(bounded, largeRequest))
	if err == nil && len(body) == largeRequest {
		select {
		case g.large <- struct{}{}:
			release = func() { <-g.large }
		default:
			unavailable(w, "too many large webhooks at once")
			return nil, nil, false
		}
		var rest []byte
		rest, err = io.ReadAll(bounded)
		body = append(body, rest...)
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		release()
		tooLarge(w)
		return nil, nil, false
	case err != nil:
		release()
		http.Error(w, "the body ended early; send it complete", http.StatusBadRequest)
		return nil, nil, false
	}
	return body, release, true
}

func tooLarge(w http.ResponseWriter) {
	http.Error(w, "the body has more than 1 MiB; send less", http.StatusRequestEntityTooLarge)
}

func unavailable(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", retryAfter)
	http.Error(w, why+"; send it again later", http.StatusServiceUnavailable)
}
