package file

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
)

// grace keeps off objects whose row is about to commit.
const grace = time.Hour

// Database is a connection or pool whose role may call the functions named below.
type Database interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Remove removes the objects whose files are gone, and strikes off those that the store has confirmed. What
// the store did not do is in class; err is about the database alone. It holds objectstore.MaxBatch
// keys at a time. It calls sb.removals_next and sb.removals_done.
func Remove(ctx context.Context, db Database, store *objectstore.Store) (removed int64, class string, err error) {
	for after := ""; ; {
		rows, _ := db.Query(ctx, "SELECT sb.removals_next($1, $2)", after, objectstore.MaxBatch)
		objects, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return removed, class, fmt.Errorf("reading what is to be removed: %w", err)
		}
		if len(objects) == 0 {
			return removed, class, nil
		}
		if store == nil {
			return removed, contract.StoreNone, nil
		}
		gone, failed := store.Remove(ctx, objects)
		var struck int64
		if len(gone) > 0 {
			if err := db.QueryRow(ctx, "SELECT sb.removals_done($1)", gone).Scan(&struck); err != nil {
				return removed, class, fmt.Errorf("striking off what is removed: %w", err)
			}
		}
		removed += struck
		if failed != nil {
			class = objectstore.Class(failed)
			if len(gone) == 0 { // it does nothing at all: the next run tries again
				return removed, class, nil
			}
		}
		after = objects[len(objects)-1]
	}
}

// Compared is what Compare found.
type Compared struct {
	Unknown int64 // objects without a row, of an hour and older: written down to be removed
	Missing int64 // rows without an object
}

// Compare holds what the store lists against what the database names. It calls sb.objects_compare and
// sb.removals_add.
func Compare(ctx context.Context, db Database, store *objectstore.Store, now time.Time) (Compared, error) {
	var result Compared
	c := comparison{db: db, now: now, result: &result}
	for o, err := range store.List(ctx, Prefix) {
		if err != nil {
			return result, fmt.Errorf("comparing the store with the database: %w", err)
		}
		c.page = append(c.page, o)
		if len(c.page) == objectstore.MaxBatch {
			if err := c.compare(ctx, false); err != nil {
				return result, err
			}
		}
	}
	return result, c.compare(ctx, true)
}

type comparison struct {
	db     Database
	now    time.Time
	after  string
	page   []objectstore.Object
	result *Compared
}

func (c *comparison) compare(ctx context.Context, last bool) error {
	keys, young := make([]string, 0, len(c.page)), map[string]bool{}
	for _, o := range c.page {
		keys = append(keys, o.Key)
		young[o.Key] = c.now.Sub(o.Changed) < grace
	}
	var upto *string
	if !last {
		upto = &keys[len(keys)-1]
	}
	var unknown []string
	var missing int64
	if err := c.db.QueryRow(ctx, "SELECT unknown, missing FROM sb.objects_compare($1, $2, $3)", c.after, upto, keys).Scan(&unknown, &missing); err != nil {
		return fmt.Errorf("comparing the store with the database: %w", err)
	}
	c.result.Missing += missing
	var old []string
	for _, key := range unknown {
		if !young[key] {
			old = append(old, key)
		}
	}
	if len(old) > 0 {
		var added int64
		if err := c.db.QueryRow(ctx, "SELECT sb.removals_add($1)", old).Scan(&added); err != nil {
			return fmt.Errorf("writing down what nothing names: %w", err)
		}
		c.result.Unknown += added
	}
	if !last {
		c.after, c.page = *upto, c.page[:0]
	}
	return nil
}
