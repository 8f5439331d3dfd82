// Package webhook tells the client's other systems of what happens: it sends the events that the database holds for each
// subscription, signed as Standard Webhooks has it. Its role can take events and say what came of them, and nothing else.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

const (
	// pollEvery is how often the database is asked for what is new, while nothing is.
	pollEvery = 2 * time.Second
	// sweepEvery is how often what has expired or was given up is removed; retention runs do so too.
	sweepEvery = 10 * time.Minute
	// settleTimeout bounds the noting of what came of an attempt, also while the worker stops.
	settleTimeout = 5 * time.Second
	// firstWait is the wait before an event is tried a second time; it grows fourfold up to maxWait.
	firstWait = 5 * time.Second
	maxWait   = 4 * time.Hour
	// firstPause is how long a receiver that did not take an event is left alone; it doubles up to maxPause.
	firstPause = time.Second
	maxPause   = time.Minute
	// maxRetryAfter bounds how long a Retry-After is obeyed.
	maxRetryAfter = time.Hour
)

// Config says what to send, and where.
type Config struct {
	Webhooks []contract.Webhook
	Dir      string // laid out as contract.DirWebhooks
	Pool     *pgxpool.Pool
	Log      *slog.Logger
	// Poll is how often the database is asked while nothing is new; 2 seconds when zero.
	Poll time.Duration
	// Wait is how long a second of waits and pauses lasts; a second when zero. Tests have less time.
	Wait time.Duration
}

// Worker sends to all subscriptions.
type Worker struct {
	Config
	targets []*target
}

// New makes a worker and checks what can be checked without the network.
func New(c Config) (*Worker, error) {
	if c.Poll == 0 {
		c.Poll = pollEvery
	}
	if c.Wait == 0 {
		c.Wait = time.Second
	}
	w := &Worker{Config: c}
	for _, hook := range c.Webhooks {
		t, err := newTarget(hook, c.Dir)
		if err != nil {
			return nil, fmt.Errorf("webhook %s: %w", hook.Name, err)
		}
		w.targets = append(w.targets, t)
	}
	return w, nil
}

// Run sends until ctx ends. Each subscription is sent to by itself: one that is slow or away keeps up no other.
func (w *Worker) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { w.sweep(ctx) })
	for _, t := range w.targets {
		all.Go(func() { w.send(ctx, t) })
	}
}

func (w *Worker) sweep(ctx context.Context) {
	ticks := time.NewTicker(sweepEvery)
	defer ticks.Stop()
	for {
		if _, err := w.Pool.Exec(ctx, "SELECT sb.webhook_sweep()"); err != nil && ctx.Err() == nil {
			w.Log.Warn("removing what has expired failed", "error", described(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// send sends what one subscription is to be told, one event after the other.
func (w *Worker) send(ctx context.Context, t *target) {
	log := w.Log.With("webhook", t.hook.Name)
	failures := 0
	for {
		found, o, err := w.next(ctx, t)
		var pause time.Duration
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Warn("events can't be read; trying again", "error", described(err))
			pause = w.Poll
		case !found:
			pause = w.Poll
		case o.problem == "":
			failures = 0
			sends.WithLabelValues("taken").Inc()
			continue
		default:
			failures++
			sends.WithLabelValues("failed").Inc()
			log.Warn("an event was not taken", "problem", o.problem)
			pause = max(o.retryAfter, w.jittered(grown(firstPause, maxPause, 2, failures)))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// next sends one event, in the transaction that has read it: whoever erases its guest waits until it is sent, or keeps it from
// being sent. A worker that is killed has not told that it was taken: it is sent once more, under the same id.
func (w *Worker) next(ctx context.Context, t *target) (found bool, o outcome, err error) {
	// What a request under way has brought about must be noted, even when the worker is told to stop.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout+settleTimeout)
	defer cancel()
	err = pgx.BeginFunc(settling, w.Pool, func(tx pgx.Tx) error {
		var e event
		err := tx.QueryRow(ctx, "SELECT id, attempts, payload FROM sb.webhook_take($1)", t.hook.Name).Scan(&e.id, &e.attempts, &e.payload)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		found, o = true, t.post(settling, e)
		verdict, wait := "failed", max(o.retryAfter, w.jittered(grown(firstWait, maxWait, 4, e.attempts+1)))
		switch o.problem {
		case "":
			verdict = "taken"
		case contract.WebhookGone:
			verdict = "ended"
		}
		_, err = tx.Exec(settling, "SELECT sb.webhook_settle($1, $2, $3, $4)", e.id, verdict, o.problem, wait)
		return err
	})
	return found, o, err
}

// grown is a wait that grows with each failure.
func grown(first, most time.Duration, factor, failures int) time.Duration {
	wait := first
	for n := 1; n < failures && wait < most; n++ {
		wait *= time.Duration(factor)
	}
	return min(wait, most)
}

// jittered is at least half and at most all of a wait, so that many do not come at once.
func (w *Worker) jittered(wait time.Duration) time.Duration {
	wait = time.Duration(float64(wait) * w.Wait.Seconds())
	return wait/2 + rand.N(wait/2+1)
}
