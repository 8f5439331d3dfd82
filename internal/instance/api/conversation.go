package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// maxPreview is how many characters of its last message a list shows.
	maxPreview = 160
	// maxNamed bounds how many conversations can be asked for by their ids.
	maxNamed = 50
)

type conversation struct {
	ID      uuid.UUID    `json:"id"`
	Channel string       `json:"channel"`
	Contact *contactName `json:"contact"` // null once the guest has expired
	// LastMessageAt and LastMessage are null once all messages have expired.
	LastMessageAt *time.Time   `json:"lastMessageAt"`
	LastMessage   *lastMessage `json:"lastMessage"`
	OptOut        string       `json:"optOut"` // an optOut…
	Reply         allowed      `json:"reply"`
	Assignee      *assignee    `json:"assignee"` // null: nobody
}

// assignee is who sees to a conversation.
type assignee struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"` // the e-mail address where there is none
}

// Whether a guest may be written to, as sb.opt_out says it.
const (
	optOutNone      = "none"
	optOutRequested = "requested" // in words of the guest's own; staff decide
	optOutDone      = "optedOut"
)

type contactName struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

type lastMessage struct {
	Direction string  `json:"direction"`
	Status    string  `json:"status"`
	Preview   *string `json:"preview"` // null once the content has expired
}

type conversationList struct {
	Conversations []conversation `json:"conversations"`
	NextCursor    *string        `json:"nextCursor"`
}

// selectConversation reads conversations of which something is still live. A thread
// has no limit of its own: it shows while its guest or one of its messages does.
const selectConversation = `SELECT v.id, v.channel, v.last_message_at, COALESCE(h.id, g.id), COALESCE(h.name, g.name), m.at, m.direction, m.status,
		left(b.body, $1), sb.opt_out(v.id), f.id, COALESCE(NULLIF(f.name, ''), f.email)
	FROM sb.conversation v
	LEFT JOIN sb.contact g ON g.id = v.contact_id
	LEFT JOIN sb.contact h ON h.id = g.person -- whom staff see
	LEFT JOIN sb.staff f ON f.id = v.assignee
	LEFT JOIN LATERAL (
		SELECT id, at, direction, status FROM sb.message
		WHERE conversation_id = v.id AND direction <> 'note' ORDER BY at DESC, id DESC LIMIT 1
	) m ON true
	LEFT JOIN sb.message_body b ON b.at = m.at AND b.id = m.id
	WHERE (g.id IS NOT NULL OR m.id IS NOT NULL) `

// scanConversation also returns the thread's place in the list.
func scanConversation(row pgx.CollectableRow) (placed[conversation], error) {
	var v conversation
	var placedAt time.Time
	var contactID, staffID *uuid.UUID
	var name, direction, status, preview, colleague *string
	err := row.Scan(&v.ID, &v.Channel, &placedAt, &contactID, &name, &v.LastMessageAt, &direction, &status, &preview, &v.OptOut, &staffID, &colleague)
	if err != nil {
		return placed[conversation]{}, err
	}
	if contactID != nil {
		v.Contact = &contactName{*contactID, *name}
	}
	if staffID != nil {
		v.Assignee = &assignee{*staffID, *colleague}
	}
	if v.LastMessageAt != nil {
		*v.LastMessageAt = v.LastMessageAt.UTC()
		v.LastMessage = &lastMessage{*direction, *status, preview}
	}
	return placed[conversation]{v, placedAt, v.ID}, nil
}

func listConversations(ctx context.Context, c *call) (reply, error) {
	p, err := readPage(c.http, "channel", "q", "assignee", "ids")
	if err != nil {
		return reply{}, err
	}
	var channel *string
	query := c.http.URL.Query()
	if query.Has("channel") {
		name := query.Get("channel")
		if err := checkText("channel", name, 1, 63); err != nil {
			return reply{}, err
		}
		channel = &name
	}
	narrowed, args := "", []any{maxPreview, channel, p.at, p.id, p.limit + 1}
	if query.Has("q") {
		words, digits, err := readSearch(query.Get("q"))
		if err != nil {
			return reply{}, err
		}
		narrowed = " AND v.id IN (SELECT id FROM sb.search_conversations($6, $7, $2, $3, $4, $5))"
		args = append(args, words, digits)
	}
	if query.Has("assignee") {
		if query.Get("assignee") == "none" {
			narrowed += " AND v.assignee IS NULL"
		} else if id, err := uuid.Parse(query.Get("assignee")); err == nil && c.system == nil {
			args = append(args, id)
			narrowed += fmt.Sprintf(" AND v.assignee = $%d", len(args))
		} else {
			return reply{}, badRequest("The parameter assignee must be the id of a colleague, or none.")
		}
	}
	if query.Has("ids") {
		ids, err := readIDs(query.Get("ids"))
		if err != nil {
			return reply{}, err
		}
		args = append(args, ids)
		narrowed += fmt.Sprintf(" AND v.id = ANY ($%d)", len(args))
	}
	rows, err := c.tx.Query(ctx, selectConversation+`AND ($2::text IS NULL OR v.channel = $2)
		AND (v.last_message_at, v.id) < ($3, $4)`+narrowed+` ORDER BY v.last_message_at DESC, v.id DESC LIMIT $5`, args...)
	found, next, err := collect(rows, err, p, scanConversation)
	if err != nil {
		return reply{}, fmt.Errorf("listing conversations: %w", err)
	}
	if err := allowedNow(ctx, c.tx, found); err != nil {
		return reply{}, err
	}
	for i := range found {
		c.outside(&found[i].Assignee)
	}
	return reply{status: http.StatusOK, body: conversationList{found, next}}, nil
}

// readIDs reads ids of conversations, separated by commas.
func readIDs(text string) ([]uuid.UUID, error) {
	texts := strings.SplitN(text, ",", maxNamed+1)
	ids := make([]uuid.UUID, 0, len(texts))
	for _, t := range texts {
		id, err := uuid.Parse(t)
		if err != nil || len(t) != 36 || len(texts) > maxNamed {
			return nil, badRequest(fmt.Sprintf("The parameter ids must be 1 to %d ids of conversations, with commas between them.", maxNamed))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func getConversation(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "conversation")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	v, err := findConversation(ctx, c.tx, id)
	c.outside(&v.Assignee)
	return reply{status: http.StatusOK, body: v}, err
}

// outside leaves out who of the staff it is, where another system asks.
func (c *call) outside(who **assignee) {
	if c.system != nil {
		*who = nil
	}
}

// findConversation reads one thread, or returns a problem of status 404.
func findConversation(ctx context.Context, tx pgx.Tx, id uuid.UUID) (conversation, error) {
	rows, err := tx.Query(ctx, selectConversation+"AND v.id = $2", maxPreview, id)
	if err != nil {
		return conversation{}, fmt.Errorf("reading a conversation: %w", err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, scanConversation)
	if errors.Is(err, pgx.ErrNoRows) {
		return conversation{}, notFound("conversation")
	}
	if err != nil {
		return conversation{}, fmt.Errorf("reading a conversation: %w", err)
	}
	one := []conversation{v.row}
	err = allowedNow(ctx, tx, one)
	return one[0], err
}

// placed is a row with the key by which its list is sorted.
type placed[T any] struct {
	row T
	at  time.Time
	id  uuid.UUID
}

// collect reads the rows of a page, and the cursor of the next one when there is
// one: queries ask for one row more than the page shows.
func collect[T any](rows pgx.Rows, err error, p page, scan pgx.RowToFunc[placed[T]]) ([]T, *string, error) {
	if err != nil {
		return nil, nil, err
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, nil, err
	}
	var next *string
	if len(found) > p.limit {
		found = found[:p.limit]
		last := found[p.limit-1]
		next = writeCursor(last.at, last.id)
	}
	list := make([]T, 0, len(found))
	for _, f := range found {
		list = append(list, f.row)
	}
	return list, next, nil
}
