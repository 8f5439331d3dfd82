package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const maxName = 200

type contact struct {
	ID         uuid.UUID `json:"id"`
	Name       string    `json:"name"`
	CreatedAt  time.Time `json:"createdAt"`
	LastSeenAt time.Time `json:"lastSeenAt"`
	// TimeZone is what staff noted; null while nothing is.
	TimeZone *string `json:"timeZone"`
	// Addresses are those of all contacts that are the same person.
	Addresses []address `json:"addresses"`
	// MergedInto is whom staff see instead of this one; null for who was merged into none.
	MergedInto *uuid.UUID `json:"mergedInto"`
	// Merged are the others that are the same person.
	Merged []merged `json:"merged"`
}

type address struct {
	Kind    string    `json:"kind"`
	Address string    `json:"address"`
	Contact uuid.UUID `json:"contact"` // who bears it of those that are the same person
}

type contactList struct {
	Contacts   []contact `json:"contacts"`
	NextCursor *string   `json:"nextCursor"`
}

type patchContactRequest struct {
	Name *string `json:"name"`
	// TimeZone is an IANA name, "" to note none any more.
	TimeZone *string `json:"timeZone"`
}

// selectContact shows a person as one of their contacts, with what the others add. Row security leaves out those that have expired.
const selectContact = `SELECT g.id, g.name, g.created_at, g.last_seen_at, g.time_zone,
		COALESCE((SELECT jsonb_agg(jsonb_build_object('kind', a.kind, 'address', a.address, 'contact', a.contact_id) ORDER BY a.kind, a.address)
			FROM sb.contact_address a WHERE a.contact_id = g.id OR a.contact_id IN (SELECT o.id FROM sb.contact o WHERE o.person = g.person)), '[]'),
		NULLIF(g.person, g.id),
		COALESCE((SELECT jsonb_agg(jsonb_build_object('id', o.id, 'name', o.name, 'into', o.merged_into, 'mergedAt', o.merged_at, 'mergedBy', o.merged_by) ORDER BY o.merged_at, o.id)
			FROM sb.contact o WHERE o.person = g.person AND o.merged_into IS NOT NULL), '[]')
	FROM sb.contact g `

// seenAsOne leaves those out of a list whom staff see as another who is there.
const seenAsOne = "(g.merged_into IS NULL OR NOT EXISTS (SELECT FROM sb.contact h WHERE h.id = g.person))"

func scanContact(row pgx.CollectableRow) (placed[contact], error) {
	var g contact
	if err := row.Scan(&g.ID, &g.Name, &g.CreatedAt, &g.LastSeenAt, &g.TimeZone, &g.Addresses, &g.MergedInto, &g.Merged); err != nil {
		return placed[contact]{}, err
	}
	g.CreatedAt, g.LastSeenAt = g.CreatedAt.UTC(), g.LastSeenAt.UTC()
	for i := range g.Merged {
		g.Merged[i].MergedAt = g.Merged[i].MergedAt.UTC()
	}
	return placed[contact]{g, g.LastSeenAt, g.ID}, nil
}

func listContacts(ctx context.Context, c *call) (reply, error) {
	p, err := readPage(c.http)
	if err != nil {
		return reply{}, err
	}
	rows, err := c.tx.Query(ctx, selectContact+`WHERE (g.last_seen_at, g.id) < ($1, $2) AND `+seenAsOne+`
		ORDER BY g.last_seen_at DESC, g.id DESC LIMIT $3`, p.at, p.id, p.limit+1)
	found, next, err := collect(rows, err, p, scanContact)
	if err != nil {
		return reply{}, fmt.Errorf("listing contacts: %w", err)
	}
	return reply{status: http.StatusOK, body: contactList{found, next}}, nil
}

func getContact(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	g, err := findContact(ctx, c.tx, id)
	return reply{status: http.StatusOK, body: g}, err
}

func findContact(ctx context.Context, tx pgx.Tx, id uuid.UUID) (contact, error) {
	rows, err := tx.Query(ctx, selectContact+"WHERE g.id = $1", id)
	if err != nil {
		return contact{}, fmt.Errorf("reading a contact: %w", err)
	}
	g, err := pgx.CollectExactlyOneRow(rows, scanContact)
	if errors.Is(err, pgx.ErrNoRows) {
		return contact{}, notFound("contact")
	}
	if err != nil {
		return contact{}, fmt.Errorf("reading a contact: %w", err)
	}
	return g.row, nil
}

// patchContact changes what it is told to and leaves the rest.
func patchContact(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "contact")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in patchContactRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if in.Name == nil && in.TimeZone == nil {
		return reply{}, badRequest("Nothing to change: send the field name or timeZone.")
	}
	if in.Name != nil {
		if err := checkText("name", *in.Name, 0, maxName); err != nil {
			return reply{}, err
		}
	}
	if err := checkZone(ctx, c.tx, in.TimeZone); err != nil {
		return reply{}, err
	}
	if _, err := c.tx.Exec(ctx, `UPDATE sb.contact SET name = COALESCE($2, name), time_zone = CASE WHEN $3::text IS NULL THEN time_zone ELSE NULLIF($3, '') END
		WHERE id = $1`, id, in.Name, in.TimeZone); err != nil {
		return reply{}, fmt.Errorf("changing a contact: %w", err)
	}
	g, err := findContact(ctx, c.tx, id)
	return reply{status: http.StatusOK, body: g}, err
}

// checkZone refuses what is no time zone; nil and "" are none.
func checkZone(ctx context.Context, tx pgx.Tx, zone *string) error {
	if zone == nil || *zone == "" {
		return nil
	}
	if err := checkText("timeZone", *zone, 1, 64); err != nil {
		return err
	}
	var known bool
	if err := tx.QueryRow(ctx, "SELECT sb.known_zone($1) IS NOT NULL", *zone).Scan(&known); err != nil {
		return fmt.Errorf("looking for a time zone: %w", err)
	}
	if !known {
		return badRequest("The field timeZone is no time zone; use an IANA name such as Europe/Berlin.")
	}
	return nil
}
