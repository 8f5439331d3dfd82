package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
)

// SQLSTATEs that matter here.
const (
	codeNotInForce   = "SB001" // migrations/00003_retention.sql
	codeLockTimeout  = "55P03"
	codeDeadlock     = "40P01"
	codeSerializable = "40001"
)

// retryable tells whether a statement failed because of others that hold locks.
func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == codeLockTimeout || pg.Code == codeDeadlock || pg.Code == codeSerializable)
}

func hasCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

// ensurePartitions makes the partitions of this month and the next twelve, so
// that a message can be stored even when `instance migrate` has not run for long.
func (r *run) ensurePartitions(ctx context.Context) error {
	_, err := r.conn.Exec(ctx, "SELECT sb.ensure_partition(now() + make_interval(months => i)) FROM generate_series(0, 12) i")
	if retryable(err) {
		r.Log.Warn("partitions are locked by others; the next run makes them")
		return nil
	}
	return err
}

// closeStale seals what interrupted runs of rules no longer in force had deleted.
func (r *run) closeStale(ctx context.Context) error {
	rows, _ := r.conn.Query(ctx, `SELECT policy FROM sb.retention_run o
		WHERE NOT EXISTS (SELECT FROM sb.retention_limit l WHERE l.policy = o.policy AND l.digest = o.digest) ORDER BY policy`)
	policies, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, policy := range policies {
		err := pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
			receipt, err := r.receipt(ctx, tx, policy)
			if err != nil {
				return err
			}
			receipt.Interrupted = true
			_, _, err = r.seal(ctx, tx, receipt)
			return err
		})
		if err != nil {
			return fmt.Errorf("policy %s: %w", policy, err)
		}
		r.Log.Warn("an interrupted run of older rules was closed", "policy", policy)
	}
	return nil
}

// begin opens the run, waiting a little for its rules to come into force.
func (r *run) begin(ctx context.Context) error {
	give := time.NewTimer(r.PolicyWait)
	defer give.Stop()
	for {
		err := pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error { return r.open(ctx, tx) })
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrNotInForce) && !retryable(err) {
			return err
		}
		retry := time.NewTimer(time.Second)
		select {
		case <-retry.C:
		case <-give.C:
			return fmt.Errorf("policy %s, generation %d, after %s: %w; nothing was deleted; `instance migrate` puts rules into force, look at its Job, or wait for the next run",
				r.policy.Policy, r.policy.Generation, r.PolicyWait, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// open fixes the cutoffs, and refuses limits other than the policy's.
func (r *run) open(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SELECT sb.retention_open($1, $2)", r.policy.Policy, r.policy.Digest); err != nil {
		if hasCode(err, codeNotInForce) {
			return ErrNotInForce
		}
		return err
	}
	if err := r.compareLimits(ctx, tx); err != nil {
		return err
	}
	rows, _ := tx.Query(ctx, `SELECT kind FROM sb.retention_progress WHERE policy = $1
		ORDER BY array_position(ARRAY['Messages', 'Attachments', 'MessageMetadata', 'WebChatSessions', 'IntegrationData', 'Testimonials', 'Contacts'], kind), kind`, r.policy.Policy)
	// Content goes before its metadata: at no instant does a committed state hold content alone.
	var err error
	if r.kinds, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return err
	}
	return r.flushLater(ctx, tx)
}

// compareLimits refuses rules in force that are not those of the run, to the letter:
// their digest came from outside of the database.
func (r *run) compareLimits(ctx context.Context, tx pgx.Tx) error {
	rows, _ := tx.Query(ctx, `SELECT category, retain_days, action, enforced FROM sb.retention_limit
		WHERE policy = $1 ORDER BY category COLLATE "C"`, r.policy.Policy)
	type limit struct {
		Category   string
		RetainDays int32
		Action     string
		Enforced   bool
	}
	limits, err := pgx.CollectRows(rows, pgx.RowToStructByPos[limit])
	if err != nil {
		return err
	}
	same := slices.EqualFunc(limits, r.policy.Rules, func(l limit, rule contract.RetentionRule) bool {
		return l == limit{rule.Category, rule.RetainDays, rule.Action, r.policy.Mode == contract.ModeEnforce}
	})
	if !same {
		return ErrNotInForce
	}
	return nil
}

// receipt gathers what the deleting transactions wrote down, without a read-back.
func (r *run) receipt(ctx context.Context, tx pgx.Tx, policy string) (evidence.Receipt, error) {
	receipt := evidence.Receipt{Kind: evidence.KindRetention, Tenant: r.tenant, Policy: policy, Outcome: contract.OutcomeEnforced}
	var resumed int
	var began time.Time
	err := tx.QueryRow(ctx, `SELECT generation, digest, started_at, began_at, resumed, clock_timestamp()
		FROM sb.retention_run WHERE policy = $1`, policy).
		Scan(&receipt.Generation, &receipt.PolicyDigest, &receipt.StartedAt, &began, &resumed, &receipt.FinishedAt)
	if err != nil {
		return receipt, err
	}
	if resumed > 0 {
		receipt.Resumed = &evidence.Resumed{Attempts: resumed, Since: began}
	}
	rows, _ := tx.Query(ctx, `SELECT kind, cutoff, deleted, CASE WHEN anonymize THEN deleted ELSE 0 END FROM sb.retention_progress
		WHERE policy = $1 AND ruled ORDER BY kind COLLATE "C"`, policy)
	receipt.Categories, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c contract.CategoryResult, err error) {
		err = row.Scan(&c.Category, &c.Cutoff, &c.Deleted, &c.Anonymized)
		return c, err
	})
	if err != nil {
		return receipt, err
	}
	rows, _ = tx.Query(ctx, `SELECT kind, deleted, COALESCE(overdue, 0) AS pending FROM sb.retention_progress
		WHERE policy = $1 AND NOT ruled AND (deleted > 0 OR overdue > 0) ORDER BY kind COLLATE "C"`, policy)
	receipt.Followed, err = pgx.CollectRows(rows, pgx.RowToStructByName[evidence.Followed])
	return receipt, err
}
