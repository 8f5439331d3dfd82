package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Bounds of a disclosure's texts, in characters, as sb.disclosure has them.
const (
	maxAsker   = 200
	maxGround  = 400
	maxGiven   = 1600
	maxPersons = 1_000_000
)

// disclosure says who asked for guests' data, and what was given.
type disclosure struct {
	ID         uuid.UUID  `json:"id"`
	RecordedAt time.Time  `json:"recordedAt"`
	RecordedBy *uuid.UUID `json:"recordedBy"`
	AskedAt    time.Time  `json:"askedAt"`
	AskedBy    string     `json:"askedBy"`
	Ground     string     `json:"ground"`
	Outcome    string     `json:"outcome"` // given, partly or refused
	Given      string     `json:"given"`
	Persons    int32      `json:"persons"`
	Noticed    bool       `json:"noticed"`
	NotNoticed *string    `json:"notNoticed"`
	Corrects   *uuid.UUID `json:"corrects"`
}

type disclosureList struct {
	Disclosures []disclosure `json:"disclosures"`
	NextCursor  *string      `json:"nextCursor"`
}

type postDisclosureRequest struct {
	AskedAt    time.Time  `json:"askedAt"`
	AskedBy    string     `json:"askedBy"`
	Ground     string     `json:"ground"`
	Outcome    string     `json:"outcome"`
	Given      string     `json:"given"`
	Persons    *int32     `json:"persons"`
	Noticed    *bool      `json:"noticed"`
	NotNoticed *string    `json:"notNoticed"`
	Corrects   *uuid.UUID `json:"corrects"`
}

func (in postDisclosureRequest) check(now time.Time) error {
	if err := errors.Join(checkText("askedBy", in.AskedBy, 1, maxAsker), checkText("ground", in.Ground, 1, maxGround), checkText("given", in.Given, 1, maxGiven)); err != nil {
		return err
	}
	switch {
	case in.AskedAt.IsZero() || in.AskedAt.After(now.Add(time.Hour)) || in.AskedAt.Before(now.AddDate(-3, 0, 0)):
		return badRequest(`The field "askedAt" must lie within the last three years.`)
	case !slices.Contains([]string{"given", "partly", "refused"}, in.Outcome):
		return badRequest(`The field "outcome" must be given, partly or refused.`)
	case in.Persons == nil || *in.Persons < 0 || *in.Persons > maxPersons:
		return badRequest(fmt.Sprintf(`The field "persons" says how many guests it was about: a number from 0 to %d.`, maxPersons))
	case in.Noticed == nil || *in.Noticed != (in.NotNoticed == nil):
		return badRequest(`Send "noticed", and, when the guests were not told, why not in "notNoticed".`)
	case in.NotNoticed != nil:
		return checkText("notNoticed", *in.NotNoticed, 1, maxGround)
	}
	return nil
}

const disclosureColumns = "id, recorded_at, recorded_by, asked_at, asked_by, ground, outcome, given, persons, noticed, not_noticed, corrects"

func scanDisclosure(row pgx.CollectableRow) (disclosure, error) {
	d, err := pgx.RowToStructByPos[disclosure](row)
	d.RecordedAt, d.AskedAt = d.RecordedAt.UTC(), d.AskedAt.UTC()
	return d, err
}

func listDisclosures(ctx context.Context, c *call) (reply, error) {
	p, err := readPage(c.http)
	if err != nil {
		return reply{}, err
	}
	rows, _ := c.tx.Query(ctx, "SELECT "+disclosureColumns+" FROM sb.disclosure WHERE (recorded_at, id) < ($1, $2) ORDER BY recorded_at DESC, id DESC LIMIT $3", p.at, p.id, p.limit+1)
	all, err := pgx.CollectRows(rows, scanDisclosure)
	if err != nil {
		return reply{}, fmt.Errorf("listing disclosures: %w", err)
	}
	list := disclosureList{Disclosures: append([]disclosure{}, all[:min(p.limit, len(all))]...)}
	if len(all) > p.limit {
		last := list.Disclosures[p.limit-1]
		list.NextCursor = writeCursor(last.RecordedAt, last.ID)
	}
	return reply{status: http.StatusOK, body: list}, nil
}

// postDisclosure adds a line; none is ever changed.
func postDisclosure(ctx context.Context, c *call) (reply, error) {
	var in postDisclosureRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if err := in.check(time.Now()); err != nil {
		return reply{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("making an id: %w", err)
	}
	c.object = &id
	rows, _ := c.tx.Query(ctx, `INSERT INTO sb.disclosure (id, recorded_by, asked_at, asked_by, ground, outcome, given, persons, noticed, not_noticed, corrects)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING `+disclosureColumns,
		id, c.staff.ID, in.AskedAt, in.AskedBy, in.Ground, in.Outcome, in.Given, in.Persons, in.Noticed, in.NotNoticed, in.Corrects)
	made, err := pgx.CollectExactlyOneRow(rows, scanDisclosure)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "23503": // foreign_key_violation
		return reply{}, notFound("disclosure that this one corrects")
	case err != nil:
		return reply{}, fmt.Errorf("recording a disclosure: %w", err)
	}
	return reply{status: http.StatusCreated, body: made}, nil
}
