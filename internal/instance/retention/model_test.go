package retention_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// model is what the tables should hold: by category, the age mark of every row.
type model map[string]map[uuid.UUID]time.Time

// expire takes out what a result's cutoffs say, and counts it.
func (m model) expire(result contract.RetentionResult) map[string]int64 {
	gone := map[string]int64{}
	for _, c := range result.Categories {
		for id, mark := range m[c.Category] {
			if !mark.After(c.Cutoff) {
				delete(m[c.Category], id)
				gone[c.Category]++
			}
		}
	}
	return gone
}

func (m model) equals(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	id := map[string]string{contract.CategoryAccessLogs: "object_id"}
	for name, q := range countQuery {
		column := id[name]
		if column == "" {
			column = "id"
		}
		rows, err := db.Query(context.Background(), "SELECT "+column+", "+q.mark+" FROM "+q.table)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		var row uuid.UUID
		var mark time.Time
		if _, err := pgx.ForEachRow(rows, []any{&row, &mark}, func() error {
			n++
			if want, ok := m[name][row]; !ok || !want.Equal(mark) {
				return fmt.Errorf("%s: row %s of %s should not be there (model: %t %s)", name, row, mark, ok, want)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n != len(m[name]) {
			t.Fatalf("%s: %d rows, the model has %d", name, n, len(m[name]))
		}
	}
}

// history plays random operations on the tables and on the model alike.
type history struct {
	*rand.Rand
	db    *pgxpool.Pool
	model model
}

// mark is a random age mark: any instant of 400 days, often at the edge of a month.
func (h *history) mark(now time.Time) time.Time {
	at := now.Add(-time.Duration(h.Int64N(int64(400 * 24 * time.Hour))))
	if h.IntN(4) == 0 {
		at = time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(h.IntN(3)-1) * time.Microsecond)
	}
	return at.UTC().Truncate(time.Microsecond)
}

func (h *history) insert(t *testing.T, n int) {
	t.Helper()
	now := ask[time.Time](t, h.db, "SELECT now()")
	var batch pgx.Batch
	for range n {
		at, contact, message, thread := h.mark(now), uuid.New(), uuid.New(), uuid.New()
		batch.Queue("SELECT sb.ensure_partition($1)", at)
		batch.Queue("INSERT INTO sb.contact (id, last_seen_at) VALUES ($1, $2)", contact, at)
		batch.Queue("INSERT INTO sb.conversation (id, channel, contact_id, last_message_at) VALUES ($1, 'spa', $2, $3)", thread, contact, at)
		batch.Queue("INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) VALUES ($1, $2, $3, 'spa', 'in', 'guest', 'received')", message, at, thread)
		batch.Queue("INSERT INTO sb.message_body (id, at, conversation_id, channel, body) VALUES ($1, $2, $3, 'spa', 'x')", message, at, thread)
		batch.Queue("INSERT INTO sb.access_log (object_id, at, method, route, status) VALUES ($1, $2, 'GET', '/', 200)", message, at)
		h.model[contract.CategoryContacts][contact] = at
		for _, c := range []string{contract.CategoryMessageMetadata, contract.CategoryMessages, contract.CategoryAccessLogs} {
			h.model[c][message] = at
		}
	}
	if err := h.db.SendBatch(context.Background(), &batch).Close(); err != nil {
		t.Fatal(err)
	}
}

// touch lets some guests be seen again.
func (h *history) touch(t *testing.T) {
	t.Helper()
	now := ask[time.Time](t, h.db, "SELECT now()")
	for id := range h.model[contract.CategoryContacts] {
		if h.IntN(10) == 0 {
			at := h.mark(now)
			execSQL(t, h.db, "UPDATE sb.contact SET last_seen_at = $2 WHERE id = $1", id, at)
			h.model[contract.CategoryContacts][id] = at
		}
	}
}

// policies puts one or two random policies in force, sometimes none of a category.
func (h *history) policies(t *testing.T) []contract.Retention {
	t.Helper()
	execSQL(t, h.db, "DELETE FROM sb.retention_limit")
	all := make([]contract.Retention, 1+h.IntN(2))
	for i := range all {
		p := &all[i]
		p.Policy, p.Generation, p.Mode, p.MaxPercent = fmt.Sprintf("policy-%d", i), h.Int64N(100)+1, contract.ModeEnforce, 100
		for _, c := range []string{contract.CategoryAccessLogs, contract.CategoryContacts, contract.CategoryMessageMetadata, contract.CategoryMessages} {
			if h.IntN(3) > 0 || len(p.Rules) == 0 && c == contract.CategoryMessages {
				p.Rules = append(p.Rules, contract.RetentionRule{Category: c, RetainDays: 1 + h.Int32N(450), Action: contract.ActionDelete})
			}
		}
		p.Digest = contract.Digest(p.Rules)
		for _, r := range p.Rules {
			execSQL(t, h.db, "INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ($1, $2, $3, $4, $5)",
				p.Policy, r.Category, r.RetainDays, p.Generation, p.Digest)
		}
	}
	return all
}

// TestRunsAgreeWithAModel plays random histories, policies and runs, and compares
// every row and every count with a plain model. A failure names its seed.
func TestRunsAgreeWithAModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			d := pgtest.New(t)
			h := &history{Rand: rand.New(rand.NewPCG(seed, 77)), db: d.Admin(t), model: model{}}
			execSQL(t, h.db, "DELETE FROM sb.staff") // the first account
			for name := range countQuery {
				h.model[name] = map[uuid.UUID]time.Time{}
			}
			retain := d.Retain(t)
			told := map[string]int64{}
			policies := h.policies(t)
			var newest contract.RetentionResult
			for range 14 {
				switch h.IntN(4) {
				case 0:
					h.insert(t, 1+h.IntN(60))
				case 1:
					h.touch(t)
				case 2:
					policies = h.policies(t)
				}
				policy := policies[h.IntN(len(policies))]
				result, err := retention.Run(context.Background(), retain, policy, tenant, retention.Options{Batch: 1 + h.IntN(40)})
				if err != nil {
					t.Fatal(err)
				}
				newest = result
				gone := h.model.expire(result)
				for _, c := range result.Categories {
					if c.Deleted != gone[c.Category] || c.Overdue == nil || *c.Overdue != 0 {
						t.Fatalf("%s: the result says %+v, in the model %d expired", c.Category, c, gone[c.Category])
					}
					told[c.Category] += c.Deleted
				}
				h.model.equals(t, h.db)
			}
			sums := wantValidChain(t, h.db, newest)
			total := int64(0)
			for name, n := range told {
				total += n
				if sums[name] != n {
					t.Errorf("%s: the receipts add up to %d, the results to %d", name, sums[name], n)
				}
			}
			if total == 0 {
				t.Error("nothing was deleted in the whole history: this seed tells nothing")
			}
		})
	}
}
