package retention_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestARowExpiresExactlyAtTheLimit puts rows one microsecond before, at and after
// the cutoff. Only within one transaction does the clock stand still for that.
func TestARowExpiresExactlyAtTheLimit(t *testing.T) {
	d := pgtest.New(t)
	policy := d.Limits(t, allLimits)
	ctx := context.Background()
	for name, days := range allLimits {
		t.Run(name, func(t *testing.T) {
			tx, err := d.Admin(t).Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(ctx)
			insert := map[string]string{
				contract.CategoryMessages:        `INSERT INTO sb.message_body (id, at, conversation_id, channel, body) VALUES (gen_random_uuid(), $1, gen_random_uuid(), 'spa', '')`,
				contract.CategoryMessageMetadata: `INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) VALUES (gen_random_uuid(), $1, gen_random_uuid(), 'spa', 'in', 'guest', 'received')`,
				contract.CategoryContacts:        `INSERT INTO sb.contact (id, last_seen_at) VALUES (gen_random_uuid(), $1)`,
				contract.CategoryAccessLogs:      `INSERT INTO sb.access_log (at, method, route, status) VALUES ($1, 'GET', '/', 200)`,
				contract.CategoryAttachments: `INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, file_id)
					SELECT gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid(), 'spa', sb.add_file('image/png', 'x')`,
				contract.CategoryStaffAccounts:   `INSERT INTO sb.staff (id, email, password_hash, last_active_at) VALUES (gen_random_uuid(), gen_random_uuid()::text, '', $1)`,
				contract.CategoryWebChatSessions: `INSERT INTO sb.web_chat_session (id, channel, last_active_at) VALUES (gen_random_uuid(), 'web', $1)`,
				contract.CategoryIntegrationData: `INSERT INTO sb.integration_data (id, at, source, kind, data) VALUES (gen_random_uuid(), $1, 'pms', 'arrival', '{}')`,
				contract.CategoryTestimonials:    `INSERT INTO sb.testimonial (id, at, words, shown, consent, language, given, consented_at) VALUES (gen_random_uuid(), $1, 'a', 'b', 'c', 'en', 'phone', $1)`,
			}[name]
			if _, err := tx.Exec(ctx, "DELETE FROM sb.staff"); err != nil { // the first account
				t.Fatal(err)
			}
			var cutoff time.Time
			if err := tx.QueryRow(ctx, "SELECT now() - $1 * interval '86400 seconds'", days).Scan(&cutoff); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(ctx, "SELECT sb.ensure_partition($1)", cutoff); err != nil {
				t.Fatal(err)
			}
			marks := []time.Time{cutoff.Add(-time.Microsecond), cutoff, cutoff.Add(time.Microsecond)}
			for _, mark := range marks {
				if _, err := tx.Exec(ctx, insert, mark); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := tx.Exec(ctx, "SELECT sb.retention_open($1, $2)", policy.Policy, policy.Digest); err != nil {
				t.Fatal(err)
			}
			var deleted int64
			if err := tx.QueryRow(ctx, "SELECT deleted FROM sb.retention_delete($1, ARRAY[$2], 100, true, NULL, NULL)", policy.Policy, name).Scan(&deleted); err != nil {
				t.Fatal(err)
			}
			q := countQuery[name]
			rows, err := tx.Query(ctx, "SELECT "+q.mark+" FROM "+q.table)
			if err != nil {
				t.Fatal(err)
			}
			left, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
			if err != nil {
				t.Fatal(err)
			}
			if deleted != 2 || len(left) != 1 || !left[0].Equal(marks[2]) {
				t.Errorf("%d rows deleted, left are %v; want 2, and the row one microsecond after %v", deleted, left, cutoff)
			}
		})
	}
}

// TestADenseHistoryIsCutAtTheMicrosecond lays a row every 2 milliseconds over the
// instant where the cutoff of a whole run will be: 36 seconds, of which laying them takes some.
func TestADenseHistoryIsCutAtTheMicrosecond(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, allLimits)
	execSQL(t, db, "SELECT sb.ensure_partition(now() - make_interval(days => n)) FROM unnest($1::int[]) n", []int32{30, 90, 120, 180})
	const series = `(SELECT now() - make_interval(days => $1) + i * interval '2 milliseconds' AS at FROM generate_series(-2000, 18000) i) s`
	execSQL(t, db, `INSERT INTO sb.access_log (at, method, route, status) SELECT at, 'GET', '/', 200 FROM `+series, 30)
	execSQL(t, db, `INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT gen_random_uuid(), at, gen_random_uuid(), 'spa', '' FROM `+series, 90)
	execSQL(t, db, `INSERT INTO sb.contact (id, last_seen_at) SELECT gen_random_uuid(), at FROM `+series, 120)
	execSQL(t, db, `INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
		SELECT gen_random_uuid(), at, gen_random_uuid(), 'spa', 'in', 'guest', 'received' FROM `+series, 180)
	execSQL(t, db, "DELETE FROM sb.staff") // the first account
	execSQL(t, db, `INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, file_id)
		SELECT gen_random_uuid(), at, gen_random_uuid(), gen_random_uuid(), 'spa', sb.add_file('image/png', 'x') FROM `+series, 60)
	execSQL(t, db, `INSERT INTO sb.staff (id, email, password_hash, last_active_at) SELECT gen_random_uuid(), gen_random_uuid()::text, '', at FROM `+series, 150)
	execSQL(t, db, `INSERT INTO sb.web_chat_session (id, channel, last_active_at) SELECT gen_random_uuid(), 'web', at FROM `+series, 45)
	execSQL(t, db, `INSERT INTO sb.integration_data (id, at, source, kind, data) SELECT gen_random_uuid(), at, 'pms', 'arrival', '{}' FROM `+series, 75)
	execSQL(t, db, `INSERT INTO sb.testimonial (id, at, words, shown, consent, language, given, consented_at) SELECT gen_random_uuid(), at, 'a', 'b', 'c', 'en', 'phone', at FROM `+series, 200)
	shadow(t, db)
	result := run(t, d, policy)
	for _, c := range result.Categories {
		if c.Deleted < 2000 || c.Deleted > 20000 {
			t.Errorf("%s: %d rows deleted: the cutoff is not within the series, and this test tells nothing", c.Category, c.Deleted)
		}
	}
	wantExactly(t, db, result, wantValidChain(t, db, result))
	wantNothingOverdue(t, db, result)
}

func TestContentNeverOutlivesItsMetadata(t *testing.T) {
	for name, days := range map[string]map[string]int32{
		"metadata has the shorter limit": {contract.CategoryMessages: 365, contract.CategoryMessageMetadata: 60},
		"content has no limit":           {contract.CategoryMessageMetadata: 60},
	} {
		t.Run(name, func(t *testing.T) {
			d := pgtest.New(t)
			db := d.Admin(t)
			policy := d.Limits(t, days)
			fill(t, db, 500, 300)
			// Readers see none of it even before the run.
			if n := ask[int64](t, db, "SELECT count(*) FROM sb.message_body WHERE at > sb.cutoff('Messages') AND at <= sb.cutoff('MessageMetadata')"); n != 0 {
				t.Errorf("%d bodies without readable metadata are readable", n)
			}
			shadow(t, db)
			result := run(t, d, policy)
			if a, b := category(t, result, contract.CategoryMessages), category(t, result, contract.CategoryMessageMetadata); !a.Cutoff.Equal(b.Cutoff) || a.Deleted != b.Deleted || a.Deleted == 0 {
				t.Errorf("content: %+v, metadata: %+v", a, b)
			}
			wantExactly(t, db, result, wantValidChain(t, db, result))
		})
	}
}

// TestIdsSeenOutliveTheirMessages: a replay must be recognised for 30 days at least.
func TestIdsSeenOutliveTheirMessages(t *testing.T) {
	for _, tc := range []struct {
		name string
		days map[string]int32
		left string // the instant after which ids are kept
	}{
		{"limits below 30 days", map[string]int32{contract.CategoryMessages: 1, contract.CategoryMessageMetadata: 2}, "now() - interval '720 hours'"},
		{"the longest limit counts", map[string]int32{contract.CategoryMessages: 40, contract.CategoryMessageMetadata: 90}, "now() - interval '2160 hours'"},
		{"messages have no limit", map[string]int32{contract.CategoryContacts: 1}, "'-infinity'::timestamptz"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := pgtest.New(t)
			db := d.Admin(t)
			policy := d.Limits(t, tc.days)
			execSQL(t, db, "SELECT sb.ensure_partition(now() - make_interval(days => n)) FROM generate_series(0, 150, 25) n")
			for _, into := range []string{"sb.seen (channel, id_hash, seen_at) SELECT 'spa',", "sb.reply_key (message_id, at, key_hash, created_at) SELECT gen_random_uuid(), now(),"} {
				execSQL(t, db, `INSERT INTO `+into+` sha256(i::text::bytea), now() - make_interval(hours => i) + interval '10 minutes' FROM generate_series(1, 3000) i`)
			}
			want := ask[int64](t, db, `SELECT count(*) FROM sb.seen WHERE seen_at > `+tc.left)
			result := run(t, d, policy)
			if seen, keys := ask[int64](t, db, "SELECT count(*) FROM sb.seen"), ask[int64](t, db, "SELECT count(*) FROM sb.reply_key"); seen != want || keys != want {
				t.Errorf("%d ids and %d reply keys are left, want %d", seen, keys, want)
			}
			if sums := wantValidChain(t, db, result); sums["ProviderIDs"] != 3000-want || sums["ReplyKeys"] != 3000-want {
				t.Errorf("the receipt tells of %v, %d of each are gone", sums, 3000-want)
			}
		})
	}
}

// TestOptOutsAndConsentStay: they name nobody, and protect those they are about.
func TestOptOutsAndConsentStay(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, map[string]int32{contract.CategoryMessages: 1, contract.CategoryMessageMetadata: 1, contract.CategoryContacts: 1, contract.CategoryAccessLogs: 1})
	fill(t, db, 100, 400)
	execSQL(t, db, `INSERT INTO sb.suppression (channel, address_hash, key_version, since) SELECT '*', address_hash, 1, now() - interval '10 years' FROM sb.contact_address`)
	execSQL(t, db, `INSERT INTO sb.consent_log (at, channel, address_hash, key_version, change, source) SELECT now() - interval '10 years', '*', address_hash, 1, 'stop', 'guest' FROM sb.contact_address`)
	run(t, d, policy)
	if n := ask[int64](t, db, "SELECT count(*) FROM sb.contact_address"); n > 1 {
		t.Errorf("%d addresses are left", n)
	}
	for _, table := range []string{"sb.suppression", "sb.consent_log"} {
		if n := ask[int64](t, db, "SELECT count(*) FROM "+table); n != 100 {
			t.Errorf("%s has %d rows, want all 100", table, n)
		}
	}
}
