package retention_test

import (
	"context"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// BenchmarkRetain shrinks 1,000,000 messages of 24 months to 3 months, content,
// metadata and the providers' ids seen, and beside it does the same by hand on the same server: DELETE in
// batches of 5,000 by key from plain tables with the same indexes, then VACUUM.
// MB-left is what the three tables still take on disk. Run it with -benchtime=1x.
func BenchmarkRetain(b *testing.B) {
	const messages, days, batch = 1_000_000, 730, 5000
	ctx := context.Background()

	b.Run("retain", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			d := pgtest.New(b)
			db := d.Admin(b)
			policy := d.Limits(b, map[string]int32{contract.CategoryMessages: 90, contract.CategoryMessageMetadata: 90})
			fillMessages(b, db, messages, days)
			execSQL(b, db, "VACUUM ANALYZE")
			execSQL(b, db, "CHECKPOINT")
			pool := d.Retain(b)
			b.StartTimer()
			result, err := retention.Run(ctx, pool, policy, tenant, retention.Options{})
			b.StopTimer()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(category(b, result, contract.CategoryMessages).Deleted), "messages-deleted")
			b.ReportMetric(ask[float64](b, db, `SELECT sum(pg_total_relation_size(part)) / 1e6 FROM (SELECT part FROM sb.retention_partitions('message')
				UNION ALL SELECT part FROM sb.retention_partitions('message_body') UNION ALL SELECT part FROM sb.retention_partitions('seen')) p`), "MB-left")
		}
	})

	b.Run("delete and vacuum", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			d := pgtest.New(b)
			db := d.Admin(b)
			fillMessages(b, db, messages, days)
			tables := []struct{ name, key, mark string }{{"message_body", "at, id", "at"}, {"message", "at, id", "at"}, {"seen", "channel, id_hash", "seen_at"}}
			for _, t := range tables {
				execSQL(b, db, "CREATE TABLE public."+t.name+" (LIKE sb."+t.name+" INCLUDING ALL)")
				execSQL(b, db, "INSERT INTO public."+t.name+" SELECT * FROM sb."+t.name)
			}
			execSQL(b, db, "VACUUM ANALYZE")
			execSQL(b, db, "CHECKPOINT")
			b.StartTimer()
			deleted := int64(0)
			for _, t := range tables {
				for {
					tag, err := db.Exec(ctx, `DELETE FROM public.`+t.name+` WHERE (`+t.key+`) IN (SELECT `+t.key+` FROM public.`+t.name+`
						WHERE `+t.mark+` <= now() - interval '2160 hours' ORDER BY `+t.mark+` LIMIT $1)`, batch)
					if err != nil {
						b.Fatal(err)
					}
					if tag.RowsAffected() == 0 {
						break
					}
					deleted += tag.RowsAffected()
				}
				execSQL(b, db, "VACUUM public."+t.name)
			}
			b.StopTimer()
			b.ReportMetric(float64(deleted/3), "messages-deleted")
			b.ReportMetric(ask[float64](b, db, "SELECT (pg_total_relation_size('public.seen') + pg_total_relation_size('public.message') + pg_total_relation_size('public.message_body')) / 1e6"), "MB-left")
		}
	})
}
