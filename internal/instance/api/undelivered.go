package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// undelivered is a message to a guest that did not arrive, or may not have.
type undelivered struct {
	message
	Conversation uuid.UUID `json:"conversation"`
	Channel      string    `json:"channel"`
}

// codeExpired is what sb.record_expired leaves of a message of which something expired before it was sent: a file, or all of it.
const codeExpired = "expired"

type undeliveredList struct {
	Messages   []undelivered `json:"messages"`
	NextCursor *string       `json:"nextCursor"`
}

type retryRequest struct {
	// MayArriveTwice sends although the first one may have arrived.
	MayArriveTwice bool `json:"mayArriveTwice"`
	// DespiteOptOutRequest is as in postMessageRequest.
	DespiteOptOutRequest bool `json:"despiteOptOutRequest"`
}

func listUndelivered(ctx context.Context, c *call) (reply, error) {
	p, err := readPage(c.http)
	if err != nil {
		return reply{}, err
	}
	rows, err := c.tx.Query(ctx, `SELECT m.id, m.at, m.direction, m.origin, m.status, m.error_code, b.body, b.at + `+untilExpiry+`, `+whatWaits+`,
			(SELECT COALESCE(NULLIF(f.name, ''), f.email) FROM sb.staff f WHERE f.id = m.staff_id), m.conversation_id, m.channel
		FROM sb.message m LEFT JOIN sb.message_body b ON b.at = m.at AND b.id = m.id
		WHERE m.direction = 'out' AND m.status IN ('failed', 'unknown') AND (m.at, m.id) < ($1, $2) ORDER BY m.at DESC, m.id DESC LIMIT $3`, p.at, p.id, p.limit+1)
	found, next, err := collect(rows, err, p, func(row pgx.CollectableRow) (placed[undelivered], error) {
		var m undelivered
		err := row.Scan(&m.ID, &m.At, &m.Direction, &m.Origin, &m.Status, &m.ErrorCode, &m.Body, &m.ExpiresAt, &m.Waits, &m.Author, &m.Conversation, &m.Channel)
		m.inUTC()
		return placed[undelivered]{m, m.At, m.ID}, err
	})
	if err != nil {
		return reply{}, fmt.Errorf("listing what did not arrive: %w", err)
	}
	messages := make([]message, len(found))
	for i := range found {
		messages[i] = found[i].message
	}
	if err := attach(ctx, c.tx, messages); err != nil {
		return reply{}, err
	}
	for i := range found {
		found[i].message = messages[i]
	}
	return reply{status: http.StatusOK, body: undeliveredList{found, next}}, nil
}

// retryMessage sends a reply that failed once more, as a new message with all the checks of
// one. Asked again it answers with the same new message.
func (s *Server) retryMessage(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "conversation")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	failed, err := uuid.Parse(c.http.PathValue("message"))
	if err != nil {
		return reply{}, notFound("message")
	}
	var in retryRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	v, err := findConversation(ctx, c.tx, id)
	if err != nil {
		return reply{}, err
	}
	old, err := findFailed(ctx, c.tx, id, failed, in.MayArriveTwice)
	if err != nil {
		return reply{}, err
	}
	var now time.Time
	if err := c.tx.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
		return reply{}, fmt.Errorf("asking for the time: %w", err)
	}
	messageID, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("making an id: %w", err)
	}
	key := sha256.Sum256(append([]byte("retry\x00"), failed[:]...))
	earlier, err := claimKey(ctx, c.tx, key[:], messageID, now, postMessageRequest{Body: *old.Body}, nil)
	if earlier != nil || err != nil {
		return reply{status: http.StatusAccepted, body: earlier}, err
	}
	if err := checkReachable(ctx, c.tx, v, in.DespiteOptOutRequest); err != nil {
		return reply{}, err
	}
	if err := checkWindow(ctx, c.tx, v, nil); err != nil {
		return reply{}, err
	}
	m := message{ID: messageID, At: now.UTC(), Direction: "out", Origin: "staff", Status: "queued", Body: old.Body, Author: author(c), Attachments: []attachment{}}
	if err := s.storeReply(ctx, c, v, &m, outgoing{}); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, body: m}, nil
}

// findFailed reads a reply that may be sent once more.
func findFailed(ctx context.Context, tx pgx.Tx, conversation, id uuid.UUID, twice bool) (message, error) {
	rows, err := tx.Query(ctx, selectMessage+"WHERE m.conversation_id = $1 AND m.id = $2", conversation, id)
	if err != nil {
		return message{}, fmt.Errorf("reading a message: %w", err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, scanMessage)
	if errors.Is(err, pgx.ErrNoRows) {
		return message{}, notFound("message")
	}
	if err != nil {
		return message{}, fmt.Errorf("reading a message: %w", err)
	}
	m := found.row
	var more bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sb.attachments_of(ARRAY[$1::uuid]))
		OR EXISTS (SELECT FROM sb.message_body WHERE id = $1 AND at = $2 AND template IS NOT NULL)`, m.ID, m.At).Scan(&more)
	if err != nil {
		return m, fmt.Errorf("looking for what went with a message: %w", err)
	}
	switch {
	case m.Direction != "out" || m.Origin != "staff" && m.Origin != originAutomated || m.Status != "failed" && m.Status != "unknown":
		return m, fail(http.StatusConflict, typeNotFailed, "Only a reply of staff, or an automated message, that has failed can be sent once more; read its status.")
	case m.Status == "unknown" && !twice:
		return m, fail(http.StatusConflict, typeNotFailed, "Nobody knows whether this one arrived. Send it once more with mayArriveTwice set to true, or ask the guest.")
	case more || m.ErrorCode != nil && *m.ErrorCode == codeExpired:
		return m, fail(http.StatusConflict, typeNotFailed, "This one had a file or was a template, or expired before it was sent: send that again by POST /api/v1/conversations/{id}/messages.")
	case m.Body == nil:
		return m, notFound("text")
	}
	return m, nil
}
