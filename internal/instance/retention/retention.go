// Package retention removes what is past its limit, and proves it.
//
// # Protocol
//
// One run at a time: a run holds an advisory lock on its connection from beginning
// to end, and on a second one that it takes while there are months to drop, so that the
// lock is gone exactly when the server is done with both, however the run ended.
//
//  1. Runs that were interrupted and whose rules are no longer in force are
//     sealed as they are, by a receipt that says "interrupted".
//  2. The run is opened: sb.retention_run gets its row, or the one that an
//     interrupted run of the same rules left behind is taken up ("resumed"). The
//     cutoffs are fixed by the database's clock and written down. If the rules are
//     not those in force, nothing is changed.
//  3. What has expired is counted, if that could stop the run or is to be told. Before the
//     first run of changed rules, a dry run, and a run that the guard stops, the counts are
//     written down as a plan. Estimates stand for counts that could not stop the run.
//     A dry run and a run that is stopped go on with 6, and delete nothing.
//  4. Months that are expired as a whole go by DROP, a few in each transaction. While one
//     connection counts what goes, or waits for the disk, the other does the same for other months,
//     after it has deleted what is expired of the months that stay.
//  5. The rest goes in transactions of a bounded number of rows. Objects of files
//     that went with them are removed from the store after each, and struck off
//     when it has confirmed that; a store that does not is left to the next run.
//  6. The last of them finds nothing more to delete, reads back what is left, and
//     seals: it appends the receipt and removes the run's row.
//
// Every deleting transaction raises the run's counters (sb.retention_progress)
// by what it deleted. Therefore, at whatever instant a run is killed, what is
// gone is what is counted: the next run of the policy goes on from those
// counters, and the receipt that it seals tells of all of it, once. A run killed
// after its last commit has sealed already; its digest is among Recent of the
// next result.
//
// What may be deleted is decided by functions of the database
// (migrations/00003_retention.sql); this package can't delete what has not
// expired, nor read what it deletes.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
)

// Options of a run. The zero value is what production uses.
type Options struct {
	Log *slog.Logger // discarded when nil
	// Batch bounds the rows deleted in one transaction; 10,000.
	Batch int
	// LockWait bounds the wait for another run to end; 5 minutes.
	LockWait time.Duration
	// PolicyWait bounds the wait for the rules to come into force: a changed policy
	// reaches the CronJob and `instance migrate` at about the same time; 30 s.
	PolicyWait time.Duration
	// Objects is the store with the tenant's files; nil when they are in the database, or when
	// the store can't be used for the reason in StoreClass.
	Objects    *objectstore.Store
	StoreClass string
	// Now is this machine's clock; time.Now when nil.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Batch <= 0 {
		o.Batch = 10000
	}
	if o.LockWait <= 0 {
		o.LockWait = 5 * time.Minute
	}
	if o.PolicyWait <= 0 {
		o.PolicyWait = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// ErrNotInForce says that the database holds other rules of the policy than
// those the run was given.
var ErrNotInForce = errors.New("the rules are not in force in the database")

// Run enforces one policy once. The pool's role is a member of sb_retain. The
// result is that of the sealed receipt; on an error, what was deleted until then
// is on record, and the next run tells of it.
func Run(ctx context.Context, pool *pgxpool.Pool, policy contract.Retention, tenant string, options Options) (contract.RetentionResult, error) {
	if tenant == "" {
		return contract.RetentionResult{}, fmt.Errorf("checking the policy: the tenant's name is needed; set %s", contract.EnvTenant)
	}
	if err := policy.Validate(); err != nil {
		return contract.RetentionResult{}, err
	}
	r := run{pool: pool, policy: policy, tenant: tenant, Options: options.withDefaults(), loose: true}
	r.files.Class = r.StoreClass
	conn, err := lock(ctx, pool, r.Options)
	if err != nil {
		return contract.RetentionResult{}, err
	}
	defer unlock(ctx, conn)
	r.conn = conn

	began := time.Now()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"comparing the clocks", r.compareClocks},
		{"making next year's partitions", r.ensurePartitions},
		{"closing interrupted runs of older rules", r.closeStale},
		{"removing archives that nobody fetched", r.purgeArchives},
		{"beginning the run", r.begin},
		{"planning", r.plan},
		{"comparing the store with the database", r.compareObjects},
		{"dropping expired months", r.dropMonths},
		{"deleting expired rows", r.deleteRows},
	} {
		if err := step.do(ctx); err != nil {
			return contract.RetentionResult{}, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	// Waiting for the database and for other runs is not the run's own time.
	r.Log.Info("retention run sealed", "policy", policy.Policy, "sequence", r.result.Sequence, "elapsed_ms", float64(time.Since(began).Microseconds())/1000)
	return r.result, nil
}

// run is one run under way.
type run struct {
	Options
	pool   *pgxpool.Pool // of helpers
	conn   *pgx.Conn
	policy contract.Retention
	tenant string
	kinds  []string // what to delete, in order
	// outcome is decided by the plan; nothing is deleted unless it is OutcomeEnforced.
	outcome string
	planned *contract.Plan
	sealed  bool
	// loose: files were deleted whose objects may be in the store still.
	loose  bool
	files  contract.FilesResult
	result contract.RetentionResult
}

// toResult adds to a receipt what the operator needs beside it.
func toResult(r evidence.Receipt, s evidence.Sealed, recent []contract.ChainLink) contract.RetentionResult {
	return contract.RetentionResult{
		Sequence: s.Sequence, Policy: r.Policy, Generation: r.Generation, PolicyDigest: r.PolicyDigest,
		StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Outcome: r.Outcome, Categories: r.Categories, Holds: r.Holds,
		PreviousDigest: s.Previous, Digest: s.Digest, Recent: recent,
	}
}
