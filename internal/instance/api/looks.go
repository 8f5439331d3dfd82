package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxLooks bounds an answer, in lines of the access log; `instance access` gives more.
const maxLooks = 200

// look is a line of the access log about a guest.
type look struct {
	At     time.Time `json:"at"`
	Name   *string   `json:"name"`  // null for another system, or an account that is gone
	Email  *string   `json:"email"` // as above
	Method string    `json:"method"`
	Route  string    `json:"route"`
	Status int       `json:"status"`
}

// listLooks says who looked at a guest and the guest's threads, or changed something there, the newest first.
func listLooks(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	if _, err := findContact(ctx, c.tx, id); err != nil {
		return reply{}, err
	}
	rows, err := c.tx.Query(ctx, "SELECT at, name, email, method, route, status FROM sb.access_to($1, $2)", id, maxLooks)
	if err != nil {
		return reply{}, fmt.Errorf("reading the access log: %w", err)
	}
	looks, err := pgx.CollectRows(rows, pgx.RowToStructByPos[look])
	if err != nil {
		return reply{}, fmt.Errorf("reading the access log: %w", err)
	}
	return reply{status: http.StatusOK, body: map[string]any{"rows": looks}}, nil
}
