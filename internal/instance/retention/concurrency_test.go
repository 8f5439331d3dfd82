package retention_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const expiredMonths = `SELECT count(*) FROM sb.retention_partitions('message_body') WHERE upper <= $1`

func TestWholeExpiredMonthsAreDropped(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, allLimits)
	fill(t, db, 1000, 700)
	shadow(t, db)
	before := ask[int64](t, db, expiredMonths, time.Now().AddDate(0, 0, -90))
	result := run(t, d, policy)
	if left := ask[int64](t, db, expiredMonths, category(t, result, contract.CategoryMessages).Cutoff); before < 15 || left != 0 {
		t.Errorf("of %d expired months, %d are left", before, left)
	}
	if n := ask[int64](t, db, `SELECT count(*) FROM sb.retention_partitions('access_log') WHERE lower > now() + interval '11 months'`); n != 1 {
		t.Error("the partitions are not made a year ahead")
	}
	wantExactly(t, db, result, wantValidChain(t, db, result))
}

// TestAReaderWithLocksDoesNotBlockARun: DROP would wait for it; the run deletes by batches instead.
func TestAReaderWithLocksDoesNotBlockARun(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	policy := d.Limits(t, map[string]int32{contract.CategoryMessages: 90})
	fill(t, db, 1000, 300)
	shadow(t, db)
	reader, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback(ctx)
	if _, err := reader.Exec(ctx, "SELECT count(*) FROM sb.message_body"); err != nil { // locks the parent and all partitions
		t.Fatal(err)
	}
	// Others queue up behind a DROP that waits: never for long.
	slowest := make(chan time.Duration)
	watch, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		var longest time.Duration
		for watch.Err() == nil {
			began := time.Now()
			_, _ = db.Exec(ctx, "SELECT FROM sb.message_body LIMIT 1")
			longest = max(longest, time.Since(began))
		}
		slowest <- longest
	}()
	result := run(t, d, policy)
	stop()
	if longest := <-slowest; longest > 1500*time.Millisecond {
		t.Errorf("a reader waited %s for a DROP", longest)
	}
	wantExactly(t, db, result, wantValidChain(t, db, result))
	wantNothingOverdue(t, db, result)
	cutoff := category(t, result, contract.CategoryMessages).Cutoff
	if n := ask[int64](t, db, expiredMonths, cutoff); n < 5 {
		t.Fatalf("%d expired months are left: they were dropped under a reader", n)
	}
	if err := reader.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	result = run(t, d, policy)
	if n := ask[int64](t, db, expiredMonths, cutoff); n != 0 {
		t.Errorf("%d empty months are left after the reader has gone", n)
	}
	wantExactly(t, db, result, wantValidChain(t, db, result))
}

// TestWhatOthersHoldIsToldAsOverdue: a locked row stays, the receipt says so, the next run has it.
func TestWhatOthersHoldIsToldAsOverdue(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	policy := d.Limits(t, map[string]int32{contract.CategoryContacts: 90})
	fill(t, db, 200, 200)
	shadow(t, db)
	other, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback(ctx)
	var oldest time.Time
	if err := other.QueryRow(ctx, "SELECT last_seen_at FROM sb.contact ORDER BY last_seen_at LIMIT 1 FOR UPDATE").Scan(&oldest); err != nil {
		t.Fatal(err)
	}
	c := category(t, run(t, d, policy), contract.CategoryContacts)
	if c.Overdue == nil || *c.Overdue != 1 || c.OldestLeft == nil || !c.OldestLeft.Equal(oldest) {
		t.Errorf("overdue is %v, oldest left %v; want 1 and %v", c.Overdue, c.OldestLeft, oldest)
	}
	if err := other.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	result := run(t, d, policy)
	if c := category(t, result, contract.CategoryContacts); c.Deleted != 1 {
		t.Errorf("the next run deleted %d, want the 1 that was held", c.Deleted)
	}
	wantExactly(t, db, result, wantValidChain(t, db, result))
}

// TestAGuestWhoWritesMeanwhileStays: the deleting statement checks expiry again.
func TestAGuestWhoWritesMeanwhileStays(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	policy := d.Limits(t, map[string]int32{contract.CategoryContacts: 90})
	execSQL(t, db, "INSERT INTO sb.contact (id, last_seen_at) SELECT gen_random_uuid(), now() - interval '100 days' FROM generate_series(1, 2)")
	writer, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Rollback(ctx)
	if _, err := writer.Exec(ctx, "UPDATE sb.contact SET last_seen_at = now() WHERE id = (SELECT min(id::text)::uuid FROM sb.contact)"); err != nil {
		t.Fatal(err)
	}
	done := make(chan contract.RetentionResult, 1)
	go func() {
		result, _ := retention.Run(ctx, d.Retain(t), policy, tenant, retention.Options{})
		done <- result
	}()
	until(t, "the run has deleted the other guest", func() bool { return ask[int64](t, db, "SELECT count(*) FROM sb.contact") == 1 })
	if err := writer.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	c := category(t, <-done, contract.CategoryContacts)
	if c.Deleted != 1 || c.Overdue == nil || *c.Overdue != 0 {
		t.Errorf("the run says %+v, want 1 deleted and none overdue", c)
	}
	if n := ask[int64](t, db, "SELECT count(*) FROM sb.contact WHERE last_seen_at > now() - interval '1 hour'"); n != 1 {
		t.Error("the guest who wrote is gone")
	}
}

// TestNothingStoredMeanwhileIsLost inserts around the cutoff while runs go on.
func TestNothingStoredMeanwhileIsLost(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	policy := d.Limits(t, map[string]int32{contract.CategoryAccessLogs: 30})
	fill(t, db, 1000, 100)
	shadow(t, db)
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				// A second on either side of the cutoff; the row and its shadow are one transaction.
				_, err := db.Exec(ctx, `WITH l AS (INSERT INTO sb.access_log (at, method, route, status)
					VALUES (now() - interval '30 days' + make_interval(secs => $1::int % 2000 / 1000.0 - 1), 'GET', '/', 200) RETURNING id, at)
					INSERT INTO public."AccessLogs" (id, mark) SELECT id::text, at FROM l`, i*7+w)
				if err != nil && ctx.Err() == nil {
					t.Errorf("a writer was disturbed: %v", err)
					return
				}
			}
		})
	}
	for range 10 {
		run(t, d, policy)
	}
	cancel()
	writers.Wait()
	result := run(t, d, policy)
	wantExactly(t, db, result, wantValidChain(t, db, result))
}

func TestRunsExcludeOneAnother(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	policy := d.Limits(t, allLimits)
	fill(t, db, 1000, 300)
	shadow(t, db)

	results := make([]contract.RetentionResult, 4)
	var runs sync.WaitGroup
	for i := range results {
		pool := d.Retain(t)
		runs.Go(func() {
			var err error
			if results[i], err = retention.Run(ctx, pool, policy, tenant, retention.Options{Batch: 20}); err != nil {
				t.Errorf("run %d: %v", i, err)
			}
		})
	}
	runs.Wait()
	newest, busy := results[0], 0
	for _, r := range results {
		if r.Sequence > newest.Sequence {
			newest = r
		}
		if category(t, r, contract.CategoryMessages).Deleted > 0 {
			busy++
		}
	}
	if busy != 1 || newest.Sequence != 4 {
		t.Errorf("%d of 4 runs deleted something, the newest receipt is %d", busy, newest.Sequence)
	}
	wantExactly(t, db, newest, wantValidChain(t, db, newest))

	holder, err := d.Retain(t).Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Release()
	if _, err := holder.Exec(ctx, "SELECT pg_advisory_lock(x'736272657461696e'::bigint)"); err != nil {
		t.Fatal(err)
	}
	_, err = retention.Run(ctx, d.Retain(t), policy, tenant, retention.Options{LockWait: 200 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "still under way") {
		t.Errorf("under another's lock the run ended with: %v", err)
	}
	if got := len(receipts(t, db)); got != 4 {
		t.Errorf("%d receipts after a run that was locked out, want 4", got)
	}
}

// TestARunWaitsForAllConnectionsOfAKilledOne: the server may still be at work on the second when the first is gone.
func TestARunWaitsForAllConnectionsOfAKilledOne(t *testing.T) {
	d := pgtest.New(t)
	ctx := context.Background()
	policy := d.Limits(t, allLimits)
	second, err := d.Retain(t).Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Release()
	if _, err := second.Exec(ctx, "SELECT pg_advisory_lock_shared(x'736272657461696e'::bigint)"); err != nil {
		t.Fatal(err)
	}
	_, err = retention.Run(ctx, d.Retain(t), policy, tenant, retention.Options{LockWait: 200 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "still under way") {
		t.Errorf("beside another's second connection the run ended with: %v", err)
	}
}

// TestARunTakesASecondConnectionAndDoesWithout watches who has the run's lock.
func TestARunTakesASecondConnectionAndDoesWithout(t *testing.T) {
	s := pgtest.StartOwn(t) // roles are the server's
	for _, connections := range []int64{2, 1} {
		d := pgtest.NewOn(t, s)
		db := d.Admin(t)
		execSQL(t, db, fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT %d", contract.LoginRole(contract.ComponentRetain, 1), connections))
		policy := d.Limits(t, map[string]int32{contract.CategoryMessages: 90, contract.CategoryMessageMetadata: 90})
		fillMessages(t, db, 20_000, 700)
		shadow(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		most := make(chan int64)
		go func() {
			n := int64(0)
			for ctx.Err() == nil {
				var now int64
				if db.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted AND objid = x'7461696e'::int::oid").Scan(&now) == nil {
					n = max(n, now)
				}
			}
			most <- n
		}()
		result := run(t, d, policy)
		cancel()
		if n := <-most; n != connections {
			t.Errorf("%d connections have had the run's lock, want %d", n, connections)
		}
		wantExactly(t, db, result, wantValidChain(t, db, result))
		wantNothingOverdue(t, db, result)
	}
}

// TestCountsOfTwoConnectionsWaitInOneOrder: would they wait for each other, the server let a second pass before it chose whose work is lost.
func TestCountsOfTwoConnectionsWaitInOneOrder(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := t.Context()
	policy := d.Limits(t, map[string]int32{contract.CategoryMessages: middleOf(1), contract.CategoryMessageMetadata: middleOf(1)})
	fillMessages(t, db, 400, 100)
	pool := d.Retain(t)
	if _, err := pool.Exec(ctx, "SELECT sb.retention_open($1, $2)", policy.Policy, policy.Digest); err != nil {
		t.Fatal(err)
	}
	batch, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Rollback(ctx)
	deleted := func(kind string) (n int64) {
		t.Helper()
		if err := batch.QueryRow(ctx, "SELECT deleted FROM sb.retention_delete($1, ARRAY[$2], 1000, false, NULL, NULL)", policy.Policy, kind).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if deleted(contract.CategoryMessages) == 0 {
		t.Fatal("nothing has expired of the month that stays")
	}
	dropped := make(chan error)
	go func() {
		_, err := pool.Exec(ctx, "SELECT sb.retention_drop($1, ARRAY(SELECT sb.retention_months($1)))", policy.Policy)
		dropped <- err
	}()
	until(t, "the drop to wait for the batch's counts", func() bool {
		return ask[bool](t, db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%retention_drop%')")
	})
	if deleted(contract.CategoryMessageMetadata) == 0 {
		t.Error("the batch gave way to the drop")
	}
	if err := batch.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-dropped; err != nil {
		t.Errorf("the drop ended with: %v", err)
	}
}

// TestALockedRowOfAMonthIsPassedOver: the statement that locks nothing before it deletes waits for a moment only.
func TestALockedRowOfAMonthIsPassedOver(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	policy := d.Limits(t, map[string]int32{contract.CategoryMessages: middleOf(1)})
	fill(t, db, 200, 100)
	shadow(t, db)
	other, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback(ctx)
	var held time.Time
	if err := other.QueryRow(ctx, "SELECT at FROM sb.message_body WHERE at <= now() - make_interval(days => $1) ORDER BY at DESC LIMIT 1 FOR UPDATE", middleOf(1)).Scan(&held); err != nil {
		t.Fatal(err)
	}
	c := category(t, run(t, d, policy), contract.CategoryMessages)
	if c.Deleted < 50 || c.Overdue == nil || *c.Overdue != 1 || c.OldestLeft == nil || !c.OldestLeft.Equal(held) {
		t.Errorf("the run says %+v, want that one row is overdue, of %v", c, held)
	}
	if err := other.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	result := run(t, d, policy)
	if c := category(t, result, contract.CategoryMessages); c.Deleted != 1 {
		t.Errorf("the next run deleted %d, want the 1 that was held", c.Deleted)
	}
	wantExactly(t, db, result, wantValidChain(t, db, result))
}

// TestABatchLooksAtNoMoreRowsThanItMay, where those that have expired lie among others, and in no order.
func TestABatchLooksAtNoMoreRowsThanItMay(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	days := middleOf(1)
	policy := d.Limits(t, map[string]int32{contract.CategoryAccessLogs: days})
	execSQL(t, db, "SELECT sb.ensure_partition(now() - make_interval(days => $1))", days)
	execSQL(t, db, `INSERT INTO sb.access_log (at, method, route, status)
		SELECT now() - make_interval(days => $1, secs => CASE WHEN i % 60 = 0 THEN i * 7919 % 100000 + 1 ELSE -i END), 'GET', '/', 200 FROM generate_series(1, 30000) i`, days)
	execSQL(t, db, "VACUUM ANALYZE sb.access_log")
	expired := ask[int64](t, db, "SELECT count(*) FROM sb.access_log WHERE at <= now() - make_interval(days => $1)", days)
	if expired < 500 {
		t.Fatalf("%d rows have expired: this test tells nothing", expired)
	}
	retain := d.Retain(t)
	execSQL(t, retain, "SELECT sb.retention_open($1, $2)", policy.Policy, policy.Digest)
	var month *time.Time
	var place *string
	deleted, calls := int64(0), int64(0)
	for more := true; more; calls++ {
		var n int64
		if err := retain.QueryRow(t.Context(), `SELECT deleted, more, month, place::text
			FROM sb.retention_delete($1, ARRAY['AccessLogs'], 70, true, $2, $3::text::tid)`, policy.Policy, month, place).Scan(&n, &more, &month, &place); err != nil {
			t.Fatal(err)
		}
		if n > 70 {
			t.Errorf("a batch of 70 deleted %d", n)
		}
		deleted += n
	}
	if deleted < expired || calls < expired/70 { // one more row expires every second
		t.Errorf("%d rows went in %d calls, %d had expired", deleted, calls, expired)
	}
	if n := ask[int64](t, db, "SELECT deleted FROM sb.retention_progress WHERE kind = 'AccessLogs'"); n != deleted {
		t.Errorf("%d are counted, %d went", n, deleted)
	}
}

// TestWhoChangesTheRulesIsLetPass: the transactions of a run on two connections overlap, and would keep others off for as long as it lasts.
func TestWhoChangesTheRulesIsLetPass(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	policy := d.Limits(t, allLimits)
	execSQL(t, d.Retain(t), "SELECT sb.retention_open($1, $2)", policy.Policy, policy.Digest)
	begin := func() pgx.Tx {
		tx, err := db.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback(ctx) })
		return tx
	}
	first, second, change := begin(), begin(), begin()
	for _, tx := range []pgx.Tx{first, second} {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '300ms'"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.Exec(ctx, "SELECT sb.retention_in_force($1)", policy.Policy); err != nil {
		t.Fatal(err)
	}
	changed := make(chan error, 1)
	go func() {
		_, err := change.Exec(ctx, "UPDATE sb.rules SET changed_at = now()")
		changed <- err
	}()
	until(t, "who changes the rules waits", func() bool {
		return ask[bool](t, db, "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'sb.rules'::regclass AND NOT granted)")
	})
	var pg *pgconn.PgError
	if _, err := second.Exec(ctx, "SELECT sb.retention_in_force($1)", policy.Policy); !errors.As(err, &pg) || pg.Code != "55P03" {
		t.Errorf("a transaction that begins after has got: %v, want that it waits", err)
	}
	if err := first.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
}

// TestContentGoesBeforeItsMetadata, also where metadata is deleted beside the months that are dropped.
func TestContentGoesBeforeItsMetadata(t *testing.T) {
	for name, months := range map[string][2]int{"in one month": {2, 2}, "in two": {2, 4}} {
		t.Run(name, func(t *testing.T) {
			d := pgtest.New(t)
			db := d.Admin(t)
			policy := d.Limits(t, map[string]int32{contract.CategoryMessages: middleOf(months[0]), contract.CategoryMessageMetadata: middleOf(months[1])})
			fillMessages(t, db, 2000, 400)
			execSQL(t, db, `CREATE FUNCTION public.alone() RETURNS trigger LANGUAGE plpgsql AS $$
				BEGIN
					IF EXISTS (SELECT FROM sb.message_body b WHERE b.at = OLD.at AND b.id = OLD.id) THEN
						RAISE EXCEPTION 'the content of a message has outlived it';
					END IF;
					RETURN NULL;
				END $$`)
			execSQL(t, db, "CREATE TRIGGER alone AFTER DELETE ON sb.message FOR EACH ROW EXECUTE FUNCTION public.alone()")
			result := run(t, d, policy) // in batches of 100
			if c := category(t, result, contract.CategoryMessageMetadata); c.Deleted < 1000 {
				t.Errorf("metadata: %+v", c)
			}
			wantNothingOverdue(t, db, result)
		})
	}
}
