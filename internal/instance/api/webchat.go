package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// noteSeen has a guest of a web chat see that what they wrote was read: whoever is shown a thread
// has seen it up to the newest message. On other channels nothing is noted.
func noteSeen(ctx context.Context, tx pgx.Tx, conversation uuid.UUID, newestFirst []message) error {
	for _, m := range newestFirst {
		if m.Direction != "in" {
			continue
		}
		if _, err := tx.Exec(ctx, "SELECT sb.web_chat_seen($1, $2, $3)", conversation, m.ID, m.At); err != nil {
			return fmt.Errorf("noting that a thread was seen: %w", err)
		}
		return nil
	}
	return nil
}

// postTyping has the browser of a web chat's guest show that somebody is typing. Nothing is stored.
func postTyping(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "conversation")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	if _, err := findConversation(ctx, c.tx, id); err != nil {
		return reply{}, err
	}
	var told bool
	if err := c.tx.QueryRow(ctx, "SELECT sb.web_chat_typing($1)", id).Scan(&told); err != nil {
		return reply{}, fmt.Errorf("telling that somebody is typing: %w", err)
	}
	if !told {
		return reply{}, fail(http.StatusConflict, typeUnreachable, "Only a guest of a web chat, who has not opted out, sees that somebody is typing.")
	}
	return reply{status: http.StatusNoContent}, nil
}
