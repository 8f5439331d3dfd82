package connect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// checkEvery is how often the provider is asked whether credentials work that did, and
	// checkAgain how often when they don't, or it did not answer.
	checkEvery = 5 * time.Minute
	checkAgain = 30 * time.Second
	// lookEvery is how often the credentials' files are looked at: new ones are tried at once.
	lookEvery = 5 * time.Second
	// checkTimeout bounds one check.
	checkTimeout = 20 * time.Second
	// queueTimeout bounds the look at the queue: the operator waits for the answer for 5 seconds.
	queueTimeout = 2 * time.Second
)

// check is what is known of the channel's credentials.
type check struct {
	every time.Duration

	mu    sync.Mutex
	state contract.Check
}

// Check tells what the provider said of the channel's credentials.
func (c *Connector) Check() contract.Check {
	c.check.mu.Lock()
	defer c.check.mu.Unlock()
	return c.check.state
}

// CheckHandler answers contract.PathCheck, to the operator alone.
func (c *Connector) CheckHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !httpserve.IsOperator(r) {
			http.NotFound(w, r) // to everyone else there is nothing here
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), queueTimeout)
		defer cancel()
		queue, err := c.database.queue(ctx, c.channel.Name)
		if err != nil {
			c.log.Warn("the operator is not told what the queue holds", "error", err.Error()) // but all else
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(contract.ConnectorState{Check: c.Check(), Traffic: traffic(queue)}) // a client that went away can't be told
	})
}

// keepChecking asks the provider whether the credentials work, until ctx ends.
func (c *Connector) keepChecking(ctx context.Context) {
	checker, ok := c.provider.(provider.Checker)
	if !ok {
		return
	}
	looks := time.NewTicker(min(lookEvery, c.check.every))
	defer looks.Stop()
	keys := contract.CredentialKeys(c.channel.Type)
	seen := c.site.Fingerprint(keys)
	due := c.checkOnce(ctx, checker)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-looks.C:
			if is := c.site.Fingerprint(keys); is != seen || !now.Before(due) {
				seen, due = is, c.checkOnce(ctx, checker)
			}
		}
	}
}

// checkOnce asks, and tells when to ask again.
func (c *Connector) checkOnce(ctx context.Context, checker provider.Checker) (due time.Time) {
	asked, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := checker.Check(asked)
	if ctx.Err() != nil {
		return due
	}
	var wrong *provider.CredentialsError
	now := time.Now().UTC()
	c.check.mu.Lock()
	defer c.check.mu.Unlock()
	before := c.check.state
	c.check.state.Tried = now
	switch {
	case err == nil:
		c.check.state = contract.Check{Tried: now, Answered: now}
		if before.Problem != "" || before.Answered.IsZero() {
			c.log.Info("the provider takes the channel's credentials")
		}
		return now.Add(c.check.every)
	case errors.As(err, &wrong):
		c.check.state = contract.Check{Tried: now, Answered: now, Problem: wrong.Problem, Code: wrong.Code}
		if before.Problem != wrong.Problem || before.Code != wrong.Code {
			c.log.Error("the channel's credentials do not work", "problem", wrong.Problem, "code", wrong.Code)
		}
	default:
		c.log.Warn("the provider did not say whether the channel's credentials work", "error", err.Error())
	}
	return now.Add(min(checkAgain, c.check.every))
}
