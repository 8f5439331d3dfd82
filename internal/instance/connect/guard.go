package connect

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
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

// checked delivers what a webhook brings that is the provider's beyond doubt. Answers
// say what is wrong, and repeat nothing received.
func (g *guard) checked(hook provider.Webhook) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case g.slots <- struct{}{}:
			defer func() { <-g.slots }()
		default:
			unavailable(w, "too many webhooks at once")
			return
		}
		body, release, ok := g.read(w, r, hook.MaxBody)
		if !ok {
			return
		}
		defer release()
		d, err := hook.Read(r, body)
		var rejected *provider.RejectedError
		switch {
		case errors.As(err, &rejected):
			http.Error(w, rejected.Says, rejected.Status)
		case err != nil:
			g.c.log.Error("a webhook could not be checked", "error", err.Error())
			unavailable(w, "the channel's credentials can't be read")
		default:
			g.c.deliver(w, r, d)
		}
	})
}

// read reads a body of at most most bytes. Of large ones only a few are let in at once;
// release gives the place back.
func (g *guard) read(w http.ResponseWriter, r *http.Request, most int64) (body []byte, release func(), ok bool) {
	release = func() {}
	if r.ContentLength > most {
		tooLarge(w, most)
		return nil, nil, false
	}
	bounded := http.MaxBytesReader(w, r.Body, most)
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
		tooLarge(w, most)
		return nil, nil, false
	case err != nil:
		release()
		http.Error(w, "the body ended early; send it complete", http.StatusBadRequest)
		return nil, nil, false
	}
	return body, release, true
}

func tooLarge(w http.ResponseWriter, most int64) {
	http.Error(w, fmt.Sprintf("the body has more than %d MiB; send less", most>>20), http.StatusRequestEntityTooLarge)
}

func unavailable(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", retryAfter)
	http.Error(w, why+"; send it again later", http.StatusServiceUnavailable)
}
