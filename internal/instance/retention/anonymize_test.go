package retention_test

import (
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestAnonymizeKeepsCountsOfFiveAndMore compares the counts that stay with those that
// the test itself made of the rows before they went, by DROP and in batches.
func TestAnonymizeKeepsCountsOfFiveAndMore(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, map[string]int32{contract.CategoryMessageMetadata: 60})
	policy.Rules[0].Action = contract.ActionAnonymize
	policy.Digest = contract.Digest(policy.Rules)
	execSQL(t, db, "UPDATE sb.retention_limit SET action = 'Anonymize', digest = $1", policy.Digest)
	execSQL(t, db, "SELECT sb.ensure_partition(now() - make_interval(days => n)) FROM generate_series(0, 140, 20) n")
	// From one to nine messages a day, channel and direction.
	execSQL(t, db, `INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
		SELECT gen_random_uuid(), date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(days => n) + make_interval(hours => k * 2), gen_random_uuid(),
			c.channel, c.direction, 'guest', 'received'
		FROM generate_series(0, 120) n, (VALUES ('spa', 'in', 0), ('spa', 'out', 3), ('front-desk', 'in', 5)) c (channel, direction, shift), generate_series(0, (n + c.shift) % 9) k`)
	execSQL(t, db, `CREATE TABLE public.expected AS SELECT (at AT TIME ZONE 'UTC')::date AS day, channel, direction, count(*) AS messages,
		max(at) AS last FROM sb.message GROUP BY 1, 2, 3`)

	result := run(t, d, policy)
	c := category(t, result, contract.CategoryMessageMetadata)
	if c.Deleted < 500 || c.Anonymized != c.Deleted {
		t.Errorf("%d deleted, %d anonymised", c.Deleted, c.Anonymized)
	}
	const wanted = `SELECT day, channel, direction, messages FROM public.expected
		WHERE messages >= 5 AND ((day + 1)::timestamp AT TIME ZONE 'UTC') <= sb.cutoff('MessageMetadata')`
	compare := func() {
		t.Helper()
		if n := ask[int64](t, db, `SELECT count(*) FROM ((TABLE sb.message_statistics EXCEPT ALL `+wanted+`) UNION ALL (`+wanted+` EXCEPT ALL TABLE sb.message_statistics)) d`); n != 0 {
			t.Errorf("%d counts are not those of the messages that went", n)
		}
		if n := ask[int64](t, db, "SELECT count(*) FROM sb.message_count WHERE messages < 5 AND ((day + 1)::timestamp AT TIME ZONE 'UTC') <= sb.cutoff('MessageMetadata')"); n != 0 {
			t.Errorf("%d groups under five are kept", n)
		}
	}
	compare()
	if n := ask[int64](t, db, "SELECT count(*) FROM sb.message_statistics"); n < 50 {
		t.Fatalf("%d counts: this test tells nothing", n)
	}
	run(t, d, policy)
	compare() // a second run adds nothing
}
