// Package access answers who among the staff looked at what, from the access log.
package access

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// MaxLimit bounds an answer, in entries.
const MaxLimit = 100_000

// Question says which entries are asked for. Zero members ask for all.
type Question struct {
	// Person: entries about who bears one of these addresses.
	Person []person.Address
	// Object is the id of a contact or conversation, Staff that of an account.
	Object, Staff *uuid.UUID
	Since, Until  time.Time // of the entries; Until is excluded, and now when zero
	Limit         int       // 1 to MaxLimit
}

// Ask gives the entries, newest first. The pool's role is a member of sb_serve. That it was
// asked is logged as well.
func Ask(ctx context.Context, pool *pgxpool.Pool, keys *addresshash.Keys, q Question) ([]contract.Access, error) {
	if q.Limit < 1 || q.Limit > MaxLimit {
		return nil, fmt.Errorf("asking the access log: the limit is %d, it must be from 1 to %d", q.Limit, MaxLimit)
	}
	kinds, hashes := []string{}, [][]byte{}
	if len(q.Person) > 0 {
		kinds, hashes = person.Hashes(keys, q.Person)
	}
	until := q.Until
	if until.IsZero() {
		until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	rows, _ := pool.Query(ctx, "SELECT at, staff_id, email, method, route, object_id, status FROM sb.access_of($1, $2, $3, $4, $5, $6, $7)",
		kinds, hashes, q.Object, q.Staff, q.Since, until, q.Limit)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a contract.Access, err error) {
		var staff, object *uuid.UUID
		if err := row.Scan(&a.At, &staff, &a.Email, &a.Method, &a.Route, &object, &a.Status); err != nil {
			return a, err
		}
		a.At, a.Staff, a.Object = a.At.UTC(), text(staff), text(object)
		return a, nil
	})
	if err != nil {
		return nil, fmt.Errorf("asking the access log: %w", err)
	}
	return all, nil
}

func text(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}

// Command is `instance access`: it writes the answer to out as JSON Lines.
func Command(ctx context.Context, log *slog.Logger, q Question, out io.Writer) error {
	var keys *addresshash.Keys
	if len(q.Person) > 0 {
		var err error
		if keys, err = addresshash.Load(addresshash.Dir()); err != nil {
			return err
		}
	}
	pool, err := store.OpenConfig(ctx, log, store.Config{MaxConns: 1})
	if err != nil {
		return err
	}
	defer pool.Close()
	all, err := Ask(ctx, pool, keys, q)
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	for _, a := range all {
		if err := e.Encode(a); err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
	}
	return nil
}
