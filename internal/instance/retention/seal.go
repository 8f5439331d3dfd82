package retention

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
)

// recentReceipts bounds Recent of a result.
const recentReceipts = 20

// finish reads back what is left and seals. When something expired is left that
// others hold, it seals only at the last attempt, and the receipt says so.
func (r *run) finish(ctx context.Context, tx pgx.Tx, blocked, last bool) error {
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT sb.retention_files($1)", r.policy.Policy); err != nil {
			return fmt.Errorf("counting files that are to be removed: %w", err)
		}
		receipt, err := r.receipt(ctx, tx, r.policy.Policy)
		if err != nil {
			return err
		}
		receipt.Outcome = r.outcome
		if r.planned != nil {
			receipt.PlanDigest = r.planned.Digest
		}
		for i := range receipt.Categories {
			c := &receipt.Categories[i]
			if err := r.readBack(ctx, tx, c); err != nil {
				return err
			}
			if c.Overdue == nil || *c.Overdue > 0 {
				blocked = true
			}
		}
		if blocked && !last && r.outcome == contract.OutcomeEnforced {
			return errAgain
		}
		if receipt.Holds, err = r.kept(ctx, tx); err != nil {
			return err
		}
		sealed, recent, err := r.seal(ctx, tx, receipt)
		if err != nil {
			return err
		}
		r.sealed, r.result = true, toResult(receipt, sealed, recent)
		r.result.Plan = r.planned
		return r.tellFiles(ctx, tx)
	})
	if errors.Is(err, errAgain) {
		return nil // what was deleted counts, what was read back does not
	}
	return err
}

// errAgain takes a read-back back that found something left to do.
var errAgain = errors.New("something expired is left that others hold")

// kept reads how many expired rows each hold keeps.
func (r *run) kept(ctx context.Context, tx pgx.Tx) ([]contract.HoldCount, error) {
	rows, _ := tx.Query(ctx, `SELECT hold, sum(kept)::bigint FROM sb.retention_kept WHERE policy = $1
		GROUP BY hold ORDER BY hold COLLATE "C"`, r.policy.Policy)
	return pgx.CollectRows(rows, pgx.RowToStructByPos[contract.HoldCount])
}

// readBack counts what is left of a category. What can't be counted stays nil,
// which nobody may take for none.
func (r *run) readBack(ctx context.Context, tx pgx.Tx, c *contract.CategoryResult) error {
	err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		if _, err := savepoint.Exec(ctx, "SET LOCAL statement_timeout = '5min'"); err != nil {
			return err
		}
		return savepoint.QueryRow(ctx, "SELECT oldest, held, overdue, vacuumed FROM sb.retention_left($1, $2)", r.policy.Policy, c.Category).
			Scan(&c.OldestLeft, &c.HeldBack, &c.Overdue, &c.VacuumedAt)
	})
	if err == nil {
		return nil
	}
	c.OldestLeft, c.HeldBack, c.Overdue, c.VacuumedAt = nil, 0, nil, nil
	if ctx.Err() != nil || tx.Conn().IsClosed() {
		return err
	}
	r.Log.Warn("what is left could not be counted", "category", c.Category, "error", err)
	return nil
}

// seal appends the receipt to the chain and closes its run. It gives the newest
// receipts before it.
func (r *run) seal(ctx context.Context, tx pgx.Tx, receipt evidence.Receipt) (evidence.Sealed, []contract.ChainLink, error) {
	if _, err := tx.Exec(ctx, "SELECT sb.receipt_lock()"); err != nil {
		return evidence.Sealed{}, nil, err
	}
	rows, _ := tx.Query(ctx, "SELECT sequence, digest FROM sb.receipt ORDER BY sequence DESC LIMIT $1", recentReceipts)
	recent, err := pgx.CollectRows(rows, pgx.RowToStructByPos[contract.ChainLink])
	if err != nil {
		return evidence.Sealed{}, nil, err
	}
	var head contract.ChainLink
	if len(recent) > 0 {
		head = recent[0]
	}
	sealed, err := evidence.Seal(receipt, head)
	if err != nil {
		return evidence.Sealed{}, nil, err
	}
	tag, err := tx.Exec(ctx, "SELECT sb.retention_seal($1, $2, $3, $4, $5)",
		receipt.Policy, sealed.Sequence, sealed.Body, sealed.Previous, sealed.Digest)
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("the database did not answer to the seal")
	}
	return sealed, contract.Unbroken(recent), err
}
