package retention_test

import (
	"context"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// BenchmarkDailyRun deletes one day, about 1,370 messages as in 1,000,000 of 24 months, content,
// metadata and the providers' ids seen, and beside it does the same by one DELETE per table on plain
// copies, in one transaction. Run it with -benchtime=1x -count=5: the first run of a server is slower.
func BenchmarkDailyRun(b *testing.B) {
	const messages, days = 200_000, 146
	ctx := context.Background()
	for range b.N {
		b.StopTimer()
		d := pgtest.New(b)
		db := d.Admin(b)
		policy := d.Limits(b, map[string]int32{contract.CategoryMessages: days - 1, contract.CategoryMessageMetadata: days - 1})
		fill(b, db, messages, days)
		for _, table := range []string{"message_body", "message", "seen"} {
			execSQL(b, db, "CREATE TABLE public."+table+" (LIKE sb."+table+" INCLUDING ALL)")
			execSQL(b, db, "INSERT INTO public."+table+" SELECT * FROM sb."+table)
		}
		execSQL(b, db, "VACUUM ANALYZE")
		execSQL(b, db, "CHECKPOINT")
		pool := d.Retain(b)
		b.StartTimer()
		result, err := retention.Run(ctx, pool, policy, tenant, retention.Options{})
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		deleted := category(b, result, contract.CategoryMessages).Deleted

		var same int64
		start := time.Now()
		tx, err := db.Begin(ctx)
		if err != nil {
			b.Fatal(err)
		}
		for _, t := range []struct{ name, mark string }{{"message_body", "at"}, {"message", "at"}, {"seen", "seen_at"}} {
			tag, err := tx.Exec(ctx, "DELETE FROM public."+t.name+" WHERE "+t.mark+" <= $1", result.StartedAt.AddDate(0, 0, 1-days))
			if err != nil {
				b.Fatal(err)
			}
			same = tag.RowsAffected()
		}
		if err := tx.Commit(ctx); err != nil {
			b.Fatal(err)
		}
		plain := time.Since(start).Seconds()
		ours := result.FinishedAt.Sub(result.StartedAt).Seconds()
		b.ReportMetric(float64(deleted), "messages-deleted")
		b.ReportMetric(float64(same), "messages-deleted-plainly")
		b.ReportMetric(ours*1000, "receipt-ms")
		b.ReportMetric(plain*1000, "plain-ms")
		b.ReportMetric(plain/ours, "of-its-speed")
	}
}
