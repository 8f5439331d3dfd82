package retention_test

import (
	"context"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestHeldRowsStay puts a hold of each kind on a history, runs, and compares row by row
// with what the test itself says is held. Then the hold goes, and so do the rows.
func TestHeldRowsStay(t *testing.T) {
	for name, hold := range map[string]struct {
		insert string
		// SQL over the shadow of a category that is true of held rows.
		held map[string]string
	}{
		"a person": {
			`INSERT INTO sb.hold (name, by_subject) VALUES ('case', true);
			 INSERT INTO sb.hold_contact SELECT 'case', md5('c' || i)::uuid FROM generate_series(700, 719) i`,
			map[string]string{
				contract.CategoryMessages: "m", contract.CategoryMessageMetadata: "m", contract.CategoryAttachments: "a", contract.CategoryContacts: "c",
				contract.CategoryWebChatSessions: "w", contract.CategoryIntegrationData: "i", contract.CategoryTestimonials: "t",
			},
		},
		"a conversation": {
			`INSERT INTO sb.hold (name, by_subject, conversation_id) SELECT 'case-' || i, false, md5('v' || i)::uuid FROM generate_series(700, 719) i`,
			map[string]string{
				contract.CategoryMessages: "m", contract.CategoryMessageMetadata: "m", contract.CategoryAttachments: "a", contract.CategoryContacts: "c",
				contract.CategoryWebChatSessions: "w", contract.CategoryIntegrationData: "i", contract.CategoryTestimonials: "t",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := pgtest.New(t)
			db := d.Admin(t)
			policy := d.Limits(t, allLimits)
			fill(t, db, 1000, 400)
			execSQL(t, db, `INSERT INTO sb.access_log (at, method, route, object_id, status)
				SELECT now() - interval '100 days', 'GET', '/', md5('v' || i)::uuid, 200 FROM generate_series(690, 729) i`)
			shadow(t, db)
			if _, err := db.Exec(context.Background(), hold.insert); err != nil {
				t.Fatal(err)
			}
			result := run(t, d, policy)
			for category, q := range countQuery {
				r := categoryOrNone(result, category)
				kept := ask[int64](t, db, "SELECT count(*) FROM "+q.table+" WHERE "+q.mark+" <= $1", r.Cutoff)
				want := int64(0)
				if prefix, held := hold.held[category]; held {
					want = ask[int64](t, db, `SELECT count(*) FROM public."`+category+`" s JOIN generate_series(700, 719) i ON s.id = md5($1 || i)::uuid::text WHERE mark <= $2`, prefix, r.Cutoff)
					if want == 0 {
						t.Fatalf("%s: nothing of what is held has expired: this test tells nothing", category)
					}
					lost := ask[int64](t, db, `SELECT count(*) FROM generate_series(700, 719) i WHERE NOT EXISTS (SELECT FROM `+q.table+` WHERE id = md5($1 || i)::uuid)`, prefix)
					if lost != 0 {
						t.Errorf("%s: %d held rows are gone", category, lost)
					}
				} else if category == contract.CategoryAccessLogs {
					want = 20
				}
				if kept != want || r.HeldBack != want || r.Overdue == nil || *r.Overdue != 0 {
					t.Errorf("%s: %d expired rows are left, the result says %d held and %v overdue; want %d", category, kept, r.HeldBack, r.Overdue, want)
				}
			}
			held := int64(0)
			for _, h := range result.Holds {
				held += h.Rows
			}
			total := int64(0)
			for _, c := range result.Categories {
				total += c.HeldBack
			}
			if held != total || total == 0 {
				t.Errorf("by hold, %d rows are kept; by category %d", held, total)
			}
			if n := ask[int64](t, d.Serve(t), "SELECT count(*) FROM sb.message_body WHERE at <= sb.cutoff('Messages')"); n != 0 {
				t.Errorf("%d held contents that have expired can be read", n)
			}

			execSQL(t, db, "DELETE FROM sb.hold")
			after := run(t, d, policy)
			wantNothingOverdue(t, db, after)
			for _, c := range after.Categories {
				// The rows are hours apart, and a test takes seconds: what goes now was held.
				if c.HeldBack != 0 || category(t, result, c.Category).HeldBack != c.Deleted {
					t.Errorf("%s: %d were held, %d were deleted when the hold went", c.Category, category(t, result, c.Category).HeldBack, c.Deleted)
				}
			}
			wantValidChain(t, db, after)
		})
	}
}

func categoryOrNone(result contract.RetentionResult, name string) contract.CategoryResult {
	for _, c := range result.Categories {
		if c.Category == name {
			return c
		}
	}
	return contract.CategoryResult{}
}

// TestAHoldOfAChannelAndATime keeps what agrees with both, and a month that has any of
// it is not dropped.
func TestAHoldOfAChannelAndATime(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, map[string]int32{contract.CategoryMessages: 90})
	fill(t, db, 1000, 400)
	execSQL(t, db, "UPDATE sb.message_body SET channel = 'spa' WHERE get_byte(uuid_send(id), 0) % 2 = 0")
	execSQL(t, db, `INSERT INTO sb.hold (name, by_subject, channel, from_at, to_at) VALUES ('case', false, 'spa', now() - interval '300 days', now() - interval '200 days')`)
	const held = "FROM sb.message_body WHERE channel = 'spa' AND at >= now() - interval '300 days' AND at < now() - interval '200 days'"
	want := ask[int64](t, db, "SELECT count(*) "+held)
	result := run(t, d, policy)
	c := category(t, result, contract.CategoryMessages)
	if got := ask[int64](t, db, "SELECT count(*) "+held); got != want || c.HeldBack != want || want < 50 {
		t.Errorf("%d of %d held rows are left, the result says %d", got, want, c.HeldBack)
	}
	if n := ask[int64](t, db, "SELECT count(*) FROM sb.message_body WHERE at <= $1", c.Cutoff); n != want {
		t.Errorf("%d expired rows are left, want the %d held ones", n, want)
	}
	if len(result.Holds) != 1 || result.Holds[0] != (contract.HoldCount{Hold: "case", Rows: want}) {
		t.Errorf("holds: %+v", result.Holds)
	}
}

// TestAnExpiredHoldHoldsNothing.
func TestAnExpiredHoldHoldsNothing(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, map[string]int32{contract.CategoryMessages: 90})
	fill(t, db, 200, 400)
	execSQL(t, db, "INSERT INTO sb.hold (name, by_subject, channel, expires_at) VALUES ('case', false, 'front-desk', now() + interval '15 seconds')")
	if c := category(t, run(t, d, policy), contract.CategoryMessages); c.HeldBack < 100 || c.Deleted != 0 {
		t.Errorf("under the hold: %+v", c)
	}
	until(t, "the hold has expired", func() bool { return ask[bool](t, db, "SELECT expires_at < now() FROM sb.hold") })
	result := run(t, d, policy)
	if c := category(t, result, contract.CategoryMessages); c.HeldBack != 0 || c.Deleted < 100 {
		t.Errorf("after the hold: %+v", c)
	}
	wantNothingOverdue(t, db, result)
}
