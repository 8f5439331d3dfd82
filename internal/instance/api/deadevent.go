package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// deadEvent is what another system was not told of in three days, so that it was given up.
type deadEvent struct {
	ID           uuid.UUID       `json:"id"`
	Webhook      string          `json:"webhook"`
	Type         string          `json:"type"`
	At           time.Time       `json:"at"`
	GivenUpAt    time.Time       `json:"givenUpAt"`
	Attempts     int             `json:"attempts"` // since it was sent for the first time, or once more
	Contact      uuid.UUID       `json:"contact"`
	Conversation *uuid.UUID      `json:"conversation"`
	Message      *uuid.UUID      `json:"message"`
	Detail       json.RawMessage `json:"detail"` // a status or a change of consent, in words of ours
	Ended        bool            `json:"ended"`  // the receiver wants no more
}

type deadEventList struct {
	Events     []deadEvent `json:"events"`
	NextCursor *string     `json:"nextCursor"`
}

func listDeadEvents(ctx context.Context, c *call) (reply, error) {
	p, err := readPage(c.http)
	if err != nil {
		return reply{}, err
	}
	rows, err := c.tx.Query(ctx, `SELECT id, webhook, kind, at, dead_at, attempts, contact_id, conversation_id, message_id, detail, ended
		FROM sb.webhook_dead($1, $2, $3)`, p.at, p.id, p.limit+1)
	found, next, err := collect(rows, err, p, func(row pgx.CollectableRow) (placed[deadEvent], error) {
		e, err := pgx.RowToStructByPos[deadEvent](row)
		e.At, e.GivenUpAt = e.At.UTC(), e.GivenUpAt.UTC()
		return placed[deadEvent]{e, e.At, e.ID}, err
	})
	if err != nil {
		return reply{}, fmt.Errorf("listing events that were given up: %w", err)
	}
	return reply{status: http.StatusOK, body: deadEventList{found, next}}, nil
}

// retryEvent has an event sent once more, as what it tells of is now: what has expired or was erased is told to nobody.
func retryEvent(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "event")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	if err := decode(c.w, c.http, &struct{}{}); err != nil {
		return reply{}, err
	}
	var outcome *string
	if err := c.tx.QueryRow(ctx, "SELECT sb.webhook_retry($1)", id).Scan(&outcome); err != nil {
		return reply{}, fmt.Errorf("having an event sent once more: %w", err)
	}
	switch {
	case outcome == nil:
		return reply{}, notFound("event")
	case *outcome == "ended":
		return reply{}, fail(http.StatusConflict, typeNotFailed, "The receiver wants no more events. Have it taken up there, and then change resume of the Tenant's webhook.")
	}
	return reply{status: http.StatusAccepted, body: struct {
		ID uuid.UUID `json:"id"`
	}{id}}, nil
}
