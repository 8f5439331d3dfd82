package property_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const tenant = "hotel-berlin"

// guest is a person, with all the addresses by which the tenant may know them.
type guest struct {
	phone   string
	aliases []person.Address // without the phone
	former  []person.Address // numbers that were put right
}

// world is one history under way: a database, what the model says that it holds, and what
// the operator knows outside of it.
type world struct {
	*rand.Rand
	t *testing.T
	*stage
	db    *pgtest.Database
	pools map[string]*pgxpool.Pool
	model *model

	guests   []guest
	asked    []hold               // LegalHolds
	policies []contract.Retention // RetentionPolicies
	deferred []*request
	ledger   *ledger
	anchors  string // directory
	backups  []snapshot
	take     func(*world) snapshot
	untold   map[int64]bool // receipts whose results were lost
	unheard  int            // changes of consent that the operator has not asked for yet
	number   int
	skipped  bool   // the step had nothing to work on
	checked  string // how far the evidence was audited
	counts   map[string]int64
}

// difference is how a history fails.
type difference struct{ error }

func differ(format string, args ...any) { panic(difference{fmt.Errorf(format, args...)}) }

func (w *world) count(what string) { w.counts[what]++ }

// pool opens the database as a component does, by the anchor that the operator tells.
func (w *world) pool(component string) *pgxpool.Pool {
	if p := w.pools[component]; p != nil {
		return p
	}
	p := w.open(component)
	w.pools[component] = p
	return p
}

func (w *world) open(component string) *pgxpool.Pool {
	role := contract.AdminRole
	if component != "" {
		role = contract.LoginRole(component, 1)
	}
	config := store.Config{
		Dir: w.logins[role], Host: "localhost", Port: uint16(w.db.Server.Port), Database: w.db.Name, //nolint:gosec // a port
		AnchorDir: w.anchors, MaxConns: 2, Unguarded: component == "" || component == contract.ComponentReplay,
	}
	p, err := store.OpenConfig(context.Background(), slog.New(slog.DiscardHandler), config)
	must(err)
	return p
}

func (w *world) admin() *pgxpool.Pool { return w.pool("") }
func (w *world) serve() *pgxpool.Pool { return w.pool(contract.ComponentServe) }

// leave ends all sessions, as when the database is stopped.
func (w *world) leave() { closeAll(w.pools) }

func closeAll(pools map[string]*pgxpool.Pool) {
	for _, p := range pools {
		p.Close()
	}
	clear(pools)
}

// admits says whether a component gets a new connection.
func (w *world) admits(component string) bool {
	p := w.open(component)
	defer p.Close()
	err := store.Ready(context.Background(), p)
	if err != nil && !errors.Is(err, store.ErrBehind) {
		must(err)
	}
	return err == nil
}

func (w *world) exec(statement string, args ...any) {
	if _, err := w.admin().Exec(context.Background(), statement, args...); err != nil {
		differ("%s: %w", statement, err)
	}
}

func (w *world) now() (now time.Time) {
	must(w.admin().QueryRow(context.Background(), "SELECT now()").Scan(&now))
	return now
}

// force puts rules and holds in force, as `instance migrate` does.
func (w *world) force() {
	in := pgtest.Input()
	in.Setup.Retention, in.Aliases = w.policies, map[string]migrate.Aliases{}
	for _, h := range w.asked {
		in.Setup.Holds = append(in.Setup.Holds, h.contract())
		if h.person != nil {
			var a migrate.Aliases
			a.Kinds, a.Hashes = person.Hashes(w.keys, h.person)
			in.Aliases[h.name] = a
		}
	}
	if _, err := migrate.ReplaceRules(context.Background(), w.admin(), in); err != nil {
		differ("putting rules in force: %w", err)
	}
	w.model.force(w.asked)
}

func (w *world) id() (id uuid.UUID) {
	for i := range id {
		id[i] = byte(w.Uint32())
	}
	return id
}

func (w *world) channel() string { return []string{pgtest.Channel, pgtest.OtherChannel}[w.IntN(2)] }

// alias names a guest by one of their addresses, with what is known by it: a number is a
// WhatsApp id too.
func (w *world) alias(g guest) []person.Address {
	a := person.Address{Kind: contract.KindPhone, Value: g.phone}
	if w.IntN(2) == 0 && len(g.aliases) > 0 {
		a = g.aliases[w.IntN(len(g.aliases))]
	}
	switch a.Kind {
	case contract.KindPhone:
		return []person.Address{a, {Kind: contract.KindWhatsApp, Value: a.Value[1:]}}
	case contract.KindWhatsApp:
		return []person.Address{a, {Kind: contract.KindPhone, Value: "+" + a.Value}}
	}
	return []person.Address{a}
}

// threadOf gives a thread of the guest's, zero when there is none.
func (w *world) threadOf(g guest) uuid.UUID {
	contact, ok := w.model.addresses[person.Address{Kind: contract.KindPhone, Value: g.phone}]
	var all []uuid.UUID
	for id, t := range w.model.threads {
		if ok && t.contact == contact {
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		return uuid.Nil
	}
	slices.SortFunc(all, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return all[w.IntN(len(all))]
}

// mark is a random age mark: any instant of 100 days, often at the edge of a month or within a
// day of a limit.
func (w *world) mark(now time.Time) time.Time {
	at := now.Add(-time.Duration(w.Int64N(int64(100 * 24 * time.Hour))))
	switch w.IntN(4) {
	case 0:
		at = time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(w.IntN(3)-1) * time.Microsecond)
	case 1, 2:
		at = ago(now, days[w.IntN(len(days))]).Add(time.Duration(w.Int64N(int64(46*time.Hour))) - 23*time.Hour)
	}
	return at.UTC().Truncate(time.Microsecond)
}

// days are the limits that policies have.
var days = []int32{1, 7, 30, 60, 90}

// arrive lets guests come from another system, with messages and what hangs on them.
func (w *world) arrive() {
	w.exec("SELECT sb.ensure_partition(now() - make_interval(days => n)) FROM generate_series(0, 140, 27) n")
	now := w.now()
	batch := &pgx.Batch{}
	for range 1 + w.IntN(3) {
		w.guests = append(w.guests, w.arrival(batch, now))
	}
	must(w.admin().SendBatch(context.Background(), batch).Close())
}

func (w *world) arrival(batch *pgx.Batch, now time.Time) guest {
	w.number++
	g := guest{phone: fmt.Sprintf("+49151%07d", w.number)}
	contact, seen := w.id(), w.mark(now)
	w.model.add(contract.CategoryContacts, contact, seen, uuid.Nil)
	w.model.names[contact] = g.phone
	batch.Queue("INSERT INTO sb.contact (id, name, last_seen_at) VALUES ($1, $2, $3)", contact, g.phone, seen)
	for _, a := range []person.Address{
		{Kind: contract.KindWhatsApp, Value: g.phone[1:]}, {Kind: contract.KindEmail, Value: fmt.Sprintf("guest-%d@host.example", w.number)},
		{Kind: contract.KindTelegram, Value: fmt.Sprintf("guest_%d", w.number)}, {Kind: contract.KindMessenger, Value: fmt.Sprintf("guest.%d", w.number)},
	} {
		if w.IntN(2) == 0 {
			g.aliases = append(g.aliases, a)
		}
	}
	for i, a := range append([]person.Address{{Kind: contract.KindPhone, Value: g.phone}}, g.aliases...) {
		hashes, version := w.keys.Hashes(a.Kind, a.Value)
		hash := hashes[0]
		if i > 0 && w.IntN(2) == 0 { // a guest who has not written since the key was rotated
			hash, version = hashes[1], version-1
		}
		batch.Queue("INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ($1, $2, $3, $4, $5)", a.Kind, hash, version, a.Value, contact)
		w.model.bear(a, contact, w.asked)
	}
	for _, channel := range []string{pgtest.Channel, pgtest.OtherChannel}[w.IntN(2):] {
		w.conversation(batch, now, contact, channel, seen)
	}
	w.hang(batch, now, contact)
	return g
}

func (w *world) conversation(batch *pgx.Batch, now time.Time, contact uuid.UUID, channel string, seen time.Time) {
	id := w.id()
	w.model.threads[id] = &thread{channel: channel, contact: contact, last: seen}
	batch.Queue("INSERT INTO sb.conversation (id, channel, contact_id, last_message_at) VALUES ($1, $2, $3, $4)", id, channel, contact, seen)
	for range 1 + w.IntN(3) {
		at, message := w.mark(now), w.id()
		w.model.add(contract.CategoryMessageMetadata, message, at, id)
		w.model.add(contract.CategoryMessages, message, at, id)
		batch.Queue("INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) VALUES ($1, $2, $3, $4, 'in', 'import', 'received')", message, at, id, channel)
		batch.Queue("INSERT INTO sb.message_body (id, at, conversation_id, channel, body) VALUES ($1, $2, $3, $4, 'x')", message, at, id, channel)
		if w.IntN(2) == 0 {
			file := w.id()
			w.model.add(contract.CategoryAttachments, file, at, id)
			batch.Queue("INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, file_id) VALUES ($1, $2, $3, $4, $5, sb.add_file('image/png', $6))",
				file, at, message, id, channel, []byte{byte(w.IntN(5))})
		}
		w.look(batch, w.mark(now), id)
	}
}

// hang adds what hangs on a contact.
func (w *world) hang(batch *pgx.Batch, now time.Time, contact uuid.UUID) {
	w.look(batch, w.mark(now), contact)
	for _, row := range []struct{ category, statement string }{
		{contract.CategoryWebChatSessions, "INSERT INTO sb.web_chat_session (id, last_active_at, contact_id, channel) VALUES ($1, $2, $3, 'web')"},
		{contract.CategoryIntegrationData, "INSERT INTO sb.integration_data (id, at, contact_id, source, kind, data) VALUES ($1, $2, $3, 'pms', 'arrival', '{}')"},
		{contract.CategoryTestimonials, "INSERT INTO sb.testimonial (id, at, contact_id, words, shown, consent, language, given, consented_at) VALUES ($1, $2, $3, 'x', 'y', 'z', 'en', 'phone', now())"},
	} {
		id, at := w.id(), w.mark(now)
		w.model.add(row.category, id, at, contact)
		batch.Queue(row.statement, id, at, contact)
	}
	staff := w.id()
	at := w.mark(now)
	w.model.add(contract.CategoryStaffAccounts, staff, at, uuid.Nil)
	batch.Queue("INSERT INTO sb.staff (id, email, password_hash, last_active_at) VALUES ($1, $2, 'x', $3)", staff, staff.String()+"@hotel.example", at)
}

// look is a line of the access log. It has no id that the test could choose: the member of
// staff stands for it.
func (w *world) look(batch *pgx.Batch, at time.Time, object uuid.UUID) {
	id := w.id()
	w.model.add(contract.CategoryAccessLogs, id, at, object)
	batch.Queue("INSERT INTO sb.access_log (staff_id, object_id, at, method, route, status) VALUES ($1, $2, $3, 'GET', '/', 200)", id, object, at)
}
