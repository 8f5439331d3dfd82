package retention_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// envChild makes the test binary be `instance retain`, so that it can be killed.
const envChild = "RETENTION_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) == "" {
		os.Exit(m.Run())
	}
	if err := retention.Command(context.Background(), slog.New(slog.NewJSONHandler(os.Stderr, nil))); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// recorded sums up what receipts and open runs tell of, by kind.
func recorded(t testing.TB, db *pgxpool.Pool) map[string]int64 {
	t.Helper()
	var b []byte
	if err := db.QueryRow(context.Background(), `SELECT COALESCE(jsonb_object_agg(kind, n), '{}') FROM (SELECT kind, sum(n) AS n FROM (
		SELECT kind, deleted AS n FROM sb.retention_progress
		UNION ALL SELECT c ->> 'category', (c ->> 'deleted')::bigint FROM sb.receipt, jsonb_array_elements(body::jsonb -> 'categories') c
		) x GROUP BY kind) y`).Scan(&b); err != nil {
		t.Fatal(err)
	}
	sums := map[string]int64{}
	if err := json.Unmarshal(b, &sums); err != nil {
		t.Fatal(err)
	}
	return sums
}

// wantRecorded checks that what is gone is on record, whatever state a killed run left.
func wantRecorded(t testing.TB, db *pgxpool.Pool, before map[string]int64) {
	t.Helper()
	until(t, "the killed run's session has ended", func() bool {
		return ask[int64](t, db, "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND datname = current_database()", contract.LoginRole(contract.ComponentRetain, 1)) == 0
	})
	now, told := count(t, db), recorded(t, db)
	for name := range before {
		if gone := before[name] - now[name]; gone != told[name] {
			t.Fatalf("%s: %d rows are gone, %d are on record", name, gone, told[name])
		}
	}
	if n := ask[int64](t, db, "SELECT count(*) FROM sb.message_body b WHERE NOT EXISTS (SELECT FROM sb.message m WHERE (m.at, m.id) = (b.at, b.id))"); n != 0 {
		t.Fatalf("%d bodies have outlived their metadata", n)
	}
}

// TestARunKilledAtAnyInstantIsEndedByTheNext ends runs 50 times at random
// instants, from the server's side and from the client's.
func TestARunKilledAtAnyInstantIsEndedByTheNext(t *testing.T) {
	t.Run("of all categories", func(t *testing.T) { killRuns(t, allLimits) })
	// Metadata is then deleted beside the months that are dropped, after its content.
	t.Run("of content and metadata of one age", func(t *testing.T) {
		days := middleOf(3)
		killRuns(t, map[string]int32{contract.CategoryMessages: days, contract.CategoryMessageMetadata: days})
	})
}

func killRuns(t *testing.T, limits map[string]int32) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	policy := d.Limits(t, limits)
	random := rand.New(rand.NewPCG(20261123, 4))
	login := contract.LoginRole(contract.ComponentRetain, 1)

	killed, resumed := 0, 0
	before := map[string]int64{contract.CategoryStaffAccounts: 1} // the first account
	var newest contract.RetentionResult
	for round := 0; killed < 50; round++ {
		if round%10 == 0 { // something new to delete
			for name, n := range refill(t, db, round) {
				before[name] += n
			}
		}
		runCtx, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		pool := d.Retain(t)
		go func() {
			result, err := retention.Run(runCtx, pool, policy, tenant, retention.Options{Batch: 10 + round%7*20})
			if err == nil {
				newest = result
			}
			ended <- err
		}()
		delay := time.NewTimer(time.Duration(random.Int64N(int64(150 * time.Millisecond))))
		var err error
		select {
		case err = <-ended:
		case <-delay.C:
			if round%2 == 0 {
				execSQL(t, db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND datname = current_database()", login)
			} else {
				cancel()
			}
			err = <-ended
		}
		cancel()
		pool.Close()
		if err != nil {
			killed++
		}
		wantRecorded(t, db, before)
		if ask[bool](t, db, "SELECT EXISTS (SELECT FROM sb.retention_run WHERE resumed > 0)") {
			resumed++
		}
	}
	if resumed < 5 {
		t.Errorf("only %d of %d killed runs were resumed and killed again: the instants are not spread", resumed, killed)
	}
	newest = run(t, d, policy)
	wantRecorded(t, db, before)
	wantValidChain(t, db, newest)
	wantNothingOverdue(t, db, newest)
	if n := ask[int64](t, db, "SELECT COALESCE(sum((body::jsonb -> 'resumed' ->> 'attempts')::int), 0)::bigint FROM sb.receipt"); n < 5 {
		t.Errorf("the receipts tell of %d interrupted attempts, at least 5 were taken up again", n)
	}
	if n := ask[int64](t, db, "SELECT count(*) FROM sb.retention_run"); n != 0 {
		t.Errorf("%d runs are still open", n)
	}
}

// refill adds a history under fresh ids and says how many rows of each category.
func refill(t testing.TB, db *pgxpool.Pool, salt int) map[string]int64 {
	t.Helper()
	before := count(t, db)
	execSQL(t, db, `SELECT sb.ensure_partition(now() - make_interval(days => n)) FROM generate_series(0, 430, 27) n`)
	execSQL(t, db, `WITH h AS (SELECT md5($1::int::text || 'm' || i)::uuid AS id, md5($1::int::text || 'c' || i)::uuid AS contact, md5($1::int::text || 'v' || i)::uuid AS conversation,
			now() - make_interval(secs => i * 400 * 86400.0 / 1500) AS at FROM generate_series(0, 1499) i),
		c AS (INSERT INTO sb.contact (id, last_seen_at) SELECT contact, at FROM h),
		v AS (INSERT INTO sb.conversation (id, channel, contact_id, created_at, last_message_at) SELECT conversation, 'spa', contact, at, at FROM h),
		b AS (INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, gen_random_uuid(), 'spa', 'Good evening' FROM h),
		a AS (INSERT INTO sb.access_log (at, method, route, status) SELECT at, 'GET', '/', 200 FROM h),
		f AS (INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, file_id) SELECT id, at, id, conversation, 'spa', sb.add_file('image/png', (extract(epoch FROM at)::bigint % 40)::text::bytea) FROM h),
		i AS (INSERT INTO sb.integration_data (id, at, source, kind, contact_id, data) SELECT id, at, 'pms', 'arrival', NULL, '{}' FROM h)
		INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) SELECT id, at, conversation, 'spa', 'in', 'guest', 'received' FROM h`, salt)
	added := count(t, db)
	for name := range added {
		added[name] -= before[name]
	}
	return added
}

// TestAProcessKilledWithSIGKILL kills `instance retain` itself, and reads the
// termination message of the one that is left alone.
func TestAProcessKilledWithSIGKILL(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, allLimits)
	random := rand.New(rand.NewPCG(9, 9))
	before := map[string]int64{contract.CategoryStaffAccounts: 1} // the first account
	for round := range 3 {
		for name, n := range refill(t, db, round) {
			before[name] += n
		}
	}
	spec, err := json.Marshal(policy)
	if err != nil {
		t.Fatal(err)
	}
	d.Setenv(t, contract.LoginRole(contract.ComponentRetain, 1))
	message := filepath.Join(t.TempDir(), "termination-log")
	child := func() (*exec.Cmd, *bytes.Buffer) {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), envChild+"=1", contract.EnvRetention+"="+string(spec), contract.EnvTenant+"="+tenant, contract.EnvTerminationLog+"="+message)
		stderr := &bytes.Buffer{}
		c.Stderr = stderr
		return c, stderr
	}
	for range 12 {
		c, _ := child()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// It is killed within a moment after it has reached the database, or ends.
		until(t, "the run is connected", func() bool {
			return ask[int64](t, db, "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'sb_retain%' AND datname = current_database()") > 0
		})
		<-time.After(time.Duration(random.Int64N(int64(80 * time.Millisecond))))
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // killed
		wantRecorded(t, db, before)
	}
	c, stderr := child()
	if err := c.Run(); err != nil {
		t.Fatalf("the last run failed: %v\n%s", err, stderr)
	}
	text, err := os.ReadFile(message)
	if err != nil {
		t.Fatal(err)
	}
	result, err := contract.DecodeResult(string(text))
	if err != nil || result.Retention == nil {
		t.Fatalf("termination message %s: %v", text, err)
	}
	wantRecorded(t, db, before)
	wantValidChain(t, db, *result.Retention)
	wantNothingOverdue(t, db, *result.Retention)
	if bytes.Contains(stderr.Bytes(), []byte("Good evening")) {
		t.Error("the log holds a message's words")
	}
}
