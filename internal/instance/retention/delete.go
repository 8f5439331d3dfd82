package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// kindFiles are files without an attachment.
const kindFiles = "Files"

// monthsAtOnce bounds the months of one transaction: others wait while it drops their tables, and for each it is
// flushed to disk.
const monthsAtOnce = 2

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

// dropMonths drops what is expired as a whole of some months, a few of them in each
// transaction. What others keep locked is left to deleteRows.
func (r *run) dropMonths(ctx context.Context) error {
	if r.outcome != contract.OutcomeEnforced {
		return nil
	}
	rows, _ := r.conn.Query(ctx, "SELECT sb.retention_months($1)", r.policy.Policy)
	months, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return err
	}
	for group := range slices.Chunk(months, monthsAtOnce) {
		err := r.drop(ctx, group)
		if retryable(err) {
			err = r.dropPatiently(ctx, group)
		}
		if err != nil {
			return r.explain(err)
		}
	}
	return nil
}

// dropPatiently drops months one by one, waiting for those who have them locked.
func (r *run) dropPatiently(ctx context.Context, months []time.Time) error {
	for _, month := range months {
		for attempt := 0; ; attempt++ {
			err := r.drop(ctx, []time.Time{month})
			if err == nil {
				break
			}
			if !retryable(err) {
				return err
			}
			if attempt == attempts-1 {
				r.Log.Warn("an expired month is locked by others; its rows are deleted in batches", "month", monthOf(month))
				break
			}
			if err := pause(ctx, attempt); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop drops what is expired of some months, in one transaction.
func (r *run) drop(ctx context.Context, months []time.Time) error {
	rows, _ := r.conn.Query(ctx, "SELECT kind, sum(dropped)::bigint FROM sb.retention_drop($1, $2) GROUP BY kind ORDER BY kind", r.policy.Policy, months)
	type count struct {
		Kind    string
		Dropped int64
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[count])
	if err != nil {
		return err
	}
	for _, c := range counts {
		r.Log.Info("expired months were dropped", "category", c.Kind, "from", monthOf(months[0]), "to", monthOf(months[len(months)-1]), "rows", c.Dropped)
	}
	return nil
}

func monthOf(t time.Time) string { return t.UTC().Format("2006-01") }

// deleteRows deletes the rest in bounded transactions, the last of which seals.
func (r *run) deleteRows(ctx context.Context) error {
	for attempt := 0; ; {
		if err := r.removeObjects(ctx); err != nil {
			return err
		}
		more := false
		r.sealed = false // set by a transaction that then failed to commit
		err := pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) (err error) {
			more, err = r.deleteSome(ctx, tx)
			if err != nil {
				return err
			}
			if more {
				return r.flushLater(ctx, tx)
			}
			return r.finish(ctx, tx, r.blocked, attempt == attempts-1)
		})
		switch {
		case err == nil && r.sealed:
			return nil
		case err == nil && more:
			attempt = 0
			continue
		case err != nil && (!retryable(err) || attempt == attempts-1):
			return r.explain(err)
		}
		// Others hold rows or tables: what could be deleted is committed.
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		attempt++
		r.done, r.blocked = 0, false
	}
}

// deleteSome deletes at most Batch rows, of the kinds that are not done. more: there may be others.
func (r *run) deleteSome(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	if r.outcome != contract.OutcomeEnforced {
		return false, nil
	}
	left, files := r.Batch, false
	for ; r.done < len(r.kinds); r.done++ {
		kind := r.kinds[r.done]
		for {
			var deleted int
			err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
				return savepoint.QueryRow(ctx, "SELECT sb.retention_batch($1, $2, $3)", r.policy.Policy, kind, left).Scan(&deleted)
			})
			if retryable(err) {
				r.blocked = true
				break
			}
			if err != nil {
				return false, fmt.Errorf("%s: %w", kind, err)
			}
			if deleted == 0 {
				break
			}
			files = files || kind == contract.CategoryAttachments || kind == kindFiles
			if left -= deleted; left <= 0 {
				r.loose = r.loose || files
				return true, nil
			}
		}
	}
	// Objects go after their rows, and before the seal, which counts what is left of them.
	r.loose = r.loose || files
	return files && r.Objects != nil, nil
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
