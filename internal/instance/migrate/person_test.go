package migrate_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

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
