package connect

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
	"github.com/switchboard-operator/switchboard/internal/instance/tracing"
)

const (
	maxFetches = 2 // at once
	// fetchAge is when a file that can't be fetched is given up. A store or a provider may be down for long, and what the
	// provider still has is not lost.
	fetchAge = 24 * time.Hour
	// maxFetchDelay bounds the wait between two tries.
	maxFetchDelay = 30 * time.Minute
	// uploadAge is how long a guest's browser may take to send a file of a chat, all tries together.
	uploadAge = 15 * time.Minute
)

// fetcher fetches one file of a guest's from the provider.
type fetcher struct {
	river.WorkerDefaults[queue.FetchArgs]
	c *Connector
}

// Timeout bounds one run of a job: slower than that, no body is worth waiting for.
func (f *fetcher) Timeout(*river.Job[queue.FetchArgs]) time.Duration { return f.c.fetchTimeout }

// NextRetry is when River tries a job again that failed.
func (f *fetcher) NextRetry(job *river.Job[queue.FetchArgs]) time.Time {
	longest := maxFetchDelay
	if job.Attempt < 11 {
		longest = min(2*time.Second<<(job.Attempt-1), maxFetchDelay)
	}
	return time.Now().Add(longest/2 + rand.N(longest/2))
}

// Work fetches a file as a step of what told of it.
func (f *fetcher) Work(ctx context.Context, job *river.Job[queue.FetchArgs]) error {
	ctx, span := f.c.begin(tracing.Follow(ctx, job.Metadata), "fetch", trace.SpanKindClient, job.Attempt)
	err := f.work(ctx, job)
	var snoozed *river.JobSnoozeError
	if errors.As(err, &snoozed) {
		span.Says(tracing.Outcome.String("later"))
		span.End(nil)
		return err
	}
	span.End(err)
	return err
}

// work fetches a file and keeps it, or says on the attachment why there is none. Nothing is fetched for what has expired or
// was erased. Its errors are kept in the queue and logged: they name no address.
func (f *fetcher) work(ctx context.Context, job *river.Job[queue.FetchArgs]) error {
	id := job.Args.AttachmentID
	if f.c.chat != nil {
		return f.abandoned(ctx, id)
	}
	source, age, err := f.c.database.pendingMedia(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return f.refuse(ctx, id, media.Expired) // changes nothing for one that is gone or done
	}
	if err != nil {
		return err
	}
	err = f.fetch(ctx, id, source)
	var final *provider.MediaError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &final):
		return f.refuse(ctx, id, final.Reason)
	case age > fetchAge || job.Attempt >= job.MaxAttempts:
		f.c.log.Error("fetching a file is given up", "attachment", id.String(), "error", err.Error())
		return f.refuse(ctx, id, media.Unavailable)
	}
	fetches.WithLabelValues("failed").Inc()
	return err
}

// abandoned ends the waiting for a file that a guest's browser began to send to a chat, and did not end. There is nowhere to
// fetch it from.
func (f *fetcher) abandoned(ctx context.Context, id uuid.UUID) error {
	_, age, err := f.c.database.pendingMedia(ctx, id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil // it came, or is gone
	case err != nil:
		return err
	case age < f.c.uploadAge:
		return river.JobSnooze(f.c.uploadAge - age)
	}
	return f.refuse(ctx, id, media.Unavailable)
}

func (f *fetcher) refuse(ctx context.Context, id uuid.UUID, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	f.c.log.Info("a guest's file is not kept", "attachment", id.String(), "reason", reason)
	fetches.WithLabelValues("refused").Inc()
	return f.c.database.refuseMedia(ctx, id, reason)
}

func (f *fetcher) fetch(ctx context.Context, id uuid.UUID, source string) error {
	from, ok := f.c.provider.(provider.Fetcher)
	if !ok {
		return &provider.MediaError{Reason: media.Unavailable}
	}
	body, err := from.Fetch(ctx, source)
	if err != nil {
		return err
	}
	defer body.Close()
	head, kind, err := headOf(body)
	if err != nil {
		return err
	}
	_, err = f.c.keep(ctx, id, kind, head, body) // one that is gone meanwhile is no failure
	return err
}
