package retention_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const tenant = "hotel-berlin"

// all categories, with limits that put their cutoffs into different months.
var allLimits = map[string]int32{
	contract.CategoryMessages: 90, contract.CategoryMessageMetadata: 180, contract.CategoryAttachments: 60,
	contract.CategoryContacts: 120, contract.CategoryAccessLogs: 30, contract.CategoryStaffAccounts: 150,
	contract.CategoryWebChatSessions: 45, contract.CategoryIntegrationData: 75, contract.CategoryTestimonials: 200,
}

// exec runs a statement as the superuser.
func execSQL(t testing.TB, db *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(context.Background(), statement, args...); err != nil {
		t.Fatalf("executing %q: %v", statement, err)
	}
}

// ask gives one value.
func ask[T any](t testing.TB, db *pgxpool.Pool, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRow(context.Background(), query, args...).Scan(&v); err != nil {
		t.Fatalf("asking %q: %v", query, err)
	}
	return v
}

// fill stores a history of n guests with messages, and of everything else that there
// can be, spread evenly over the given number of days up to now. Row i belongs to guest i.
func fill(t testing.TB, db *pgxpool.Pool, n, days int) {
	t.Helper()
	fillMessages(t, db, n, days)
	execSQL(t, db, "DELETE FROM sb.staff") // the first account
	for _, statement := range []string{
		`INSERT INTO sb.access_log (at, method, route, status, ip)
			SELECT now() - make_interval(secs => i * $2::int * 86400.0 / $1), 'GET', '/api/v1/conversations/{id}', 200, '192.0.2.7' FROM generate_series(0, $1::int - 1) i`,
		// Two messages share a file.
		`INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, file_id)
			SELECT md5('a' || i)::uuid, now() - make_interval(secs => i * $2::int * 86400.0 / $1), md5('m' || i)::uuid, md5('v' || i)::uuid, 'front-desk',
				'room.png', sb.add_file('image/png', (i / 2)::text::bytea) FROM generate_series(0, $1::int - 1) i`,
		`INSERT INTO sb.staff (id, email, password_hash, last_active_at)
			SELECT md5('s' || i)::uuid, i || '@hotel.example', 'x', now() - make_interval(secs => i * $2::int * 86400.0 / $1) FROM generate_series(0, $1::int - 1) i`,
		`INSERT INTO sb.web_chat_session (id, channel, contact_id, last_active_at)
			SELECT md5('w' || i)::uuid, 'web', md5('c' || i)::uuid, now() - make_interval(secs => i * $2::int * 86400.0 / $1) FROM generate_series(0, $1::int - 1) i`,
		`INSERT INTO sb.integration_data (id, at, source, kind, contact_id, data)
			SELECT md5('i' || i)::uuid, now() - make_interval(secs => i * $2::int * 86400.0 / $1), 'pms', 'arrival', md5('c' || i)::uuid, '{}' FROM generate_series(0, $1::int - 1) i`,
		`INSERT INTO sb.testimonial (id, at, contact_id, words, consent, consented_at, shown, language, given)
			SELECT md5('t' || i)::uuid, now() - make_interval(secs => i * $2::int * 86400.0 / $1), md5('c' || i)::uuid, 'Lovely', 'You may print it', now(), 'website', 'en', 'phone' FROM generate_series(0, $1::int - 1) i`,
	} {
		execSQL(t, db, statement, n, days)
	}
}

// fillMessages stores guests, each with a message.
func fillMessages(t testing.TB, db *pgxpool.Pool, n, days int) {
	t.Helper()
	for _, statement := range []string{
		`SELECT sb.ensure_partition(now() - make_interval(days => d)) FROM generate_series(0, $2::int + 31, 27) d WHERE $1::int > 0`,
		`INSERT INTO sb.contact (id, name, last_seen_at) SELECT md5('c' || i)::uuid, 'Guest ' || i, now() - make_interval(secs => i * $2 * 86400.0 / $1)
			FROM generate_series(0, $1::int - 1) i, LATERAL (SELECT $2::int) x`,
		`INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id)
			SELECT 'phone', sha256(id::text::bytea), 1, '+4930' || row_number() OVER (), id FROM sb.contact WHERE $1::int + $2::int > 0`,
		`INSERT INTO sb.conversation (id, channel, contact_id, created_at, last_message_at)
			SELECT md5('v' || i)::uuid, 'front-desk', md5('c' || i)::uuid, at, at
			FROM (SELECT i, now() - make_interval(secs => i * $2::int * 86400.0 / $1) AS at FROM generate_series(0, $1::int - 1) i) h`,
		`INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
			SELECT md5('m' || i)::uuid, now() - make_interval(secs => i * $2::int * 86400.0 / $1), md5('v' || i)::uuid, 'front-desk', 'in', 'guest', 'received'
			FROM generate_series(0, $1::int - 1) i`,
		`INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, conversation_id, channel, 'Is the pool open, and until when? ' || id FROM sb.message WHERE $1::int + $2::int > 0`,
		`INSERT INTO sb.seen (channel, id_hash, seen_at) SELECT channel, sha256(id::text::bytea), at FROM sb.message WHERE $1::int + $2::int > 0`,
	} {
		execSQL(t, db, statement, n, days)
	}
}

// countQuery counts the rows of a category; mark is its age mark.
var countQuery = map[string]struct{ table, mark string }{
	contract.CategoryMessages:        {"sb.message_body", "at"},
	contract.CategoryMessageMetadata: {"sb.message", "at"},
	contract.CategoryContacts:        {"sb.contact", "last_seen_at"},
	contract.CategoryAccessLogs:      {"sb.access_log", "at"},
	contract.CategoryAttachments:     {"sb.attachment", "at"},
	contract.CategoryStaffAccounts:   {"sb.staff", "last_active_at"},
	contract.CategoryWebChatSessions: {"sb.web_chat_session", "last_active_at"},
	contract.CategoryIntegrationData: {"sb.integration_data", "at"},
	contract.CategoryTestimonials:    {"sb.testimonial", "at"},
}

// count counts the rows of every category.
func count(t testing.TB, db *pgxpool.Pool) map[string]int64 {
	t.Helper()
	counts := map[string]int64{}
	for category, q := range countQuery {
		counts[category] = ask[int64](t, db, "SELECT count(*) FROM "+q.table)
	}
	return counts
}

// run makes one run that must succeed.
func run(t testing.TB, d *pgtest.Database, policy contract.Retention) contract.RetentionResult {
	t.Helper()
	result, err := retention.Run(context.Background(), d.Retain(t), policy, tenant, retention.Options{Batch: 100})
	if err != nil {
		t.Fatalf("the run failed: %v", err)
	}
	return result
}

// category picks one category of a result.
func category(t testing.TB, result contract.RetentionResult, name string) contract.CategoryResult {
	t.Helper()
	for _, c := range result.Categories {
		if c.Category == name {
			return c
		}
	}
	t.Fatalf("the result does not mention %s: %+v", name, result)
	return contract.CategoryResult{}
}

// receipts reads the chain as stored.
func receipts(t testing.TB, db *pgxpool.Pool) []evidence.Sealed {
	t.Helper()
	rows, err := db.Query(context.Background(), "SELECT sequence, body, previous, digest FROM sb.receipt ORDER BY sequence")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var chain []evidence.Sealed
	for rows.Next() {
		var s evidence.Sealed
		if err := rows.Scan(&s.Sequence, &s.Body, &s.Previous, &s.Digest); err != nil {
			t.Fatal(err)
		}
		chain = append(chain, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return chain
}

// wantValidChain verifies the chain offline against the newest result, and gives
// the sum of what its receipts say was deleted.
func wantValidChain(t testing.TB, db *pgxpool.Pool, newest contract.RetentionResult) map[string]int64 {
	t.Helper()
	chain := receipts(t, db)
	v := evidence.NewVerifier(&contract.ChainLink{Sequence: newest.Sequence, Digest: newest.Digest})
	sums := map[string]int64{}
	for _, s := range chain {
		v.Add(s)
		r, err := evidence.Decode([]byte(s.Body))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Categories {
			sums[c.Category] += c.Deleted
		}
		for _, f := range r.Followed {
			sums[f.Kind] += f.Deleted
		}
	}
	if report := v.Finish(); !report.OK() || len(report.Findings) > 0 || report.Receipts == 0 {
		t.Fatalf("the chain is not whole: %+v", report)
	}
	return sums
}

// wantNothingOverdue checks by SQL of the test's own that no expired row is left.
func wantNothingOverdue(t testing.TB, db *pgxpool.Pool, result contract.RetentionResult) {
	t.Helper()
	for _, c := range result.Categories {
		if c.Overdue == nil || *c.Overdue != 0 {
			t.Errorf("%s: overdue is %v, want 0", c.Category, c.Overdue)
		}
		q := countQuery[c.Category]
		if n := ask[int64](t, db, "SELECT count(*) FROM "+q.table+" WHERE "+q.mark+" <= $1", c.Cutoff); n != 0 {
			t.Errorf("%s: %d expired rows are left", c.Category, n)
		}
		oldest := ask[*time.Time](t, db, "SELECT min("+q.mark+") FROM "+q.table)
		if (oldest == nil) != (c.OldestLeft == nil) || oldest != nil && !oldest.Equal(*c.OldestLeft) {
			t.Errorf("%s: oldest left is %v, the result says %v", c.Category, oldest, c.OldestLeft)
		}
	}
}

// shadow copies the age marks of every category into tables of the test's own,
// which no run touches: the independent memory of what there was.
func shadow(t testing.TB, db *pgxpool.Pool) {
	t.Helper()
	for category, q := range countQuery {
		execSQL(t, db, `DROP TABLE IF EXISTS public."`+category+`"`)
		execSQL(t, db, `CREATE TABLE public."`+category+`" AS SELECT id::text AS id, `+q.mark+` AS mark FROM `+q.table)
	}
}

// wantExactly compares what is left with the shadow: of each category bounded,
// every row after the cutoff and none at or before it; of others, every row. It
// compares what was deleted with what the receipts say, too.
func wantExactly(t testing.TB, db *pgxpool.Pool, result contract.RetentionResult, deleted map[string]int64) {
	t.Helper()
	for name, q := range countQuery {
		cutoff := "-infinity"
		for _, c := range result.Categories {
			if c.Category == name {
				cutoff = c.Cutoff.Format(time.RFC3339Nano)
			}
		}
		wrong := ask[int64](t, db, `SELECT count(*) FROM (SELECT id, mark FROM public."`+name+`" WHERE mark > $1::timestamptz) s
			FULL JOIN (SELECT id::text AS id, `+q.mark+` AS mark FROM `+q.table+`) l USING (id, mark) WHERE s.id IS NULL OR l.id IS NULL`, cutoff)
		if wrong != 0 {
			t.Errorf("%s: %d rows are there that should not be, or the other way round (cutoff %s)", name, wrong, cutoff)
		}
		gone := ask[int64](t, db, `SELECT count(*) FROM public."`+name+`" WHERE mark <= $1::timestamptz`, cutoff)
		if deleted[name] != gone {
			t.Errorf("%s: the receipts tell of %d rows, %d are gone", name, deleted[name], gone)
		}
	}
}

// until waits for a condition, at most a minute and a half.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	give := time.NewTimer(90 * time.Second)
	defer give.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-give.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
