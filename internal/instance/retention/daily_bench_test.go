package retention_test

import (
	"context"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// BenchmarkDailyRun is what a run does every night: of 1,000,000 messages of 24 months, one
// day's have expired since the run before; content, metadata and the providers' ids seen.
// Beside it stands one DELETE per table on plain copies, in one transaction. Run it with
// -benchtime=1x.
func BenchmarkDailyRun(b *testing.B) {
	const messages, days = 1_000_000, 730
	ctx := context.Background()
	tables := []struct{ name, mark string }{{"message_body", "at"}, {"message", "at"}, {"seen", "seen_at"}}
	for range b.N {
		b.StopTimer()
		d := pgtest.New(b)
		db := d.Admin(b)
		policy := d.Limits(b, map[string]int32{contract.CategoryMessages: days, contract.CategoryMessageMetadata: days})
		fillMessages(b, db, messages, days)
		run(b, d, policy) // the first run of rules is planned in full
		execSQL(b, db, `INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
			SELECT gen_random_uuid(), now() - make_interval(days => $1, secs => i * 86400.0 / $2), md5('v' || i)::uuid, 'front-desk', 'in', 'guest', 'received'
			FROM generate_series(1, $2::int) i`, days, messages/days)
		execSQL(b, db, `INSERT INTO sb.message_body (id, at, conversation_id, channel, body)
			SELECT id, at, conversation_id, channel, 'Is the pool open, and until when? ' || id FROM sb.message WHERE at <= now() - make_interval(days => $1)`, days)
		execSQL(b, db, `INSERT INTO sb.seen (channel, id_hash, seen_at)
			SELECT channel, sha256(id::text::bytea), at FROM sb.message WHERE at <= now() - make_interval(days => $1)`, days)
		for _, t := range tables {
			execSQL(b, db, "CREATE TABLE public."+t.name+" (LIKE sb."+t.name+" INCLUDING ALL)")
			execSQL(b, db, "INSERT INTO public."+t.name+" SELECT * FROM sb."+t.name)
			execSQL(b, db, "CREATE INDEX ON public."+t.name+" ("+t.mark+")")
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

		same := int64(0)
		start := time.Now()
		tx, err := db.Begin(ctx)
		if err != nil {
			b.Fatal(err)
		}
		for _, t := range tables {
			tag, err := tx.Exec(ctx, "DELETE FROM public."+t.name+" WHERE "+t.mark+" <= $1", result.StartedAt.Add(-days*24*time.Hour))
			if err != nil {
				b.Fatal(err)
			}
			same += tag.RowsAffected()
		}
		if err := tx.Commit(ctx); err != nil {
			b.Fatal(err)
		}
		plain := time.Since(start).Seconds()
		deleted := category(b, result, contract.CategoryMessages).Deleted
		if deleted < messages/days || same < 3*deleted-3 || same > 3*deleted+3 {
			b.Fatalf("we have deleted %d messages, and the plain way %d rows", deleted, same)
		}
		ours := result.FinishedAt.Sub(result.StartedAt).Seconds()
		b.ReportMetric(float64(deleted), "messages-deleted")
		b.ReportMetric(ours*1000, "receipt-ms")
		b.ReportMetric(plain*1000, "plain-ms")
		b.ReportMetric(plain/ours, "of-its-speed")
	}
}
