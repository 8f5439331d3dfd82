package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// kindFiles are files without an attachment.
const kindFiles = "Files"

// attempts bounds how often work that others block is tried again.
const attempts = 5

// pause waits for a moment that doubles with each attempt: 100 ms … 1.6 s.
func pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(100 * time.Millisecond << attempt)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// purgeArchives removes what Access requests have made and nobody fetched in time.
func (r *run) purgeArchives(ctx context.Context) error {
	_, err := r.conn.Exec(ctx, "SELECT sb.archive_purge()")
	return err
}

// deleteRows deletes the rest in bounded transactions, the last of which seals.
func (r *run) deleteRows(ctx context.Context) error {
	var all rest
	if r.outcome == contract.OutcomeEnforced {
		all.kinds = r.kinds
	}
	left, blocked := all, false
	for attempt := 0; ; {
		if err := r.removeObjects(ctx); err != nil {
			return err
		}
		var some batch
		more := false
		r.sealed = false // set by a transaction that then failed to commit
		err := pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) (err error) {
			if some, err = r.deleteSome(ctx, tx, left, true); err != nil {
				return err
			}
			// Objects go after their rows, and before the seal, which counts what is left of them.
			r.loose = r.loose || some.files
			if more = len(some.left.kinds) > 0 || some.files && r.Objects != nil; more {
				return r.flushLater(ctx, tx)
			}
			return r.finish(ctx, tx, blocked || some.blocked, attempt == attempts-1)
		})
		switch {
		case err == nil && r.sealed:
			return nil
		case err == nil && more:
			left, blocked, attempt = some.left, blocked || some.blocked, 0
			continue
		case err != nil && (!retryable(err) || attempt == attempts-1):
			return r.explain(err)
		}
		// Others hold rows or tables: what could be deleted is committed.
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		attempt++
		left, blocked = all, false
	}
}

// rest is what there is still to do of a sweep over kinds.
type rest struct {
	kinds []string // those of which there may be more
	// Where to go on with the first of them; as sb.retention_batch gives it.
	month *time.Time
	place *string
}

// batch is what one transaction deleted.
type batch struct {
	left    rest
	blocked bool // others keep something locked
	files   bool // attachments or files are among it
}

// deleteSome deletes at most Batch rows, of one kind after the other; of months that are expired as a whole only if those
// are meant too.
func (r *run) deleteSome(ctx context.Context, tx pgx.Tx, todo rest, whole bool) (batch, error) {
	if len(todo.kinds) == 0 {
		return batch{}, nil
	}
	rows, _ := tx.Query(ctx, "SELECT kind, deleted, blocked, more, month, place::text FROM sb.retention_delete($1, $2, $3, $4, $5, $6::text::tid)",
		r.policy.Policy, todo.kinds, r.Batch, whole, todo.month, todo.place)
	type deletion struct {
		Kind          string
		Deleted       int64
		Blocked, More bool
		Month         *time.Time
		Place         *string
	}
	deletions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[deletion])
	if err != nil {
		return batch{}, err
	}
	b := batch{left: todo}
	for _, d := range deletions {
		b.blocked = b.blocked || d.Blocked
		b.files = b.files || d.Deleted > 0 && (d.Kind == contract.CategoryAttachments || d.Kind == kindFiles)
		if !d.More {
			b.left.kinds = b.left.kinds[1:]
		}
		b.left.month, b.left.place = d.Month, d.Place
	}
	return b, nil
}

// flushLater has a transaction not wait for the disk: it is on it when one after it is, and the last of them seals. Were it lost
// with the server, then so were its counts, and the next run does its work again. One after which objects go must not be lost.
func (r *run) flushLater(ctx context.Context, tx pgx.Tx) error {
	if r.loose && r.Objects != nil {
		return nil
	}
	_, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = off")
	return err
}

// explain adds to an error what the user needs to know of it.
func (r *run) explain(err error) error {
	if hasCode(err, codeNotInForce) {
		return errors.Join(ErrNotInForce, fmt.Errorf("policy %s was changed while its run was under way; what was deleted is on record, the next run takes the new rules: %w", r.policy.Policy, err))
	}
	return err
}
