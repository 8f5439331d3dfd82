package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// kindProviderIDs is a kind that no rule names: the ids seen follow the messages.
const kindProviderIDs = "ProviderIDs"

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

// dropMonths drops the partitions of whole expired months. Those that others
// keep locked are left to deleteRows.
func (r *run) dropMonths(ctx context.Context) error {
	if r.outcome != contract.OutcomeEnforced {
		return nil
	}
	for _, kind := range r.kinds {
		switch kind {
		case contract.CategoryMessages, contract.CategoryMessageMetadata, contract.CategoryAccessLogs, kindProviderIDs:
		default:
			continue
		}
		if err := r.dropMonthsOf(ctx, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, r.explain(err))
		}
	}
	return nil
}

func (r *run) dropMonthsOf(ctx context.Context, kind string) error {
	for attempt := 0; ; {
		var dropped *int64
		err := r.conn.QueryRow(ctx, "SELECT sb.retention_drop($1, $2)", r.policy.Policy, kind).Scan(&dropped)
		switch {
		case err == nil && dropped == nil:
			return nil
		case err == nil:
			attempt = 0
			r.Log.Info("an expired month was dropped", "category", kind, "rows", *dropped)
			continue
		case !retryable(err):
			return err
		case attempt == attempts-1:
			r.Log.Warn("an expired month is locked by others; its rows are deleted in batches", "category", kind)
			return nil
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		attempt++
	}
}

// deleteRows deletes the rest in bounded transactions, the last of which seals.
func (r *run) deleteRows(ctx context.Context) error {
	for attempt := 0; ; {
		if err := r.removeObjects(ctx); err != nil {
			return err
		}
		more, blocked := false, false
		r.sealed = false // set by a transaction that then failed to commit
		err := pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) (err error) {
			more, blocked, err = r.deleteSome(ctx, tx)
			if err != nil || more {
				return err
			}
			return r.finish(ctx, tx, blocked, attempt == attempts-1)
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
	}
}

// deleteSome deletes at most Batch rows. more: there may be others. blocked: some
// kind could not be worked on because of others' locks.
func (r *run) deleteSome(ctx context.Context, tx pgx.Tx) (more, blocked bool, err error) {
	if r.outcome != contract.OutcomeEnforced {
		return false, false, nil
	}
	left, files := r.Batch, false
	for _, kind := range r.kinds {
		for {
			var deleted int
			err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
				return savepoint.QueryRow(ctx, "SELECT sb.retention_batch($1, $2, $3)", r.policy.Policy, kind, left).Scan(&deleted)
			})
			if retryable(err) {
				blocked = true
				break
			}
			if err != nil {
				return false, false, fmt.Errorf("%s: %w", kind, err)
			}
			if deleted == 0 {
				break
			}
			files = files || kind == contract.CategoryAttachments || kind == kindFiles
			if left -= deleted; left <= 0 {
				r.loose = r.loose || files
				return true, blocked, nil
			}
		}
	}
	// Objects go after their rows, and before the seal, which counts what is left of them.
	r.loose = r.loose || files
	return files && r.Objects != nil, blocked, nil
}

// explain adds to an error what the user needs to know of it.
func (r *run) explain(err error) error {
	if hasCode(err, codeNotInForce) {
		return errors.Join(ErrNotInForce, fmt.Errorf("policy %s was changed while its run was under way; what was deleted is on record, the next run takes the new rules: %w", r.policy.Policy, err))
	}
	return err
}
