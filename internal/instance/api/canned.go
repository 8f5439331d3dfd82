package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	maxTitle         = 80
	maxCannedReplies = 200
)

// cannedReply is what staff often write.
type cannedReply struct {
	ID        uuid.UUID `json:"id"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	ChangedAt time.Time `json:"changedAt"`
}

type cannedReplyList struct {
	CannedReplies []cannedReply `json:"cannedReplies"`
}

type cannedReplyRequest struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

func scanCannedReply(row pgx.CollectableRow) (cannedReply, error) {
	r, err := pgx.RowToStructByPos[cannedReply](row)
	r.ChangedAt = r.ChangedAt.UTC()
	return r, err
}

func listCannedReplies(ctx context.Context, c *call) (reply, error) {
	rows, _ := c.tx.Query(ctx, "SELECT id, title, body, changed_at FROM sb.canned_reply ORDER BY lower(title), id")
	all, err := pgx.CollectRows(rows, scanCannedReply)
	if err != nil {
		return reply{}, fmt.Errorf("listing canned replies: %w", err)
	}
	return reply{status: http.StatusOK, body: cannedReplyList{append([]cannedReply{}, all...)}}, nil
}

func readCannedReply(c *call) (cannedReplyRequest, error) {
	var in cannedReplyRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return in, err
	}
	return in, errors.Join(checkText("title", in.Title, 1, maxTitle), checkText("body", in.Body, 1, maxReply))
}

func postCannedReply(ctx context.Context, c *call) (reply, error) {
	in, err := readCannedReply(c)
	if err != nil {
		return reply{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("making an id: %w", err)
	}
	c.object = &id
	rows, _ := c.tx.Query(ctx, `INSERT INTO sb.canned_reply (id, title, body) SELECT $1, $2, $3 WHERE (SELECT count(*) FROM sb.canned_reply) < $4
		RETURNING id, title, body, changed_at`, id, in.Title, in.Body, maxCannedReplies)
	r, err := pgx.CollectExactlyOneRow(rows, scanCannedReply)
	if errors.Is(err, pgx.ErrNoRows) {
		return reply{}, fail(http.StatusConflict, typeTaken, fmt.Sprintf("There are %d canned replies; remove one first.", maxCannedReplies))
	}
	return reply{status: http.StatusCreated, body: r}, sameTitle(err)
}

func putCannedReply(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "canned reply")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	in, err := readCannedReply(c)
	if err != nil {
		return reply{}, err
	}
	rows, _ := c.tx.Query(ctx, "UPDATE sb.canned_reply SET title = $2, body = $3, changed_at = now() WHERE id = $1 RETURNING id, title, body, changed_at", id, in.Title, in.Body)
	r, err := pgx.CollectExactlyOneRow(rows, scanCannedReply)
	if errors.Is(err, pgx.ErrNoRows) {
		return reply{}, notFound("canned reply")
	}
	return reply{status: http.StatusOK, body: r}, sameTitle(err)
}

// sameTitle says that another has the title.
func sameTitle(err error) error {
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "23505": // unique_violation
		return fail(http.StatusConflict, typeTaken, "Another canned reply has this title; choose another.")
	case err != nil:
		return fmt.Errorf("storing a canned reply: %w", err)
	}
	return nil
}

func deleteCannedReply(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "canned reply")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	tag, err := c.tx.Exec(ctx, "DELETE FROM sb.canned_reply WHERE id = $1", id)
	if err != nil {
		return reply{}, fmt.Errorf("removing a canned reply: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return reply{}, notFound("canned reply")
	}
	return reply{status: http.StatusNoContent}, nil
}
