package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
)

const (
	// archivePiece is how much of an archive is read and sent at once, in bytes.
	archivePiece = 1 << 20
	// downloadTimeout bounds a download; one that takes longer can be begun anew.
	downloadTimeout = 15 * time.Minute
)

// errSending says that the client went away: the archive stays.
var errSending = errors.New("the client went away")

// downloadArchive hands out what a person asked for by an Access request, once: the
// archive goes in the transaction that has sent all of it. Whoever asks proves that they
// know the archive's token; a wrong one, one that was used and one that has expired are
// all the same here.
func (s *Server) downloadArchive(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), downloadTimeout)
	defer cancel()
	sent := false
	err := s.mayTryArchive(r)
	if err == nil {
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			id, err := pathID(r, "archive")
			if err != nil {
				return err
			}
			if err := logAccess(ctx, tx, r, nil, &id, http.StatusOK); err != nil {
				return err
			}
			return sendArchive(ctx, tx, w, id, sha256.Sum256([]byte(bearer(r))), &sent)
		})
	}
	if err == nil {
		s.ips.forgive(httpserve.ClientIP(r).String(), time.Now())
		return
	}
	if sent { // the answer has begun: cutting it off is all that can be said
		s.log.Info("a download broke off", "route", r.Pattern)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		if err := logAccess(ctx, s.pool, r, nil, nil, http.StatusOK); err != nil {
			s.log.Error("the access log failed", "route", r.Pattern, "error", err.Error())
		}
		panic(http.ErrAbortHandler)
	}
	p := problemOf(err)
	if p.Status >= 500 {
		s.log.Error("a request failed", "route", r.Pattern, "status", p.Status, "error", err.Error())
	}
	if err := logAccess(ctx, s.pool, r, nil, nil, p.Status); err != nil {
		s.log.Error("the access log failed", "route", r.Pattern, "error", err.Error())
	}
	p.write(w)
}

// mayTryArchive bounds guesses by the address that they come from.
func (s *Server) mayTryArchive(r *http.Request) error {
	if r.Method != http.MethodGet { // a HEAD must not use the archive up
		p := fail(http.StatusMethodNotAllowed, typeUnspecific, "This address takes GET.")
		p.headers = http.Header{"Allow": {"GET"}}
		return p
	}
	if wait := s.ips.try(httpserve.ClientIP(r).String(), time.Now()); wait > 0 {
		p := fail(http.StatusTooManyRequests, typeTooManyTries, "There were too many tries; wait as long as Retry-After says.")
		p.retryAfter = wait
		return p
	}
	return nil
}

func sendArchive(ctx context.Context, tx pgx.Tx, w http.ResponseWriter, id uuid.UUID, token [sha256.Size]byte, sent *bool) error {
	var size int64
	err := tx.QueryRow(ctx, "SELECT size FROM sb.archive_open($1, $2)", id, token[:]).Scan(&size)
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound("archive")
	}
	if err != nil {
		return err
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(downloadTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	for at := int64(0); at < size; at += archivePiece {
		var b []byte
		if err := tx.QueryRow(ctx, "SELECT sb.archive_read($1, $2, $3, $4)", id, token[:], at, archivePiece).Scan(&b); err != nil {
			return err
		}
		if !*sent {
			*sent = true
			h := w.Header()
			h.Set("Content-Type", "application/octet-stream")
			h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.zip.age"`, id))
			h.Set("Content-Length", strconv.FormatInt(size, 10))
		}
		if _, err := w.Write(b); err != nil {
			return errors.Join(errSending, err)
		}
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return errors.Join(errSending, err)
	}
	_, err = tx.Exec(ctx, "SELECT sb.archive_remove($1, $2)", id, token[:])
	return err
}
