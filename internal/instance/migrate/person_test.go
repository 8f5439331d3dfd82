package migrate_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// persons is a database with guests.
type persons struct {
	t     *testing.T
	admin *pgxpool.Pool
}

// contact is a guest with a thread of one message.
type contact struct {
	id, thread uuid.UUID
	hash       []byte
}

func (p persons) exec(statement string, args ...any) {
	p.t.Helper()
	if _, err := p.admin.Exec(p.t.Context(), statement, args...); err != nil {
		p.t.Fatalf("%s: %v", statement, err)
	}
}

func (p persons) count(query string, args ...any) (n int) {
	p.t.Helper()
	if err := p.admin.QueryRow(p.t.Context(), query, args...).Scan(&n); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (p persons) says(query string, args ...any) (yes bool) {
	p.t.Helper()
	if err := p.admin.QueryRow(p.t.Context(), query, args...).Scan(&yes); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return yes
}

func (p persons) guests(n int) (all []contact) {
	p.t.Helper()
	for i := range n {
		hash := sha256.Sum256([]byte{byte(i)})
		c := contact{uuid.New(), uuid.New(), hash[:]}
		p.exec("INSERT INTO sb.contact (id) VALUES ($1)", c.id)
		p.exec("INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('phone', $1, 1, $2, $3)", c.hash, fmt.Sprintf("+493090182%d", i), c.id)
		p.exec("INSERT INTO sb.conversation (id, channel, contact_id) VALUES ($1, $2, $3)", c.thread, pgtest.Channel, c.id)
		p.exec("SELECT sb.store_message(gen_random_uuid(), clock_timestamp(), $1, $2, 'in', 'guest', 'received', NULL, 'Hello')", c.thread, pgtest.Channel)
		all = append(all, c)
	}
	return all
}

func (p persons) merge(a, into contact) bool {
	p.t.Helper()
	return p.says("SELECT sb.merge_contacts($1, $2, gen_random_uuid())", a.id, into.id)
}

func (p persons) split(a contact) bool {
	p.t.Helper()
	return p.says("SELECT sb.split_contact($1)", a.id)
}

func (p persons) optOut(c contact) (word string) {
	p.t.Helper()
	if err := p.admin.QueryRow(p.t.Context(), "SELECT sb.opt_out($1)", c.thread).Scan(&word); err != nil {
		p.t.Fatal(err)
	}
	return word
}

// rows are all that is stored of guests, but what a hold keeps.
func (p persons) rows() (all string) {
	p.t.Helper()
	if err := p.admin.QueryRow(p.t.Context(), `SELECT concat_ws(E'\n', (SELECT string_agg(c::text, E'\n' ORDER BY id) FROM sb.contact c),
		(SELECT string_agg(a::text, E'\n' ORDER BY kind, address_hash) FROM sb.contact_address a), (SELECT string_agg(v::text, E'\n' ORDER BY id) FROM sb.conversation v),
		(SELECT string_agg(m::text, E'\n' ORDER BY at, id) FROM sb.message m), (SELECT string_agg(x::text, E'\n' ORDER BY channel, address_hash) FROM sb.suppression x))`).Scan(&all); err != nil {
		p.t.Fatal(err)
	}
	return all
}

func TestAnErasureByOneAddressIsOfTheWholePerson(t *testing.T) {
	t.Parallel()
	p := persons{t, pgtest.New(t).Admin(t)}
	all := p.guests(4) // the last one is somebody else
	p.merge(all[2], all[1])
	p.merge(all[1], all[0])
	p.exec("SELECT sb.subject_suppress('r', 'phone', ARRAY[$1::bytea], 1)", all[2].hash)
	if n := p.count("SELECT count(*) FROM sb.suppression"); n != 3 {
		t.Errorf("%d addresses are opted out on request, want 3", n)
	}
	for category, want := range map[string]int{"Contacts": 3, "Messages": 3, "Suppressions": 3, "ConsentLog": 3} {
		if n := p.count("SELECT count(*) FROM sb.subject_export(ARRAY['phone'], ARRAY[$1::bytea], $2)", all[0].hash, category); n != want {
			t.Errorf("%d of %s are handed out, want %d", n, category, want)
		}
	}
	// A number that is put right is that of the contact whose address was named.
	p.exec("SELECT sb.subject_rectify('r', ARRAY['phone'], ARRAY[$1::bytea], 'Ada', '+493012345', '\\x01', ARRAY['\\x01'::bytea], 1)", all[0].hash)
	if n := p.count("SELECT count(*) FROM sb.contact_address WHERE address_hash IN ($1, $2, '\\x01')", all[1].hash, all[2].hash); n != 3 {
		t.Errorf("a person has %d of 3 numbers after one was put right", n)
	}
	if n := p.count("SELECT count(*) FROM sb.contact WHERE name = 'Ada'"); n != 3 {
		t.Errorf("%d contacts bear the new name, want 3", n)
	}
	p.exec("SELECT sb.subject_erase('r', ARRAY['phone'], ARRAY[$1::bytea])", all[2].hash)
	for table, column := range map[string]string{"contact": "id", "contact_address": "contact_id", "conversation": "contact_id"} {
		if n := p.count(fmt.Sprintf("SELECT count(*) FROM sb.%s WHERE %s IS DISTINCT FROM $1", table, column), all[3].id); n != 0 {
			t.Errorf("%d rows of sb.%s are left", n, table)
		}
	}
	if n := p.count("SELECT count(*) FROM sb.message WHERE conversation_id = $1", all[3].thread); n != 1 || p.count("SELECT count(*) FROM sb.message") != 1 {
		t.Error("messages of the person are left, or another's are gone")
	}
}

// A hold on one address is on the person, whether it came before or after the merge, and taking contacts apart lets nothing go.
func TestAHoldIsOnTheWholePerson(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"the hold came first": true, "the merge came first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := persons{t, pgtest.New(t).Admin(t)}
			all := p.guests(3)
			hold := func() {
				p.exec("INSERT INTO sb.hold (name, by_subject) VALUES ('case', true)")
				p.exec("INSERT INTO sb.hold_alias (hold, kind, address_hash) VALUES ('case', 'phone', $1)", all[0].hash)
				p.exec("INSERT INTO sb.hold_contact (hold, contact_id) VALUES ('case', $1)", all[0].id)
			}
			if first {
				hold()
			}
			p.merge(all[1], all[0])
			if !first {
				hold()
			}
			p.split(all[1])
			for _, c := range all {
				p.exec("SELECT sb.subject_erase('r', ARRAY['phone'], ARRAY[$1::bytea])", c.hash)
			}
			for i, want := range []int{1, 1, 0} {
				if n := p.count("SELECT count(*) FROM sb.message WHERE conversation_id = $1", all[i].thread); n != want {
					t.Errorf("guest %d: %d messages are left, want %d", i, n, want)
				}
			}
		})
	}
}

// Whatever is merged, taken apart and deleted, in whatever order, the database agrees with a plain forest; who opted out by one address
// has by all of the person's; and taking all apart puts everything back.
func TestPersonsAgreeWithAPlainForest(t *testing.T) {
	t.Parallel()
	p := persons{t, pgtest.New(t).Admin(t)}
	r := rand.New(rand.NewPCG(7, 11))
	const most = 9
	all := p.guests(most)
	p.exec("INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ('*', $1, 1)", all[4].hash)
	before := p.rows()
	into := map[uuid.UUID]uuid.UUID{}
	root := func(id uuid.UUID) uuid.UUID {
		for {
			up, merged := into[id]
			if !merged {
				return id
			}
			id = up
		}
	}
	for step := range 120 {
		a, b := all[r.IntN(most)], all[r.IntN(most)]
		if r.IntN(3) > 0 {
			from, to := root(a.id), root(b.id)
			if from != to {
				into[from] = to
			}
			if changed := p.merge(a, b); changed != (from != to) {
				t.Fatalf("step %d: merging says %t", step, changed)
			}
		} else {
			_, was := into[a.id]
			delete(into, a.id)
			if changed := p.split(a); changed != was {
				t.Fatalf("step %d: taking apart says %t", step, changed)
			}
		}
		for _, v := range all {
			group := 0
			for _, w := range all {
				if root(v.id) == root(w.id) {
					group++
				}
			}
			want, word := "alone", "none"
			if group > 1 {
				want = root(v.id).String()
			}
			if root(v.id) == root(all[4].id) {
				word = "optedOut"
			}
			if !p.says("SELECT COALESCE(person::text, 'alone') = $2 FROM sb.contact WHERE id = $1", v.id, want) {
				t.Fatalf("step %d: a contact is not of the person %s", step, want)
			}
			if got := p.optOut(v); got != word {
				t.Fatalf("step %d: %s, want %s", step, got, word)
			}
		}
	}
	for _, v := range all {
		if _, is := into[v.id]; is {
			p.split(v)
		}
	}
	if after := p.rows(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	// Who is left of a person stays one, however many go.
	for _, v := range all[1:] {
		p.merge(v, all[r.IntN(most)])
	}
	for len(all) > 1 {
		persons := p.count("SELECT count(DISTINCT person) FROM sb.contact WHERE person IS NOT NULL")
		i := r.IntN(len(all))
		p.exec("DELETE FROM sb.contact WHERE id = $1", all[i].id)
		all = append(all[:i], all[i+1:]...)
		if n := p.count("SELECT count(DISTINCT person) FROM sb.contact WHERE person IS NOT NULL"); n > persons {
			t.Errorf("%d persons became %d as one went", persons, n)
		}
		if n := p.count(`SELECT count(*) FROM sb.contact c WHERE (c.person IS NULL) <> (SELECT count(*) = 1 FROM sb.contact o WHERE o.id = c.id OR o.person = c.person)
			OR c.person IS NOT NULL AND NOT EXISTS (SELECT FROM sb.contact h WHERE h.id = c.person AND h.merged_into IS NULL)
			OR c.merged_into IS NOT NULL AND NOT EXISTS (SELECT FROM sb.contact h WHERE h.id = c.merged_into AND h.person = c.person)`); n != 0 {
			t.Fatalf("%d contacts are not of a person with a root", n)
		}
	}
}

// hears is what a guest says by an address, and whether it has changed something.
func (p persons) hears(c contact, command string) bool {
	p.t.Helper()
	before := p.count("SELECT count(*) FROM sb.consent_log")
	p.exec("SELECT sb.heed($1, (SELECT channel FROM sb.conversation WHERE id = $1), ARRAY[$2::bytea], 1, $3, NULL, gen_random_uuid())", c.thread, c.hash, command)
	return p.count("SELECT count(*) FROM sb.consent_log") > before
}

// START lets the thread of the address that said it be written to, and no other: the stop of another address stays for that one.
func TestStartOfOneAddressLetsItsOwnThreadBeWrittenTo(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	p := persons{t, d.Admin(t)}
	connector := d.Pool(t, contract.LoginRole(contract.ComponentConnector(pgtest.Channel), 1))
	// sends is what becomes of a reply that is about to be sent.
	sends := func(c contact) (word string) {
		t.Helper()
		id := uuid.New()
		p.exec("SELECT sb.store_message($1, clock_timestamp(), $2, $3, 'out', 'staff', 'queued', NULL, 'Hello')", id, c.thread, pgtest.Channel)
		var at time.Time
		if err := p.admin.QueryRow(t.Context(), "SELECT at FROM sb.message WHERE id = $1", id).Scan(&at); err != nil {
			t.Fatal(err)
		}
		if err := connector.QueryRow(t.Context(), "SELECT sb.begin_attempt($1, $2, ARRAY[$3::bytea])", id, at, c.hash).Scan(&word); err != nil {
			t.Fatal(err)
		}
		return word
	}
	all := p.guests(3)
	mobile, home, work := all[0], all[1], all[2]
	p.merge(home, mobile)
	p.merge(work, mobile)
	are := func(when string, want ...string) {
		t.Helper()
		for i, c := range all {
			if got := p.optOut(c); got != want[i] {
				t.Errorf("%s, thread %d is %s, want %s", when, i, got, want[i])
			}
		}
	}
	say := func(c contact, command string, changed bool) {
		t.Helper()
		if got := p.hears(c, command); got != changed {
			t.Errorf("%s changes something: %t, want %t", command, got, changed)
		}
	}
	say(mobile, "start", false) // nobody stopped
	say(home, "stop", true)
	are("after a STOP", "optedOut", "optedOut", "optedOut")
	say(mobile, "start", true)
	are("after a START of another address", "none", "optedOut", "optedOut")
	if got := sends(mobile) + " " + sends(home) + " " + sends(work); got != "send suppressed suppressed" {
		t.Errorf("what is about to be sent is %s", got)
	}
	say(mobile, "start", false)
	say(home, "stop", true) // who says so again means it
	are("after a second STOP", "optedOut", "optedOut", "optedOut")
	say(home, "stop", false)
	say(mobile, "start", true)
	say(work, "start", true)
	are("after two of three", "none", "optedOut", "none")
	say(mobile, "stop", true)
	are("after a STOP of its own", "optedOut", "optedOut", "optedOut")
	say(mobile, "start", true)
	say(home, "start", true)
	are("after all of three", "none", "none", "none")
	if n := p.count("SELECT count(*) FROM sb.suppression"); n != 0 {
		t.Errorf("%d suppressions are left", n)
	}
	say(home, "request", true)
	say(mobile, "start", true)
	are("after a wish in words of their own", "none", "requested", "requested")
	say(home, "request", true)
	are("after another", "requested", "requested", "requested")

	// What is replayed after a restore says the same.
	p.exec("CREATE TABLE told AS SELECT * FROM sb.consent_log")
	p.exec("DELETE FROM sb.suppression")
	p.exec("DELETE FROM sb.consent_log")
	p.exec("SELECT sb.restore_consent(at, channel, address_hash, key_version, change, source, reason) FROM (SELECT * FROM told ORDER BY epoch, xid, id) l")
	are("after a restore", "requested", "requested", "requested")
	p.exec("TRUNCATE told")
	say(mobile, "start", true)
	are("after a START", "none", "requested", "requested")
}
