package connect

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// keepPiece is how much of a file is in memory and in one transaction at a time, in bytes.
const keepPiece = 512 << 10

// headOf reads the beginning of a file and tells its type by it. It fails with *provider.MediaError for one that is not kept.
func headOf(body io.Reader) (head []byte, kind string, err error) {
	head = make([]byte, media.Head)
	n, err := io.ReadFull(body, head)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil, "", &provider.MediaError{Reason: media.Empty}
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, "", fmt.Errorf("reading a guest's file: %w", err)
	}
	kind, ok := media.TypeOf(head[:n])
	if !ok {
		return nil, "", &provider.MediaError{Reason: media.TypeNotAllowed}
	}
	return head[:n], kind, nil
}

// outcomeGone is what sb.media_keep says of a file that nobody waits for any more.
const outcomeGone = "gone"

// keep keeps a guest's file, of which head was read already, for an attachment that waits for it. It gives what sb.media_keep says of it,
// and fails with *provider.MediaError when it is too large, or nobody waits any more before its end has come.
func (c *Connector) keep(ctx context.Context, id uuid.UUID, kind string, head []byte, rest io.Reader) (outcome string, err error) {
	got := &counted{head: head, rest: rest, sum: sha256.New()}
	if c.objects == nil {
		return c.intoDatabase(ctx, id, kind, got)
	}
	return c.intoStore(ctx, id, kind, got)
}

// intoDatabase keeps a file piece by piece.
func (c *Connector) intoDatabase(ctx context.Context, id uuid.UUID, kind string, got *counted) (outcome string, err error) {
	buffer := make([]byte, keepPiece)
	for at := int64(0); ; at = got.size {
		n, err := io.ReadFull(got, buffer)
		if n > 0 {
			wanted, err := c.database.keepPiece(ctx, id, at, buffer[:n])
			if err != nil {
				return "", err
			}
			if !wanted {
				return "", &provider.MediaError{Reason: media.Expired}
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && got.ended {
			break
		}
		if err != nil {
			return "", err
		}
	}
	return c.kept(ctx, id, kind, got, file.Stored{})
}

// intoStore keeps a file as an object. Until its row commits, its key is nowhere: what is left of one that comes to nothing
// nobody reads, and the next retention run removes it.
func (c *Connector) intoStore(ctx context.Context, id uuid.UUID, kind string, got *counted) (outcome string, err error) {
	stored, err := file.Stream(ctx, c.objects, got)
	if err != nil {
		return "", err
	}
	outcome, err = c.kept(ctx, id, kind, got, stored)
	if err == nil && outcome != "kept" { // nothing names the object
		_, _ = c.objects.Remove(ctx, []string{stored.Object}) // what can't be removed now, retention finds
	}
	return outcome, err
}

// kept ends a fetch.
func (c *Connector) kept(ctx context.Context, id uuid.UUID, kind string, got *counted, stored file.Stored) (outcome string, err error) {
	outcome, err = c.database.keepMedia(ctx, id, kind, got.sum.Sum(nil), got.size, stored)
	if err == nil {
		fetches.WithLabelValues(outcome).Inc()
	}
	return outcome, err
}

// counted reads a file whose head was read already, bounds it, and knows its digest.
type counted struct {
	head  []byte
	rest  io.Reader
	sum   hash.Hash
	size  int64
	ended bool // whoever sends it says that this is all
}

func (r *counted) Read(b []byte) (n int, err error) {
	if len(r.head) > 0 {
		n = copy(b, r.head)
		r.head = r.head[n:]
	} else {
		n, err = r.rest.Read(b)
	}
	r.sum.Write(b[:n])
	r.size += int64(n)
	switch {
	case r.size > media.MaxInbound:
		return n, &provider.MediaError{Reason: media.TooLarge}
	case errors.Is(err, io.EOF):
		r.ended = true
	case err != nil:
		err = fmt.Errorf("reading a guest's file: %w", err)
	}
	return n, err
}
