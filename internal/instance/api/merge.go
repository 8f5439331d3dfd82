package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// merged is a contact that staff have merged into another.
type merged struct {
	ID       uuid.UUID `json:"id"`
	Name     string    `json:"name"`
	Into     uuid.UUID `json:"into"` // the contact that it was merged into
	MergedAt time.Time `json:"mergedAt"`
	MergedBy uuid.UUID `json:"mergedBy"` // the member of staff
}

type mergeRequest struct {
	Contact uuid.UUID `json:"contact"` // who is the same person
}

type splitRequest struct{}

// mergeContact makes two contacts one person: the addresses, threads, holds and opt-outs of both count for either from then on. Nothing
// moves, so that a split puts back exactly what was.
func mergeContact(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in mergeRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if in.Contact == id {
		return reply{}, badRequest("The field contact is the contact itself; name the other one.")
	}
	var changed bool
	err = c.tx.QueryRow(ctx, "SELECT sb.merge_contacts($1, $2, $3)", in.Contact, id, c.staff.ID).Scan(&changed)
	if err != nil {
		return reply{}, noContact(err, "merging contacts")
	}
	// The other one's line too: who asks for the accesses to either finds this.
	if err := logAccess(ctx, c.tx, c.http, c.who(), &in.Contact, http.StatusOK); err != nil {
		return reply{}, fmt.Errorf("logging who was merged: %w", err)
	}
	g, err := findContact(ctx, c.tx, id)
	return reply{status: http.StatusOK, body: g}, err
}

// splitContact takes a contact apart from the one that it was merged into.
func splitContact(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	if err := decode(c.w, c.http, &splitRequest{}); err != nil {
		return reply{}, err
	}
	var changed bool
	if err := c.tx.QueryRow(ctx, "SELECT sb.split_contact($1)", id).Scan(&changed); err != nil {
		return reply{}, noContact(err, "taking contacts apart")
	}
	if !changed {
		return reply{}, fail(http.StatusConflict, typeNotMerged, "This contact was merged into none. Split one of those in its list merged, if that is what you mean.")
	}
	g, err := findContact(ctx, c.tx, id)
	return reply{status: http.StatusOK, body: g}, err
}

// noContact tells a contact that is not there from what went wrong.
func noContact(err error, doing string) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == codeNoContact {
		return notFound("contact")
	}
	return fmt.Errorf("%s: %w", doing, err)
}
