package retention

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lockKey is the advisory lock that one run at a time holds: "sbretain" in ASCII.
const lockKey int64 = 0x7362_7265_7461_696e

// rowLockTimeout bounds a batch's wait for rows and tables that others hold.
const rowLockTimeout = 2 * time.Second

// lock takes a connection for the run alone and the lock that excludes other
// runs, waiting for one that is under way.
func lock(ctx context.Context, pool *pgxpool.Pool, o Options) (*pgx.Conn, error) {
	pooled, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	conn := pooled.Hijack()
	if err := takeLock(ctx, conn, o); err != nil {
		unlock(ctx, conn)
		return nil, err
	}
	return conn, nil
}

func takeLock(ctx context.Context, conn *pgx.Conn, o Options) error {
	var got bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockKey).Scan(&got); err != nil {
		return fmt.Errorf("locking out other runs: %w", err)
	}
	if !got {
		o.Log.Info("another retention run is under way; waiting for it to end", "at_most", o.LockWait.String())
		if err := setLockTimeout(ctx, conn, o.LockWait); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", lockKey)
		if retryable(err) {
			return fmt.Errorf("locking out other runs: another one is still under way after %s; nothing was changed, the next scheduled run tries again: %w", o.LockWait, err)
		}
		if err != nil {
			return fmt.Errorf("locking out other runs: %w", err)
		}
	}
	return setLockTimeout(ctx, conn, rowLockTimeout)
}

func setLockTimeout(ctx context.Context, conn *pgx.Conn, d time.Duration) error {
	_, err := conn.Exec(ctx, "SELECT set_config('lock_timeout', $1, false)", fmt.Sprintf("%dms", d.Milliseconds()))
	if err != nil {
		return fmt.Errorf("bounding waits for locks: %w", err)
	}
	return nil
}

// shareLock lets connections of this run hold the lock beside its own. Other runs wait for all of them.
func (r *run) shareLock(ctx context.Context) error {
	_, err := r.conn.Exec(ctx, "SELECT pg_advisory_lock_shared($1), pg_advisory_unlock($1)", lockKey)
	return err
}

// helper takes one more connection for the run, which holds the lock too. nil: there is none to be had, and the run does without.
func (r *run) helper(ctx context.Context) (*pgx.Conn, error) {
	pooled, err := r.pool.Acquire(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.Log.Warn("there is no second connection; the run goes on with one", "error", err)
		return nil, nil
	}
	conn := pooled.Hijack()
	var got bool
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock_shared($1)", lockKey).Scan(&got)
	if err == nil && got {
		err = setLockTimeout(ctx, conn, rowLockTimeout)
	}
	if err != nil || !got { // not got: another run waits for the lock
		unlock(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// unlock ends the session, and the lock with it.
func unlock(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx) // the server ends the session of a closed socket in any case
}
