package connect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
	"github.com/switchboard-operator/switchboard/internal/instance/tracing"
)

const (
	maxSends = 4 // at once
	// sendTimeout bounds one run of a job. It is less than any RescueAfter.
	sendTimeout = 40 * time.Second
	// stopTimeout is what sends under way have to end when the connector stops.
	stopTimeout = 15 * time.Second
	// maxAge is when the sending of a message that the provider puts off is given up, counted from when it could go first.
	maxAge = 6 * time.Hour
	// maxWait is how long a message waits for its window without asking again: window and zone may be changed meanwhile.
	maxWait = time.Hour
	// firstDelay is the wait before a message is tried a second time; it doubles up to maxDelay.
	firstDelay = time.Second
	maxDelay   = time.Minute
)

// send works the channel's queue until ctx ends, with so many messages at once. A database that is away is waited for.
func (c *Connector) send(ctx context.Context, atOnce int) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &sender{c: c})
	river.AddWorker(workers, &fetcher{c: c})
	for attempt := 1; ; attempt++ {
		client, err := river.NewClient(riverpgxv5.New(c.database.pool), &river.Config{
			Schema:               contract.QueueSchema(c.channel.Name),
			Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: atOnce}, queue.Media: {MaxWorkers: maxFetches}},
			Workers:              workers,
			JobTimeout:           sendTimeout,
			RescueStuckJobsAfter: c.rescueAfter,
			// A role that owns no table can't rebuild an index.
			ReindexerSchedule: river.NeverSchedule(),
			SoftStopTimeout:   stopTimeout,
			Logger:            c.log,
		})
		if err != nil {
			return fmt.Errorf("opening the queue: %w", err)
		}
		if err = client.Start(ctx); err == nil {
			<-client.Stopped()
			return nil
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopping is no failure
		}
		c.log.Warn("the queue can't be opened; trying again", "error", err.Error())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff(attempt)):
		}
	}
}

// backoff is how long to wait after attempt number n, at least half and at most all
// of a time that doubles.
func backoff(n int) time.Duration {
	longest := maxDelay
	if n < 7 {
		longest = min(2*firstDelay<<(n-1), maxDelay)
	}
	return longest/2 + rand.N(longest/2)
}

// sender sends one message, once.
type sender struct {
	river.WorkerDefaults[queue.SendArgs]
	c *Connector
}

// NextRetry is when River tries a job again that failed.
func (s *sender) NextRetry(job *river.Job[queue.SendArgs]) time.Time {
	return time.Now().Add(backoff(job.Attempt))
}

// Work sends a message as a step of what queued it.
func (s *sender) Work(ctx context.Context, job *river.Job[queue.SendArgs]) error {
	ctx, span := s.c.begin(tracing.Follow(ctx, job.Metadata), "send", trace.SpanKindProducer, job.Attempt)
	err := s.work(ctx, job)
	var snoozed *river.JobSnoozeError
	if errors.As(err, &snoozed) {
		span.Says(tracing.Outcome.String("later"))
		span.End(nil)
		return err
	}
	span.End(err)
	return err
}

// begin starts a step of a job's.
func (c *Connector) begin(ctx context.Context, name string, kind trace.SpanKind, attempt int) (context.Context, tracing.Span) {
	return tracing.Begin(ctx, name, kind, tracing.Channel.String(c.channel.Name), tracing.Type.String(c.channel.Type), tracing.Attempt.Int(attempt))
}

// work sends a message, or finds out what became of an earlier attempt:
//
//	unknown outcome → ask the provider → it has the message: keep its id
//	                                   → it has none: attempt
//	                                   → it can't be asked now: later, never by guess
//	                                   → it can never be asked: staff see that it is unknown
//	attempt → noted in the database → POST → accepted, refused for good, not sent, or unknown
//	        → an automated message, and its guest's night: when the window opens
//
// Its errors are kept in the queue and logged: they name no address and no text.
func (s *sender) work(ctx context.Context, job *river.Job[queue.SendArgs]) error {
	k := messageKey{job.Args.MessageID, job.Args.At}
	o, err := s.c.database.outbound(ctx, k)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return s.expired(ctx, k)
	case err != nil:
		return err
	case o.providerID != nil || o.status != "queued" && o.status != "sending":
		return nil // a callback was faster, or another run
	}
	files, whole, err := s.c.filesOf(ctx, k, job.Args.Files)
	switch {
	case err != nil:
		return err
	case !whole: // its words alone are not what was meant
		return s.expired(ctx, k)
	}
	last := job.Attempt >= job.MaxAttempts || o.age > maxAge
	if o.attempted != nil {
		if wait := settleTime - o.lastAttempt; wait > 0 {
			return river.JobSnooze(wait)
		}
		settled, err := s.ask(ctx, k, o)
		if settled {
			return nil
		}
		if err != nil {
			return s.later(ctx, k, "unknown", codeNoProvider, last, err)
		}
	}
	keys, err := addresshash.Load(s.c.keysDir)
	if err != nil {
		// Without keys nobody can tell who has opted out: it is not sent, and at last staff are told.
		return s.later(ctx, k, "failed", codeNoKeys, last, err)
	}
	_, hashes := person.Hashes(keys, s.c.provider.Addresses(o.address))
	verdict, err := s.c.database.beginAttempt(ctx, k, hashes)
	if err != nil {
		return err
	}
	switch verdict {
	case verdictSend:
		return s.attempt(ctx, k, o, files, last)
	case verdictWait:
		wait, err := s.c.database.outboundWait(ctx, k)
		if err != nil {
			return err
		}
		return river.JobSnooze(min(max(wait, 0), maxWait))
	case verdictSuppressed:
		failures.add(contract.FailureSuppressed, 1)
		s.c.log.Info("a message was not sent: its guest has opted out", "message", k.id.String())
	}
	return nil
}

// attempt posts the message and records what is then known.
func (s *sender) attempt(ctx context.Context, k messageKey, o outbound, files []provider.File, last bool) error {
	asking, span := tracing.Begin(ctx, "ask the provider", trace.SpanKindClient, tracing.Type.String(s.c.channel.Type))
	m, err := s.c.provider.Send(asking, provider.Outgoing{
		Key: provider.Key{ID: k.id, At: k.at}, To: o.address, Body: o.body, Files: files, Template: o.template,
	})
	came := outcome(err)
	span.Says(tracing.Outcome.String(came))
	span.End(err)
	// What is known now must be recorded, even when the connector is told to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	sends.add(came, 1)
	var refused *provider.RefusedError
	var notSent *provider.NotSentError
	switch {
	case err == nil:
		return s.bind(ctx, k, m)
	case errors.As(err, &refused):
		s.c.log.Warn("a message was refused", "message", k.id.String(), "code", refused.Code, "reason", refused.Reason)
		_, err = s.c.database.recordStatus(ctx, update{
			message: &k, status: "failed", errorCode: refused.Code, blocked: refused.Blocked,
		})
		if err == nil {
			reason := contract.FailureRefused
			if refused.Blocked {
				reason = contract.FailureBlocked
			}
			failures.add(reason, 1)
		}
		return err
	case errors.As(err, &notSent):
		// An earlier attempt may be unknown still; this one is not.
		if o.attempted == nil {
			if recording := s.c.database.recordNotSent(ctx, k); recording != nil {
				return recording
			}
		}
		if notSent.After > 0 && !last {
			return river.JobSnooze(notSent.After + rand.N(time.Second))
		}
		return s.later(ctx, k, "failed", codeNoProvider, last, err)
	default:
		return s.later(ctx, k, "unknown", codeNoProvider, last, err)
	}
}

// outcome is what an attempt came to, in a word.
func outcome(err error) string {
	var refused *provider.RefusedError
	var notSent *provider.NotSentError
	switch {
	case err == nil:
		return "accepted"
	case errors.As(err, &refused):
		return "refused"
	case errors.As(err, &notSent):
		return "not_sent"
	default:
		return "unknown"
	}
}

// What staff are told of a message that was given up.
const (
	codeNoProvider = "provider-unavailable"
	codeNoKeys     = "keys-unavailable"
	// codeAmbiguous and codeUnanswered go with unknown: several messages that the provider
	// has could be this one; or the provider can't be asked.
	codeAmbiguous  = "ambiguous"
	codeUnanswered = "unanswered"
)

// later gives the message to the queue again, or ends it with status and code when
// it was the last time.
func (s *sender) later(ctx context.Context, k messageKey, status, code string, last bool, err error) error {
	if !last || isRefusal(err) {
		return err
	}
	s.c.log.Error("sending a message is given up", "message", k.id.String(), "status", status, "error", err.Error())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	_, err = s.c.database.recordStatus(ctx, update{message: &k, status: status, errorCode: code})
	if err == nil {
		reason := contract.FailureUnavailable
		if code == codeNoKeys {
			reason = contract.FailureKeys
		}
		failures.add(reason, 1)
	}
	return err
}

// expired ends a message whose content was deleted before it was sent.
func (s *sender) expired(ctx context.Context, k messageKey) error {
	err := s.c.database.recordExpired(ctx, k)
	if err == nil {
		failures.add(contract.FailureExpired, 1)
	}
	return err
}

// bind keeps the provider's id of a message.
func (s *sender) bind(ctx context.Context, k messageKey, m provider.Sent) error {
	u := update{message: &k, providerID: m.ID, status: m.Status, errorCode: m.ErrorCode}
	if u.status == "" {
		u.status = "accepted"
	}
	ok, err := s.c.database.recordStatus(ctx, u)
	if err == nil && !ok {
		err = errors.New("the provider's id belongs to another message; asking again")
	}
	return err
}
