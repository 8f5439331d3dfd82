package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/instance/live"
)

type assignRequest struct {
	Staff *uuid.UUID `json:"staff"` // null: nobody
}

type noteRequest struct {
	Body string `json:"body"`
}

// maxNote bounds a note, in characters.
const maxNote = 4000

// putAssignee says who sees to a conversation.
func putAssignee(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "conversation")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in assignRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if _, err := findConversation(ctx, c.tx, id); err != nil {
		return reply{}, err
	}
	if in.Staff != nil {
		var may bool
		err := c.tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM sb.staff WHERE id = $1 AND disabled_at IS NULL AND role = ANY ($2))", *in.Staff, answerers).Scan(&may)
		if err != nil {
			return reply{}, fmt.Errorf("looking for an account: %w", err)
		}
		if !may {
			return reply{}, fail(http.StatusConflict, typeNotAssignable, "Nobody of that id answers guests here; choose one of GET /api/v1/colleagues who is an agent or a supervisor.")
		}
	}
	_, err = c.tx.Exec(ctx, "UPDATE sb.conversation SET assignee = $2 WHERE id = $1 AND assignee IS DISTINCT FROM $2", id, in.Staff)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23503" { // foreign_key_violation: the account went meanwhile
		return reply{}, fail(http.StatusConflict, typeNotAssignable, "That account is gone; choose another.")
	}
	if err != nil {
		return reply{}, fmt.Errorf("assigning a conversation: %w", err)
	}
	if err := live.Tell(ctx, c.tx, id); err != nil {
		return reply{}, err
	}
	v, err := findConversation(ctx, c.tx, id)
	return reply{status: http.StatusOK, body: v}, err
}

// postNote stores what staff are to know of a guest, and sends nothing.
func postNote(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "conversation")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in noteRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if err := checkText("body", in.Body, 1, maxNote); err != nil {
		return reply{}, err
	}
	// An erasure that was faster has taken the thread: nothing may be stored in it any more. One that is slower waits.
	if err := c.tx.QueryRow(ctx, "SELECT id FROM sb.conversation WHERE id = $1 FOR UPDATE", id).Scan(&id); errors.Is(err, pgx.ErrNoRows) {
		return reply{}, notFound("conversation")
	} else if err != nil {
		return reply{}, fmt.Errorf("locking a conversation: %w", err)
	}
	v, err := findConversation(ctx, c.tx, id)
	if err != nil {
		return reply{}, err
	}
	noteID, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("making an id: %w", err)
	}
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, staff_id, status) VALUES ($1, now(), $2, $3, 'note', 'staff', $4, 'noted')`,
		noteID, id, v.Channel, c.staff.ID)
	batch.Queue("INSERT INTO sb.message_body (id, at, conversation_id, channel, body) VALUES ($1, now(), $2, $3, $4)", noteID, id, v.Channel, in.Body)
	if err := c.tx.SendBatch(ctx, batch).Close(); err != nil {
		return reply{}, fmt.Errorf("storing a note: %w", err)
	}
	rows, _ := c.tx.Query(ctx, selectMessage+"WHERE m.at = now() AND m.id = $1", noteID)
	m, err := pgx.CollectExactlyOneRow(rows, scanMessage)
	if err != nil {
		return reply{}, fmt.Errorf("reading a note: %w", err)
	}
	m.row.Attachments = []attachment{}
	return reply{status: http.StatusCreated, body: m.row}, nil
}
