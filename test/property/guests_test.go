package property_test

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// all are the addresses of a guest, those included that the tenant does not know.
func (g guest) all() []person.Address {
	all := []person.Address{{Kind: contract.KindPhone, Value: g.phone}, {Kind: contract.KindWhatsApp, Value: g.phone[1:]}}
	return append(append(all, g.aliases...), g.former...)
}

func (g guest) number() person.Address {
	return person.Address{Kind: contract.KindPhone, Value: g.phone}
}

// isQuiet says that a reply to a thread is not stored: an address that it writes to is suppressed everywhere or on its channel, or
// another one of its guest, and none that it writes to has said START since.
func (m *model) isQuiet(id uuid.UUID) bool { return m.quietBy(id, true) }

// quietBy leaves the thread's own addresses out, unless own.
func (m *model) quietBy(id uuid.UUID, own bool) bool {
	t := m.threads[id]
	started := 0
	for a, contact := range m.addresses {
		if contact == t.contact && a.Kind == contract.KindPhone {
			started = max(started, m.started[a])
		}
	}
	for a, contact := range m.addresses {
		for _, s := range []suppressed{{"*", a}, {t.channel, a}} {
			if contact != t.contact || !m.quiet[s] {
				continue
			}
			if a.Kind == contract.KindPhone && own || a.Kind != contract.KindPhone && started <= m.since[s] {
				return true
			}
		}
	}
	return false
}

// hush suppresses an address; false when it was already, and no other address of its guest has said START since.
func (m *model) hush(s suppressed) bool {
	if m.quiet[s] {
		overruled := false
		contact, known := m.addresses[s.address]
		for a, other := range m.addresses {
			overruled = overruled || known && other == contact && a != s.address && m.started[a] > m.since[s]
		}
		if !overruled {
			return false
		}
	}
	m.turn++
	m.quiet[s], m.since[s] = true, m.turn
	return true
}

// live says that a contact can be read and written to.
func (w *world) live(contact uuid.UUID) bool {
	f := w.model.rows[contract.CategoryContacts][contact]
	return f != nil && f.at().After(readable(w.policies, contract.CategoryContacts, time.Now()))
}

// playReceive has a guest write a message, or STOP, START or HELP, by a channel's connector.
func (w *world) playReceive() {
	g := w.guests[w.IntN(len(w.guests))]
	channel := w.channel()
	command := []string{"", "stop", "stop", "start", "start", "help"}[w.IntN(6)]
	w.receive(g, channel, command)
	if command != "" {
		w.count(command)
	}
	if w.IntN(2) == 0 && command == "stop" { // and comes back
		w.receive(g, w.channel(), "start")
	}
}

func (w *world) receive(g guest, channel, command string) {
	m, a := w.model, g.number()
	message, contact, conversation, confirmation, seen := w.id(), w.id(), w.id(), w.id(), w.id()
	hashes, version := w.keys.Hashes(a.Kind, a.Value)
	component := contract.ComponentConnector(channel)
	call := func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := pool.Exec(ctx, "SELECT sb.receive($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
			seen.String(), [][]byte{seen[:]}, []string{a.Kind}, []string{a.Value}, hashes, version, "Hello", command, "Done.", message, contact, conversation, confirmation)
		return err
	}
	if cut, err := w.attempt(component, 8, call); cut {
		must(call(context.Background(), w.pool(component))) // the provider sends it again
	} else {
		must(err)
	}
	// The model's turn: one who has expired is another guest, who takes the number over.
	if bearer, known := m.addresses[a]; !known || !w.live(bearer) {
		m.add(contract.CategoryContacts, contact, time.Time{}, uuid.Nil)
		m.names[contact] = ""
		m.bear(a, contact, w.asked)
	} else {
		contact = bearer
		m.rows[contract.CategoryContacts][contact].mark = time.Time{}
		m.rows[contract.CategoryContacts][contact].doomed = false
	}
	for id, t := range m.threads {
		if t.contact == contact && t.channel == channel {
			conversation = id
		}
	}
	m.threads[conversation] = &thread{channel: channel, contact: contact}
	m.add(contract.CategoryMessageMetadata, message, time.Time{}, conversation)
	m.add(contract.CategoryMessages, message, time.Time{}, conversation)
	changes := 0
	if m.consent(a, channel, command, conversation) {
		if command != "help" {
			changes = 1
		}
		m.add(contract.CategoryMessageMetadata, confirmation, time.Time{}, conversation)
		m.add(contract.CategoryMessages, confirmation, time.Time{}, conversation)
		m.statuses[confirmation] = "queued"
	}
	w.listen(changes)
}

// consent is what a word changes, and whether it is confirmed.
func (m *model) consent(a person.Address, channel, command string, conversation uuid.UUID) bool {
	everywhere, here := suppressed{"*", a}, suppressed{channel, a}
	switch command {
	case "stop":
		return m.hush(everywhere)
	case "start":
		changed := m.quiet[everywhere] || m.quiet[here] || m.quietBy(conversation, false)
		delete(m.quiet, everywhere)
		delete(m.quiet, here)
		if changed {
			m.turn++
			m.started[a] = m.turn
		}
		return changed
	case "help":
		return !m.isQuiet(conversation)
	}
	return false
}

// playSend has staff reply, and the channel's connector begin to send it. The provider may
// refuse the guest, who has opted out there.
func (w *world) playSend() {
	g := w.guests[w.IntN(len(w.guests))]
	id := w.threadOf(g)
	m := w.model
	if id == uuid.Nil {
		w.skipped = true
		return
	}
	t, message := m.threads[id], w.id()
	var at time.Time
	must(w.admin().QueryRow(context.Background(), `WITH m AS (INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
			VALUES ($1, clock_timestamp(), $2, $3, 'out', 'staff', 'queued') RETURNING id, at, conversation_id, channel)
		INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, conversation_id, channel, 'x' FROM m RETURNING at`, message, id, t.channel).Scan(&at))
	m.add(contract.CategoryMessageMetadata, message, at.UTC(), id)
	m.add(contract.CategoryMessages, message, at.UTC(), id)
	m.statuses[message] = "queued"
	if w.IntN(3) == 0 {
		return // it waits
	}
	a := g.number()
	hashes, _ := w.keys.Hashes(a.Kind, a.Value)
	connector := w.pool(contract.ComponentConnector(t.channel))
	var answer string
	must(connector.QueryRow(context.Background(), "SELECT sb.begin_attempt($1, $2, $3)", message, at, hashes).Scan(&answer))
	want := "send"
	m.statuses[message] = "sending"
	if m.isQuiet(id) {
		want, m.statuses[message] = "suppressed", "suppressed"
	}
	if answer != want {
		differ("a message to %s by %s is %q, and should be %q", a.Value, t.channel, answer, want)
	}
	if want == "suppressed" || w.IntN(2) == 0 {
		return
	}
	var known bool
	must(connector.QueryRow(context.Background(), "SELECT sb.record_status($1, $2, $3, 'failed', '21610', true)", message, at, message.String()).Scan(&known))
	w.count("blocked by the provider")
	m.statuses[message] = "failed"
	changes := 0
	for address, contact := range m.addresses {
		if contact == t.contact && address.Kind == contract.KindPhone && !m.quiet[suppressed{"*", address}] && !m.quiet[suppressed{t.channel, address}] {
			if m.hush(suppressed{t.channel, address}) {
				changes++
			}
		}
	}
	w.listen(changes)
}
