package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/tracing"
)

const (
	// maxGroup bounds the messages of one transaction.
	maxGroup = 64
	// storeTimeout bounds one transaction.
	storeTimeout = 5 * time.Second
	// answerTimeout bounds how long a webhook waits: the provider hangs up after 15 s.
	answerTimeout = 10 * time.Second
	// maxTries of a message on its own that met a conflict with another transaction.
	maxTries = 3
)

// receiver stores messages in groups: those that arrive while one transaction
// commits make up the next, so that many share one flush to disk, and none waits
// for company. A message that spoils its group is told apart: each member is then
// stored on its own.
type receiver struct {
	database database
	channel  string
	kind     string // of the channel
	letters  chan *letter
	log      *slog.Logger
}

func newReceiver(d database, c contract.Channel, log *slog.Logger) *receiver {
	return &receiver{database: d, channel: c.Name, kind: c.Type, letters: make(chan *letter, maxRequests), log: log}
}

// begin starts the step of storing messages; what is queued along with them belongs to it.
func (r *receiver) begin(ctx context.Context, letters ...*letter) tracing.Span {
	ctx, span := tracing.Begin(ctx, "receive", trace.SpanKindConsumer,
		tracing.Channel.String(r.channel), tracing.Type.String(r.kind), tracing.Messages.Int(len(letters)))
	for _, l := range letters {
		l.of = trace.SpanContextFromContext(ctx)
	}
	return span
}

// store returns nil once all messages, or those that they repeat, are durable.
func (r *receiver) store(ctx context.Context, letters []*letter) (err error) {
	span := r.begin(ctx, letters...)
	defer func() { span.End(err) }()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for _, l := range letters {
		l.done = make(chan error, 1)
		select {
		case r.letters <- l:
		case <-ctx.Done():
			return fmt.Errorf("waiting to store a message: %w", ctx.Err())
		}
	}
	for _, l := range letters {
		select {
		case err := <-l.done:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("waiting for a message to be stored: %w", ctx.Err())
		}
	}
	return nil
}

// run works until ctx ends. It must outlive the last request.
func (r *receiver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-r.letters:
			r.commit(ctx, r.gather(first))
		}
	}
}

func (r *receiver) gather(first *letter) []*letter {
	group := []*letter{first}
	for len(group) < maxGroup {
		select {
		case l := <-r.letters:
			group = append(group, l)
		default:
			return group
		}
	}
	return group
}

func (r *receiver) commit(ctx context.Context, group []*letter) {
	// Guests are locked in one order, whichever connector stores.
	slices.SortStableFunc(group, func(a, b *letter) int { return bytes.Compare(a.hashes[0], b.hashes[0]) })
	err := r.transact(ctx, group)
	if err == nil || len(group) == 1 || !isRefusal(err) {
		for _, l := range group {
			l.done <- err
		}
		return
	}
	r.log.Warn("a group of messages was refused; storing them one by one", "messages", len(group), "error", err.Error())
	for _, l := range group {
		l.done <- r.transact(ctx, []*letter{l})
	}
}

func (r *receiver) transact(ctx context.Context, group []*letter) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var err error
	for range maxTries {
		err = r.database.receive(ctx, r.channel, group)
		var refusal *refusalError
		switch {
		case err == nil || !errors.As(err, &refusal):
			return err
		case refusal.noPartition():
			if err := r.database.ensureThisMonth(ctx); err != nil {
				return err
			}
		case !refusal.conflict() || len(group) > 1:
			return err
		}
	}
	return err
}
