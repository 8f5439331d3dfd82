package retention_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// Both benchmarks have the history and the hand of test/bench, which takes the same figures in a cluster: 1,000,000 messages of
// 24 months with content, metadata and the providers' ids seen; and batches of 5,000 by address of row from plain copies of these
// tables, then VACUUM, on the same server. That waits for the disk, as production does. Run them with -benchtime=1x.
const (
	benchMessages = 1_000_000
	benchDays     = 730
)

// BenchmarkShrink leaves 3 of 24 months, with the cutoff in the middle of a month, whatever the day.
func BenchmarkShrink(b *testing.B) {
	for range b.N {
		b.StopTimer()
		d, db := benchHistory(b)
		days := middleOf(3)
		policy := d.Limits(b, map[string]int32{contract.CategoryMessages: days, contract.CategoryMessageMetadata: days})
		script(b, db, "../../../test/bench/retention.copy.sql", int(days))
		const size = `SELECT sum(pg_total_relation_size(part)) / 1e6 FROM unnest(ARRAY['message', 'message_body', 'seen']) n, sb.retention_partitions(n)`
		before := ask[float64](b, db, size)
		deleted, ours := timedRun(b, d, policy)
		b.ReportMetric(before-ask[float64](b, db, size), "MB-given-back")
		beside(b, db, int(days), deleted, ours)
	}
}

// BenchmarkDailyRun is what a run does every night: one day's messages have expired since the run before.
func BenchmarkDailyRun(b *testing.B) {
	for range b.N {
		b.StopTimer()
		d, db := benchHistory(b)
		policy := d.Limits(b, map[string]int32{contract.CategoryMessages: benchDays, contract.CategoryMessageMetadata: benchDays})
		run(b, d, policy) // the first run of rules writes a plan
		script(b, db, "../../../test/bench/retention.day.sql", benchDays)
		script(b, db, "../../../test/bench/retention.copy.sql", benchDays)
		deleted, ours := timedRun(b, d, policy)
		if deleted < benchMessages/benchDays {
			b.Fatalf("%d messages were deleted, which is no day's", deleted)
		}
		beside(b, db, benchDays, deleted, ours)
	}
}

// benchHistory makes a server that waits for the disk, and the history.
func benchHistory(b *testing.B) (*pgtest.Database, *pgxpool.Pool) {
	b.Helper()
	s := pgtest.StartOwn(b)
	s.Exec(b, "ALTER SYSTEM SET fsync = on")
	s.Exec(b, "SELECT pg_reload_conf()")
	d := pgtest.NewOn(b, s)
	db := d.Admin(b)
	script(b, db, "../../../test/fixture/history.fill.sql", benchDays)
	execSQL(b, db, "VACUUM ANALYZE")
	return d, db
}

// timedRun makes one run, and gives how many messages it deleted.
func timedRun(b *testing.B, d *pgtest.Database, policy contract.Retention) (int64, time.Duration) {
	b.Helper()
	pool := d.Retain(b)
	began := time.Now()
	b.StartTimer()
	result, err := retention.Run(context.Background(), pool, policy, tenant, retention.Options{})
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	return category(b, result, contract.CategoryMessages).Deleted, time.Since(began)
}

// beside deletes the same by hand, and reports both.
func beside(b *testing.B, db *pgxpool.Pool, days int, deleted int64, ours time.Duration) {
	b.Helper()
	execSQL(b, db, "CHECKPOINT")
	told := script(b, db, "../../../test/bench/retention.delete.sql", days)
	var rows int64
	var deleting, vacuuming float64
	if _, err := fmt.Sscan(told, &rows, &deleting, &vacuuming); err != nil {
		b.Fatalf("reading what DELETE took of %q: %v", told, err)
	}
	if rows < 3*deleted || rows > 3*deleted+3*deleted/1000+30 { // some expired between the two
		b.Fatalf("the run deleted %d messages, the hand %d rows of three tables", deleted, rows)
	}
	b.ReportMetric(float64(deleted), "messages-deleted")
	b.ReportMetric(ours.Seconds()*1000, "retain-ms")
	b.ReportMetric(deleting*1000, "DELETE-ms")
	b.ReportMetric(vacuuming*1000, "VACUUM-ms")
	b.ReportMetric((deleting+vacuuming)/ours.Seconds(), "times-as-fast")
}

// script executes a file of test/bench one statement after the other, as psql would, and gives the last row.
func script(b *testing.B, db *pgxpool.Pool, path string, days int) string {
	b.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.NewReplacer("{messages}", fmt.Sprint(benchMessages), "{days}", fmt.Sprint(days), "{hours}", fmt.Sprint(days*24),
		"{rows}", fmt.Sprint(benchMessages/benchDays)).Replace(string(content))
	conn, err := db.Acquire(b.Context()) // temporary tables are a session's
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Release()
	told, statement := "", ""
	for line := range strings.Lines(text) {
		statement += line
		if !strings.HasSuffix(line, ";\n") || strings.Count(statement, "$$")%2 == 1 {
			continue
		}
		rows, _ := conn.Query(b.Context(), statement, pgx.QueryExecModeSimpleProtocol)
		for rows.Next() {
			told = string(bytes.Join(rows.RawValues(), []byte(" "))) // text, by the simple protocol
		}
		if rows.Err() != nil {
			b.Fatalf("executing %q: %v", statement, rows.Err())
		}
		statement = ""
	}
	return told
}
