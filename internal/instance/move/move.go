// Package move hands a tenant's database over from one server to another, in the region that the tenant moves to.
//
// The other server is a standby that follows by PostgreSQL's own replication (package backup makes its data directory),
// so that the chain of receipts, suppressions and holds come along as they are: nothing is written anew. CutOver ends all
// writing to the source, compares both, and has the target stand on its own. Until somebody is led to the target, Reopen
// takes that back.
package move

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/backup"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
)

const (
	// near is how far behind the target may be when the source is quiesced, in bytes of WAL.
	near = 16 << 20
	// pollEvery is how often a server is asked how far it is.
	pollEvery = 100 * time.Millisecond
	// reopenTimeout bounds how long the source is tried to be reopened after a failure.
	reopenTimeout = 30 * time.Second
)

// Ends are both servers, by their superusers.
type Ends struct {
	Source, Target *pgxpool.Pool
	// Volume of the target, as its server sees it.
	Volume string
	Log    *slog.Logger
	// Patience bounds how long the tenant is not served before this is given up, and the source opened again.
	Patience time.Duration
}

// CutOver ends writing to the source and opens the target, when both are the same. A failure opens the source again;
// once the target stands on its own, CutOver can be repeated, and nothing but Reopen opens the source.
func (e Ends) CutOver(ctx context.Context) (result contract.CutOverResult, err error) {
	follows, err := e.follows(ctx)
	if err != nil {
		return result, err
	}
	if follows {
		if err := e.await(ctx, near); err != nil { // while the tenant is served
			return result, err
		}
	}
	unlock, err := migrate.Lock(ctx, e.Source)
	if err != nil {
		return result, err
	}
	defer unlock()
	result.QuiescedAt = time.Now().UTC()
	ctx, cancel := context.WithTimeoutCause(ctx, e.Patience, fmt.Errorf("the tenant was not served for %s", e.Patience))
	defer cancel()
	defer func() {
		if err != nil && follows {
			err = errors.Join(err, e.giveBack(ctx))
		}
	}()
	if _, err := e.quiesce(ctx); err != nil {
		return result, err
	}
	if follows {
		if err := e.await(ctx, 0); err != nil {
			return result, err
		}
	}
	if err := e.verify(ctx, &result); err != nil {
		return result, err
	}
	late, err := e.quiesce(ctx)
	if err == nil && late > 0 {
		err = fmt.Errorf("%d sessions came in while both were compared", late)
	}
	if err != nil {
		return result, err
	}
	if follows {
		if _, err := e.Target.Exec(ctx, "SELECT pg_promote(true, 60)"); err != nil {
			return result, fmt.Errorf("having the target stand on its own: %w", err)
		}
		if follows, err = e.follows(ctx); err != nil || follows {
			return result, errors.Join(errors.New("the target still follows the source"), err)
		}
	}
	if err := e.open(ctx); err != nil {
		return result, err
	}
	result.OpenedAt = time.Now().UTC()
	e.Log.Info("handed over", "tables", result.Tables, "rows", result.Rows, "quiesced", result.OpenedAt.Sub(result.QuiescedAt).String())
	return result, nil
}

func (e Ends) follows(ctx context.Context) (follows bool, err error) {
	if err := e.Target.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&follows); err != nil {
		return false, fmt.Errorf("asking the target: %w", err)
	}
	return follows, nil
}

// await waits until the target is at most so many bytes behind what the source has written by now.
func (e Ends) await(ctx context.Context, behind int64) error {
	var until string
	if err := e.Source.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&until); err != nil {
		return fmt.Errorf("asking the source how far it is: %w", err)
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		// A record behind it, so that replay gets there: the position itself may be the beginning of an empty page.
		if _, err := e.Source.Exec(ctx, "SELECT pg_logical_emit_message(false, 'switchboard', '')"); err != nil {
			return fmt.Errorf("asking the source how far it is: %w", err)
		}
		var left int64
		err := e.Target.QueryRow(ctx, "SELECT coalesce($1::text::pg_lsn - pg_last_wal_replay_lsn(), 0)::bigint", until).Scan(&left)
		if err != nil {
			return fmt.Errorf("asking the target how far it is: %w", err)
		}
		if left <= behind {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the target, which is %d bytes behind: %w", left, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// quiesce lets nobody in but superusers, and ends every session that there is. The limit is a row of the server's: it
// outlives a restart, and comes to the target, too.
func (e Ends) quiesce(ctx context.Context) (ended int64, err error) {
	if err := limit(ctx, e.Source, 0); err != nil {
		return 0, err
	}
	const sessions = `
SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND NOT r.rolsuper`
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		var n int64
		if err := e.Source.QueryRow(ctx, sessions).Scan(&n); err != nil {
			return ended, fmt.Errorf("ending the sessions of the source: %w", err)
		}
		if n == 0 {
			return ended, nil
		}
		ended += n
		select {
		case <-ctx.Done():
			return ended, fmt.Errorf("waiting for %d sessions to end: %w", n, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// verify compares both servers.
func (e Ends) verify(ctx context.Context, result *contract.CutOverResult) error {
	var source, target []table
	var failed, failedThere error
	var both sync.WaitGroup
	both.Go(func() { source, failed = read(ctx, e.Source) })
	both.Go(func() { target, failedThere = read(ctx, e.Target) })
	both.Wait()
	if err := errors.Join(failed, failedThere); err != nil {
		return fmt.Errorf("comparing source and target: %w", err)
	}
	if names := differing(source, target); len(names) > 0 {
		return fmt.Errorf("source and target differ in %d tables: %s", len(names), strings.Join(names[:min(len(names), 5)], ", "))
	}
	result.Tables = len(source)
	result.Rows, result.Digest = sum(source)
	counts, err := retention.Count(ctx, e.Target)
	if err != nil {
		return err
	}
	result.Counts = counts.Counts
	err = e.Target.QueryRow(ctx, "SELECT sequence, digest FROM sb.receipt ORDER BY sequence DESC LIMIT 1").Scan(&result.Head.Sequence, &result.Head.Digest)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("reading the chain's head: %w", err)
	}
	result.VerifiedAt = time.Now().UTC()
	return nil
}

// open lets everybody in to the target, and forgets how it followed the source.
func (e Ends) open(ctx context.Context) error {
	for _, statement := range []string{"ALTER SYSTEM RESET primary_conninfo", "ALTER SYSTEM RESET primary_slot_name", "SELECT pg_reload_conf()"} {
		if _, err := e.Target.Exec(ctx, statement); err != nil {
			return fmt.Errorf("opening the target: %w", err)
		}
	}
	for _, file := range backup.LoginFiles(e.Volume) {
		// The server itself empties what only it can reach.
		if _, err := e.Target.Exec(ctx, "COPY (SELECT WHERE false) TO '"+strings.ReplaceAll(file, "'", "''")+"'"); err != nil {
			return fmt.Errorf("emptying the login of the standby: %w", err)
		}
	}
	return limit(ctx, e.Target, -1)
}

// giveBack opens the source again, unless the target stands on its own by now: then CutOver is repeated, or taken back.
func (e Ends) giveBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reopenTimeout)
	defer cancel()
	follows, err := e.follows(ctx)
	if err != nil || !follows {
		return err
	}
	return limit(ctx, e.Source, -1)
}

// Reopen takes a cut-over back, or the preparations for one: the source is open, and keeps nothing for a target any
// more. The target must not follow it any longer.
func Reopen(ctx context.Context, source *pgxpool.Pool) (contract.ReopenResult, error) {
	if err := limit(ctx, source, -1); err != nil {
		return contract.ReopenResult{}, err
	}
	const drop = `SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = $1`
	if _, err := source.Exec(ctx, drop, contract.MoveSlot); err != nil {
		return contract.ReopenResult{}, fmt.Errorf("removing the slot of the target: %w", err)
	}
	return contract.ReopenResult{At: time.Now().UTC()}, nil
}

// limit sets how many sessions of others than superusers the database takes: 0, or -1 for any number.
func limit(ctx context.Context, server *pgxpool.Pool, sessions int) error {
	var database string
	if err := server.QueryRow(ctx, "SELECT current_database()").Scan(&database); err != nil {
		return fmt.Errorf("asking for the database's name: %w", err)
	}
	if _, err := server.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT %d", pgx.Identifier{database}.Sanitize(), sessions)); err != nil {
		return fmt.Errorf("setting who may connect: %w", err)
	}
	return nil
}
