package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
)

// attachment is a file of a message, or why there is none.
type attachment struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	State     string    `json:"state"`  // stored, pending or refused
	Reason    *string   `json:"reason"` // a word of package media, of one that was refused
	MediaType *string   `json:"mediaType"`
	Size      *int64    `json:"size"` // bytes
}

// attach adds to messages what files they bear.
func attach(ctx context.Context, tx pgx.Tx, messages []message) error {
	ids := make([]uuid.UUID, len(messages))
	at := map[uuid.UUID]int{}
	for i := range messages {
		messages[i].Attachments = []attachment{}
		ids[i], at[messages[i].ID] = messages[i].ID, i
	}
	rows, err := tx.Query(ctx, "SELECT message_id, id, name, state, reason, media_type, size FROM sb.attachments_of($1)", ids)
	if err != nil {
		return fmt.Errorf("reading attachments: %w", err)
	}
	var of uuid.UUID
	var a attachment
	_, err = pgx.ForEachRow(rows, []any{&of, &a.ID, &a.Name, &a.State, &a.Reason, &a.MediaType, &a.Size}, func() error {
		messages[at[of]].Attachments = append(messages[at[of]].Attachments, a)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading attachments: %w", err)
	}
	return nil
}

// fileTimeout bounds the download of an attachment.
const fileTimeout = 2 * time.Minute

// getAttachment hands a file out. That it was asked for is in the access log before its first byte is sent.
func (s *Server) getAttachment(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "attachment")
	if err != nil {
		return reply{}, err
	}
	var conversation uuid.UUID
	var name, kind string
	var size int64
	var object, key *string
	err = c.tx.QueryRow(ctx, "SELECT conversation_id, name, media_type, size, object, object_key FROM sb.attachment_file($1)", id).
		Scan(&conversation, &name, &kind, &size, &object, &key)
	if errors.Is(err, pgx.ErrNoRows) {
		return reply{}, notFound("attachment")
	}
	if err != nil {
		return reply{}, fmt.Errorf("reading an attachment: %w", err)
	}
	c.object = &conversation // by which those who ask who looked at a guest's thread find it
	return reply{status: http.StatusOK, stream: func(w http.ResponseWriter) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fileTimeout)
		defer cancel()
		stop := context.AfterFunc(c.http.Context(), cancel) //nolint:contextcheck // the transaction is over by then, the request is not
		defer stop()
		body, err := s.open(ctx, id, size, object, key)
		if err != nil {
			return err
		}
		defer body.Close()
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(fileTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("bounding a download: %w", err)
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Length", strconv.FormatInt(size, 10))
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": media.FileName(name, id.String(), kind)}))
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		if _, err := io.CopyN(w, body, size); err != nil {
			s.log.Info("a download broke off", "route", c.http.Pattern)
			panic(http.ErrAbortHandler) // the answer has begun: cutting it off is all that can be said
		}
		return nil
	}}, nil
}

// open reads a file from where it is. Each piece asks anew whether it may be read: what expires meanwhile breaks off.
func (s *Server) open(ctx context.Context, id uuid.UUID, size int64, object, key *string) (io.ReadCloser, error) {
	if object != nil && key != nil {
		body, err := file.Open(ctx, s.objects, *object, *key)
		if errors.Is(err, file.ErrMissing) {
			return nil, notFound("attachment")
		}
		if err != nil {
			s.log.Error("a file can't be read from the object store", "error", err.Error())
			p := fail(http.StatusServiceUnavailable, typeUnavailable, "The file can't be read from its store at the moment; try again in a few seconds.")
			p.retryAfter = retryWhenDatabase
			return nil, p
		}
		return body, nil
	}
	return io.NopCloser(file.Pieces(size, func(at int64, length int) (b []byte, err error) {
		err = s.pool.QueryRow(ctx, "SELECT sb.attachment_piece($1, $2, $3)", id, at, length).Scan(&b)
		if errors.Is(err, pgx.ErrNoRows) {
			err = file.ErrMissing
		}
		return b, err
	})), nil
}
