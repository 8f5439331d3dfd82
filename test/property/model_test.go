package property_test

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// fact is a row as the model knows it. Its age mark is zero until the database, whose clock
// gives it, was asked.
type fact struct {
	mark time.Time
	// of is what the row belongs to: the thread of a message or attachment, the contact of a
	// web chat, of integration data or of a testimonial, what a line of the access log is about.
	of uuid.UUID
	// bearers are addresses of the guest of a testimonial that has outlived the contact: it is theirs by them.
	bearers []person.Address
	// doomed: some run was free to delete it. Whatever else is missing was deleted wrongly.
	doomed bool
}

// thread is a conversation; contact is zero once the guest has gone.
type thread struct {
	channel string
	contact uuid.UUID
	last    time.Time
}

// suppressed is who must not be written to, and where.
type suppressed struct {
	channel string // * for all
	address person.Address
}

// model says what a database should hold. It knows nothing of partitions, batches,
// functions, transactions or keyed hashes: rows, persons, rules and holds alone.
type model struct {
	rows      map[string]map[uuid.UUID]*fact // by category
	names     map[uuid.UUID]string           // of contacts
	addresses map[person.Address]uuid.UUID   // and who bears them
	threads   map[uuid.UUID]*thread
	statuses  map[uuid.UUID]string          // of messages on their way out
	bearers   map[string]map[uuid.UUID]bool // by hold of a person, all who ever bore an address of theirs
	quiet     map[suppressed]bool
	since     map[suppressed]int     // the turn in which it was last suppressed
	started   map[person.Address]int // the turn in which it last changed something by START
	turn      int
	archives  int
	// gone counts the rows that were deleted, by category; replayed those that replays have.
	gone     map[string]int64
	replayed int64
}

// categories that the histories play: all.
var categories = contract.Categories()

func newModel() *model {
	m := &model{
		rows: map[string]map[uuid.UUID]*fact{}, names: map[uuid.UUID]string{}, addresses: map[person.Address]uuid.UUID{},
		threads: map[uuid.UUID]*thread{}, statuses: map[uuid.UUID]string{}, bearers: map[string]map[uuid.UUID]bool{},
		quiet: map[suppressed]bool{}, since: map[suppressed]int{}, started: map[person.Address]int{}, gone: map[string]int64{},
	}
	for _, c := range categories {
		m.rows[c] = map[uuid.UUID]*fact{}
	}
	return m
}

// clone is what a backup remembers.
func (m *model) clone() *model {
	c := *m
	c.rows, c.threads, c.bearers = map[string]map[uuid.UUID]*fact{}, map[uuid.UUID]*thread{}, map[string]map[uuid.UUID]bool{}
	for category, rows := range m.rows {
		c.rows[category] = map[uuid.UUID]*fact{}
		for id, f := range rows {
			copied := *f
			c.rows[category][id] = &copied
		}
	}
	for id, t := range m.threads {
		copied := *t
		c.threads[id] = &copied
	}
	for hold, who := range m.bearers {
		c.bearers[hold] = maps.Clone(who)
	}
	c.names, c.addresses, c.statuses = maps.Clone(m.names), maps.Clone(m.addresses), maps.Clone(m.statuses)
	c.quiet, c.since, c.started, c.gone = maps.Clone(m.quiet), maps.Clone(m.since), maps.Clone(m.started), maps.Clone(m.gone)
	return &c
}

func (m *model) add(category string, id uuid.UUID, mark time.Time, of uuid.UUID) {
	m.rows[category][id] = &fact{mark: mark, of: of}
}

// bear gives an address to a contact, whom holds of its person hold from now on.
func (m *model) bear(a person.Address, contact uuid.UUID, holds []hold) {
	m.addresses[a] = contact
	for _, h := range holds {
		if slices.Contains(h.person, a) {
			m.bearers[h.name][contact] = true
		}
	}
}

// force puts holds in force, as they are asked for now.
func (m *model) force(holds []hold) {
	for name := range m.bearers {
		if !slices.ContainsFunc(holds, func(h hold) bool { return h.name == name }) {
			delete(m.bearers, name)
		}
	}
	for _, h := range holds {
		if m.bearers[h.name] == nil {
			m.bearers[h.name] = map[uuid.UUID]bool{}
		}
		for _, a := range h.person {
			if contact, known := m.addresses[a]; known {
				m.bearers[h.name][contact] = true
			}
		}
	}
}

// remove takes a row out, with what the database takes out beside it.
func (m *model) remove(category string, id uuid.UUID) {
	m.gone[category]++
	delete(m.rows[category], id)
	switch category {
	case contract.CategoryMessageMetadata:
		delete(m.statuses, id)
	case contract.CategoryContacts:
		delete(m.names, id)
		var bearers []person.Address
		for a, contact := range m.addresses {
			if contact == id {
				bearers = append(bearers, a)
			}
		}
		maps.DeleteFunc(m.addresses, func(_ person.Address, contact uuid.UUID) bool { return contact == id })
		for _, who := range m.bearers {
			delete(who, id)
		}
		for _, t := range m.threads {
			if t.contact == id {
				t.contact = uuid.Nil
			}
		}
		for _, c := range []string{contract.CategoryWebChatSessions, contract.CategoryIntegrationData, contract.CategoryTestimonials} {
			for _, f := range m.rows[c] {
				if f.of == id {
					f.of = uuid.Nil // what is left of them names nobody
					if c == contract.CategoryTestimonials {
						f.bearers = bearers
					}
				}
			}
		}
	}
}

// known are the contacts who bear one of the addresses, in the order of their ids.
func (m *model) known(addresses []person.Address) (contacts []uuid.UUID) {
	for _, a := range addresses {
		if c, ok := m.addresses[a]; ok && !slices.Contains(contacts, c) {
			contacts = append(contacts, c)
		}
	}
	slices.SortFunc(contacts, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return contacts
}

// theirs are the rows of persons: of their contacts, of the threads of those, and testimonials that have outlived them.
func (m *model) theirs(category string, who []person.Address) (ids []uuid.UUID) {
	contacts := m.known(who)
	for id, f := range m.rows[category] {
		t := m.threads[f.of]
		inThread := t != nil && slices.Contains(contacts, t.contact)
		switch category {
		case contract.CategoryStaffAccounts:
		case contract.CategoryContacts:
			if slices.Contains(contacts, id) {
				ids = append(ids, id)
			}
		case contract.CategoryMessages, contract.CategoryMessageMetadata, contract.CategoryAttachments:
			if inThread {
				ids = append(ids, id)
			}
		case contract.CategoryAccessLogs:
			if inThread || slices.Contains(contacts, f.of) {
				ids = append(ids, id)
			}
		default:
			if slices.Contains(contacts, f.of) || slices.ContainsFunc(f.bearers, func(a person.Address) bool { return slices.Contains(who, a) }) {
				ids = append(ids, id)
			}
		}
	}
	return ids
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

// ago is so many days of 24 hours before an instant.
func ago(now time.Time, days int32) time.Time { return now.Add(-time.Duration(days) * 24 * time.Hour) }

// readable says by when rows of a category can't be read any more, by the policies in force.
func readable(policies []contract.Retention, category string, now time.Time) time.Time {
	cutoff := time.Time{}
	for _, p := range policies {
		if days, bounded := limits(p)[category]; bounded && p.Mode == contract.ModeEnforce && ago(now, days).After(cutoff) {
			cutoff = ago(now, days)
		}
	}
	return cutoff
}

// doom marks what a run by these rules is free to delete until now.
func (m *model) doom(policy contract.Retention, holds []hold, now time.Time) {
	if policy.Mode != contract.ModeEnforce {
		return
	}
	for category, days := range limits(policy) {
		for id, f := range m.rows[category] {
			if !f.mark.IsZero() && !f.mark.After(ago(now, days)) && m.heldBy(holds, category, id) == "" {
				f.doomed = true
			}
		}
	}
}

// idle says that a thread says nothing about anyone: no guest, no message.
func (m *model) idle(id uuid.UUID) bool {
	return m.threads[id].contact == uuid.Nil && !m.any(contract.CategoryMessageMetadata, id)
}

func (m *model) any(category string, of uuid.UUID) bool {
	for _, f := range m.rows[category] {
		if f.of == of {
			return true
		}
	}
	return false
}
