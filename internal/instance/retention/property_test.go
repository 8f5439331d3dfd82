package retention_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// histories is how many random histories are played; $SWITCHBOARD_HISTORIES plays more.
const histories = 500

// fact is a row as the model knows it.
type fact struct {
	mark  time.Time
	guest int
	// doomed: some run was free to delete it. Whatever else is missing was deleted wrongly.
	doomed bool
}

// guest is a person with one thread on one channel. contact: still there.
type guest struct {
	contact, thread uuid.UUID
	channel         string
}

// keep is a hold as the model knows it.
type keep struct {
	name             string
	person, thread   int // a guest, or -1
	channel          string
	from, to         time.Time
	personWasThere   bool
	namesChannelOnly bool
}

// world is a plain model of what the tables should hold. It knows nothing of partitions,
// batches, functions or locks: rows, rules and holds alone.
type world struct {
	*rand.Rand
	t      *testing.T
	db     *pgxpool.Pool
	guests []guest
	rows   map[string]map[uuid.UUID]*fact // by category
	keeps  []keep
	gone   map[string]int64
}

// categories that the histories play.
var played = []string{
	contract.CategoryMessages, contract.CategoryMessageMetadata, contract.CategoryAttachments,
	contract.CategoryContacts, contract.CategoryAccessLogs, contract.CategoryIntegrationData,
}

// held says, by the words of the documentation, whether a hold names a row.
func (w *world) held(category string, f *fact) bool {
	return slices.ContainsFunc(w.keeps, func(k keep) bool { return w.holds(k, category, f) })
}

func (w *world) holds(k keep, category string, f *fact) bool {
	if f.guest < 0 {
		return false
	}
	g := w.guests[f.guest]
	_, known := w.rows[contract.CategoryContacts][g.contact]
	inRange := func(at time.Time) bool { return !at.Before(k.from) && at.Before(k.to) }
	switch category {
	case contract.CategoryMessages, contract.CategoryMessageMetadata, contract.CategoryAttachments:
		return k.namesChannelOnly && k.channel == g.channel && inRange(f.mark) || k.person == f.guest && k.personWasThere || k.thread == f.guest
	case contract.CategoryAccessLogs: // of a thread that somebody looked at
		return k.person == f.guest && k.personWasThere || k.thread == f.guest
	case contract.CategoryIntegrationData:
		if !known || k.namesChannelOnly && !inRange(f.mark) {
			return false
		}
	}
	// A guest, and what hangs on one: held by name, or because a message of theirs is.
	return k.person == f.guest && k.personWasThere || k.thread == f.guest ||
		k.namesChannelOnly && k.channel == g.channel && w.wroteWithin(f.guest, inRange)
}

func (w *world) wroteWithin(guest int, inRange func(time.Time) bool) bool {
	for _, f := range w.rows[contract.CategoryMessageMetadata] {
		if f.guest == guest && inRange(f.mark) {
			return true
		}
	}
	return false
}

// doom marks what a run by these rules is free to delete until now.
func (w *world) doom(policy contract.Retention, now time.Time) {
	for category, days := range limits(policy) {
		cutoff := now.Add(-time.Duration(days) * 24 * time.Hour)
		for _, f := range w.rows[category] {
			if !f.mark.After(cutoff) && !w.held(category, f) {
				f.doomed = true
			}
		}
	}
}

// limits are a policy's, with metadata taking content and files with it.
func limits(policy contract.Retention) map[string]int32 {
	days := map[string]int32{}
	for _, r := range policy.Rules {
		days[r.Category] = r.RetainDays
	}
	if metadata, ok := days[contract.CategoryMessageMetadata]; ok {
		for _, c := range []string{contract.CategoryMessages, contract.CategoryAttachments} {
			if d, ok := days[c]; !ok || metadata < d {
				days[c] = metadata
			}
		}
	}
	return days
}

// compare finds rows that are missing and should not be, and, after a run that ended
// well, rows that are there and should not be.
func (w *world) compare(result *contract.RetentionResult) {
	w.t.Helper()
	for _, category := range played {
		present := w.present(category)
		for id, f := range w.rows[category] {
			switch mark, there := present[id]; {
			case there && !mark.Equal(f.mark):
				w.t.Fatalf("%s: a row of %s has become one of %s", category, f.mark, mark)
			case !there && !f.doomed:
				w.t.Fatalf("%s: a row of %s is gone, and no run was free to delete it", category, f.mark)
			}
		}
		if len(present) > len(w.rows[category]) {
			w.t.Fatalf("%s: %d rows, the model has %d", category, len(present), len(w.rows[category]))
		}
		if result != nil {
			w.compareResult(category, present, *result)
		}
	}
	// Only now, as what is held depends on what is there.
	for _, category := range played {
		present := w.present(category)
		for id := range w.rows[category] {
			if _, there := present[id]; !there {
				w.remove(category, id)
			}
		}
	}
}

func (w *world) compareResult(category string, present map[uuid.UUID]time.Time, result contract.RetentionResult) {
	w.t.Helper()
	i := slices.IndexFunc(result.Categories, func(c contract.CategoryResult) bool { return c.Category == category })
	if i < 0 {
		return
	}
	c, kept := result.Categories[i], int64(0)
	for id, mark := range present {
		if mark.After(c.Cutoff) {
			continue
		}
		if result.Outcome == contract.OutcomeEnforced && !w.held(category, w.rows[category][id]) {
			w.t.Fatalf("%s: a row of %s is left, though it expired at %s and nothing holds it", category, mark, c.Cutoff)
		}
		kept++
	}
	if c.Overdue == nil || *c.Overdue+c.HeldBack != kept || result.Outcome == contract.OutcomeEnforced && *c.Overdue != 0 {
		w.t.Fatalf("%s: the result says %+v, %d expired rows are there", category, c, kept)
	}
}

func (w *world) remove(category string, id uuid.UUID) {
	w.gone[category]++
	if category == contract.CategoryContacts {
		for _, f := range w.rows[contract.CategoryIntegrationData] {
			if f.guest == w.rows[category][id].guest {
				f.guest = -1 // what is left of them names nobody
			}
		}
	}
	delete(w.rows[category], id)
}

func (w *world) present(category string) map[uuid.UUID]time.Time {
	w.t.Helper()
	q, column := countQuery[category], "id"
	if category == contract.CategoryAccessLogs {
		column = "staff_id" // has no id that the test could choose
	}
	rows, err := w.db.Query(context.Background(), "SELECT "+column+", "+q.mark+" FROM "+q.table)
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[uuid.UUID]time.Time{}
	var id uuid.UUID
	var mark time.Time
	if _, err := pgx.ForEachRow(rows, []any{&id, &mark}, func() error { all[id] = mark; return nil }); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// arrive lets guests come, with messages and what hangs on them, at random instants of 400 days.
func (w *world) arrive(n int) {
	w.t.Helper()
	now := ask[time.Time](w.t, w.db, "SELECT now()")
	h := history{Rand: w.Rand}
	batch := &pgx.Batch{}
	add := func(category string, at time.Time, guest int) uuid.UUID {
		id := uuid.UUID(w.bytes())
		w.rows[category][id] = &fact{mark: at, guest: guest}
		return id
	}
	for range n {
		g := guest{thread: uuid.UUID(w.bytes()), channel: []string{"spa", "front-desk"}[w.IntN(2)]}
		number, seen := len(w.guests), h.mark(now)
		w.guests = append(w.guests, g)
		g.contact = add(contract.CategoryContacts, seen, number)
		w.guests[number] = g
		batch.Queue("INSERT INTO sb.contact (id, last_seen_at) VALUES ($1, $2)", g.contact, seen)
		batch.Queue("INSERT INTO sb.conversation (id, channel, contact_id, last_message_at) VALUES ($1, $2, $3, $4)", g.thread, g.channel, g.contact, seen)
		for range 1 + w.IntN(4) {
			at := h.mark(now)
			batch.Queue("SELECT sb.ensure_partition($1)", at)
			message := add(contract.CategoryMessageMetadata, at, number)
			w.rows[contract.CategoryMessages][message] = &fact{mark: at, guest: number}
			batch.Queue("INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) VALUES ($1, $2, $3, $4, 'in', 'guest', 'received')", message, at, g.thread, g.channel)
			batch.Queue("INSERT INTO sb.message_body (id, at, conversation_id, channel, body) VALUES ($1, $2, $3, $4, 'x')", message, at, g.thread, g.channel)
			batch.Queue("INSERT INTO sb.access_log (staff_id, object_id, at, method, route, status) VALUES ($1, $2, $3, 'GET', '/', 200)", add(contract.CategoryAccessLogs, at, number), g.thread, at)
			batch.Queue("INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, file_id) VALUES ($1, $2, $3, $4, $5, sb.add_file('image/png', $6))",
				add(contract.CategoryAttachments, at, number), at, message, g.thread, g.channel, []byte{byte(w.IntN(5))})
		}
		at := h.mark(now)
		batch.Queue("INSERT INTO sb.integration_data (id, at, source, kind, contact_id, data) VALUES ($1, $2, 'pms', 'arrival', $3, '{}')", add(contract.CategoryIntegrationData, at, number), at, g.contact)
	}
	if err := w.db.SendBatch(context.Background(), batch).Close(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) bytes() (b [16]byte) {
	for i := range b {
		b[i] = byte(w.Uint32())
	}
	return b
}

// hold puts a random hold in force, or releases one.
func (w *world) hold(number int) {
	w.t.Helper()
	if len(w.keeps) > 0 && w.IntN(2) == 0 {
		i := w.IntN(len(w.keeps))
		execSQL(w.t, w.db, "DELETE FROM sb.hold WHERE name = $1", w.keeps[i].name)
		w.keeps = slices.Delete(w.keeps, i, i+1)
		return
	}
	k := keep{name: fmt.Sprintf("case-%d", number), person: -1, thread: -1, to: time.Now().AddDate(1, 0, 0)}
	who := w.IntN(len(w.guests))
	switch w.IntN(3) {
	case 0:
		k.person = who
		_, k.personWasThere = w.rows[contract.CategoryContacts][w.guests[who].contact]
		execSQL(w.t, w.db, "INSERT INTO sb.hold (name, by_subject) VALUES ($1, true)", k.name)
		execSQL(w.t, w.db, "INSERT INTO sb.hold_contact SELECT $1, id FROM sb.contact WHERE id = $2", k.name, w.guests[who].contact)
	case 1:
		k.thread = who
		execSQL(w.t, w.db, "INSERT INTO sb.hold (name, by_subject, conversation_id) VALUES ($1, false, $2)", k.name, w.guests[who].thread)
	case 2:
		k.namesChannelOnly, k.channel = true, []string{"spa", "front-desk"}[w.IntN(2)]
		k.from = time.Now().AddDate(0, 0, -w.IntN(400)).UTC().Truncate(time.Microsecond)
		k.to = k.from.AddDate(0, 0, w.IntN(90))
		execSQL(w.t, w.db, "INSERT INTO sb.hold (name, by_subject, channel, from_at, to_at) VALUES ($1, false, $2, $3, $4)", k.name, k.channel, k.from, k.to)
	}
	w.keeps = append(w.keeps, k)
}

// rules puts a random policy in force.
func (w *world) rules(number int) contract.Retention {
	w.t.Helper()
	p := contract.Retention{Policy: fmt.Sprintf("policy-%d", w.IntN(2)), Generation: int64(number), Mode: contract.ModeEnforce, MaxPercent: []int32{100, 100, 40}[w.IntN(3)]}
	for _, c := range slices.Sorted(slices.Values(played)) {
		if w.IntN(3) > 0 || len(p.Rules) == 0 && c == contract.CategoryMessages {
			p.Rules = append(p.Rules, contract.RetentionRule{Category: c, RetainDays: 1 + w.Int32N(450), Action: contract.ActionDelete})
		}
	}
	p.Digest = contract.Digest(p.Rules)
	execSQL(w.t, w.db, "DELETE FROM sb.retention_limit")
	for _, r := range p.Rules {
		execSQL(w.t, w.db, "INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ($1, $2, $3, $4, $5)",
			p.Policy, r.Category, r.RetainDays, p.Generation, p.Digest)
	}
	return p
}

// TestRandomHistories plays random histories of guests, messages, holds, changes of
// policy, approvals of what the guard stopped, and runs, some of which are cut off at a random
// instant, and compares every row with a plain model: never a row too many, never one
// too few, every count told once, the chain whole throughout. A failure names its seed.
func TestRandomHistories(t *testing.T) {
	d := pgtest.New(t)
	db, retain := d.Admin(t), d.Retain(t)
	n := histories
	if more, err := strconv.Atoi(os.Getenv("SWITCHBOARD_HISTORIES")); err == nil {
		n = more
	}
	var deleted, held, cut, blocked int64
	for seed := range uint64(n) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			execSQL(t, db, "TRUNCATE sb.contact, sb.conversation, sb.message, sb.message_body, sb.access_log, sb.attachment, sb.file, sb.integration_data, sb.hold, sb.retention_run, sb.retention_plan, sb.receipt CASCADE")
			w := &world{Rand: rand.New(rand.NewPCG(seed, 2026)), t: t, db: db, rows: map[string]map[uuid.UUID]*fact{}, gone: map[string]int64{}}
			for _, c := range played {
				w.rows[c] = map[uuid.UUID]*fact{}
			}
			w.arrive(3 + w.IntN(10))
			policy := w.rules(0)
			for number := range 5 {
				switch w.IntN(4) {
				case 0:
					w.arrive(1 + w.IntN(4))
				case 1, 2:
					w.hold(number)
				case 3:
					policy = w.rules(number + 1)
				}
				ctx, cancel := context.WithCancel(context.Background())
				if w.IntN(4) == 0 {
					time.AfterFunc(time.Duration(w.IntN(30))*time.Millisecond, cancel)
				}
				result, err := retention.Run(ctx, retain, policy, tenant, retention.Options{Batch: 1 + w.IntN(20)})
				interrupted := ctx.Err() != nil
				cancel()
				switch {
				case err != nil && !interrupted:
					t.Fatal(err)
				case err != nil:
					cut++
					until(t, "the server is done with the run that was cut off", func() bool {
						return ask[bool](t, db, "SELECT pg_try_advisory_lock($1) AND pg_advisory_unlock($1)", int64(0x7362_7265_7461_696e))
					})
					w.doom(policy, ask[time.Time](t, db, "SELECT now()"))
					w.compare(nil)
				default:
					if result.Outcome == contract.OutcomeBlocked {
						blocked++
						if w.IntN(2) == 0 {
							policy.ApprovedPlan = result.Plan.Digest
						}
					} else {
						w.doom(policy, result.StartedAt)
					}
					w.compare(&result)
					for _, c := range result.Categories {
						held += c.HeldBack
					}
				}
			}
			// Whatever was cut off is ended, and told.
			policy.MaxPercent = 100
			last, err := retention.Run(context.Background(), retain, policy, tenant, retention.Options{})
			if err != nil {
				t.Fatal(err)
			}
			w.doom(policy, last.StartedAt)
			w.compare(&last)
			told := wantValidChain(t, db, last)
			for _, c := range played {
				deleted += w.gone[c]
				if told[c] != w.gone[c] {
					t.Errorf("%s: the receipts tell of %d rows, %d are gone", c, told[c], w.gone[c])
				}
			}
			files := ask[int64](t, db, "SELECT count(*) FROM sb.file f WHERE NOT EXISTS (SELECT FROM sb.attachment a WHERE a.file_id = f.id)")
			if files != 0 {
				t.Errorf("%d files have outlived their last attachment", files)
			}
		})
	}
	t.Logf("%d histories: %d rows deleted, %d held back, %d runs cut off, %d stopped by the guard", n, deleted, held, cut, blocked)
	if deleted == 0 || held == 0 || cut == 0 || blocked == 0 {
		t.Error("something never happened in all histories: they tell too little")
	}
}
