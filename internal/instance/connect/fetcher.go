package connect

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-operator/switchboard/internal/instance/file"
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
	// fetchPiece is how much of a file is in memory and in one transaction at a time, in bytes.
	fetchPiece = 512 << 10
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
	span.End(err)
	return err
}

// work fetches a file and keeps it, or says on the attachment why there is none. Nothing is fetched for what has expired or
// was erased. Its errors are kept in the queue and logged: they name no address.
func (f *fetcher) work(ctx context.Context, job *river.Job[queue.FetchArgs]) error {
	id := job.Args.AttachmentID
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
	head := make([]byte, media.Head)
	n, err := io.ReadFull(body, head)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return &provider.MediaError{Reason: media.Empty}
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("reading a file from the provider: %w", err)
	}
	head = head[:n]
	kind, ok := media.TypeOf(head)
	if !ok {
		return &provider.MediaError{Reason: media.TypeNotAllowed}
	}
	got := &counted{head: head, rest: body, sum: sha256.New()}
	if f.c.objects == nil {
		return f.intoDatabase(ctx, id, kind, got)
	}
	return f.intoStore(ctx, id, kind, got)
}

// intoDatabase keeps a file piece by piece.
func (f *fetcher) intoDatabase(ctx context.Context, id uuid.UUID, kind string, got *counted) error {
	buffer := make([]byte, fetchPiece)
	for at := int64(0); ; at = got.size {
		n, err := io.ReadFull(got, buffer)
		if n > 0 {
			wanted, err := f.c.database.keepPiece(ctx, id, at, buffer[:n])
			if err != nil {
				return err
			}
			if !wanted {
				return &provider.MediaError{Reason: media.Expired}
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && got.ended {
			break
		}
		if err != nil {
			return err
		}
	}
	_, err := f.kept(ctx, id, kind, got, file.Stored{})
	return err
}

// intoStore keeps a file as an object. Until its row commits, its key is nowhere: what is left of one that comes to nothing
// nobody reads, and the next retention run removes it.
func (f *fetcher) intoStore(ctx context.Context, id uuid.UUID, kind string, got *counted) error {
	stored, err := file.Stream(ctx, f.c.objects, got)
	if err != nil {
		return err
	}
	named, err := f.kept(ctx, id, kind, got, stored)
	if err == nil && !named {
		_, _ = f.c.objects.Remove(ctx, []string{stored.Object}) // what can't be removed now, retention finds
	}
	return err
}

// kept ends a fetch; named is false when nothing names the object.
func (f *fetcher) kept(ctx context.Context, id uuid.UUID, kind string, got *counted, stored file.Stored) (named bool, err error) {
	outcome, err := f.c.database.keepMedia(ctx, id, kind, got.sum.Sum(nil), got.size, stored)
	if err != nil {
		return false, err
	}
	fetches.WithLabelValues(outcome).Inc()
	return outcome == "kept", nil
}

// counted reads a file whose head was read already, bounds it, and knows its digest.
type counted struct {
	head  []byte
	rest  io.Reader
	sum   hash.Hash
	size  int64
	ended bool // the provider says that this is all
}

func (c *counted) Read(b []byte) (n int, err error) {
	if len(c.head) > 0 {
		n = copy(b, c.head)
		c.head = c.head[n:]
	} else {
		n, err = c.rest.Read(b)
	}
	c.sum.Write(b[:n])
	c.size += int64(n)
	switch {
	case c.size > media.MaxInbound:
		return n, &provider.MediaError{Reason: media.TooLarge}
	case errors.Is(err, io.EOF):
		c.ended = true
	case err != nil:
		err = fmt.Errorf("reading a file from the provider: %w", err)
	}
	return n, err
}
