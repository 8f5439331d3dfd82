package retention

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// monthsAtOnce bounds the months of one transaction: others wait while it drops their tables, some milliseconds for a
// month; and after each, every session plans its statements anew, and the disk is waited for.
const monthsAtOnce = 4

// dropMonths drops what is expired as a whole of some months, a few of them in each
// transaction, and where there are several of these on two connections: while one waits for the disk to take
// files back, the other counts. What others keep locked is left to deleteRows.
func (r *run) dropMonths(ctx context.Context) error {
	if r.outcome != contract.OutcomeEnforced {
		return nil
	}
	rows, _ := r.conn.Query(ctx, "SELECT sb.retention_months($1)", r.policy.Policy)
	months, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return err
	}
	queue := make(chan []time.Time, len(months))
	for group := range slices.Chunk(months, monthsAtOnce) {
		queue <- group
	}
	close(queue)
	if len(queue) < 2 {
		return r.dropQueued(ctx, r.conn, queue)
	}
	if err := r.shareLock(ctx); err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx) // the first of the two that fails ends the other
	defer fail(nil)
	var beside sync.WaitGroup
	beside.Go(func() {
		if err := r.help(ctx, queue); err != nil {
			fail(err)
		}
	})
	if err := r.dropQueued(ctx, r.conn, queue); err != nil {
		fail(err)
	}
	beside.Wait()
	return context.Cause(ctx)
}

// help works beside the run on a connection of its own: on the months that stay, then on those to drop.
func (r *run) help(ctx context.Context, queue <-chan []time.Time) error {
	conn, err := r.helper(ctx)
	if err != nil || conn == nil {
		return err
	}
	defer unlock(ctx, conn)
	if err := r.deleteBeside(ctx, conn); err != nil {
		return err
	}
	return r.dropQueued(ctx, conn, queue)
}

// dropQueued drops months until none are queued.
func (r *run) dropQueued(ctx context.Context, conn *pgx.Conn, queue <-chan []time.Time) error {
	for group := range queue {
		err := r.drop(ctx, conn, group)
		if retryable(err) {
			err = r.dropPatiently(ctx, conn, group)
		}
		if err != nil {
			return r.explain(err)
		}
	}
	return nil
}

// dropPatiently drops months one by one, waiting for those who have them locked.
func (r *run) dropPatiently(ctx context.Context, conn *pgx.Conn, months []time.Time) error {
	for _, month := range months {
		for attempt := 0; ; attempt++ {
			err := r.drop(ctx, conn, []time.Time{month})
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
func (r *run) drop(ctx context.Context, conn *pgx.Conn, months []time.Time) error {
	rows, _ := conn.Query(ctx, "SELECT kind, dropped FROM sb.retention_drop($1, $2)", r.policy.Policy, months)
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

// deleteBeside deletes expired rows of months that stay, and attachments, while whole months are dropped. Metadata goes beside only
// where its content is in the same month, which is empty by then. What others hold is left to deleteRows.
func (r *run) deleteBeside(ctx context.Context, conn *pgx.Conn) error {
	rows, _ := conn.Query(ctx, `SELECT p.kind FROM sb.retention_progress p JOIN sb.retention_progress m ON m.policy = p.policy AND m.kind = 'Messages'
		WHERE p.policy = $1 AND (p.kind IN ('Messages', 'Attachments')
			OR p.kind = 'MessageMetadata' AND date_trunc('month', p.cutoff, 'UTC') = date_trunc('month', m.cutoff, 'UTC'))
		ORDER BY array_position(ARRAY['Messages', 'Attachments', 'MessageMetadata'], p.kind)`, r.policy.Policy)
	kinds, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	kinds = append(kinds, "ProviderIDs", contract.CategoryAccessLogs)
	left := rest{kinds: slices.DeleteFunc(kinds, func(kind string) bool { return !slices.Contains(r.kinds, kind) })}
	for len(left.kinds) > 0 {
		var some batch
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
			if some, err = r.deleteSome(ctx, tx, left, false); err != nil {
				return err
			}
			return r.flushLater(ctx, tx)
		})
		if retryable(err) || err == nil && some.blocked {
			return nil
		}
		if err != nil {
			return r.explain(err)
		}
		left = some.left
	}
	return nil
}
