package property_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// hold is a LegalHold: what is given must all agree.
type hold struct {
	name     string
	person   []person.Address // none: anybody
	thread   uuid.UUID        // zero: any
	channel  string           // empty: any
	from, to time.Time        // zero: without end
	ended    bool             // spec.until has passed
}

func (h hold) covers(at time.Time) bool {
	return (h.from.IsZero() || !at.Before(h.from)) && (h.to.IsZero() || at.Before(h.to))
}

// namesThread: its person, conversation and channel agree with a thread.
func (m *model) namesThread(h hold, id uuid.UUID) bool {
	t := m.threads[id]
	return t != nil && (h.channel == "" || h.channel == t.channel) && (h.thread == uuid.Nil || h.thread == id) &&
		(h.person == nil || t.contact != uuid.Nil && m.bearers[h.name][t.contact])
}

// namesContact: the guest is its person, or wrote something that it holds.
func (m *model) namesContact(h hold, contact uuid.UUID) bool {
	if contact == uuid.Nil || h.person != nil && !m.bearers[h.name][contact] {
		return false
	}
	if h.person != nil && h.thread == uuid.Nil && h.channel == "" {
		return true
	}
	for id, t := range m.threads {
		if t.contact != contact || !m.namesThread(h, id) {
			continue
		}
		if h.from.IsZero() && h.to.IsZero() {
			return true
		}
		for _, f := range m.rows[contract.CategoryMessageMetadata] {
			if f.of == id && h.covers(f.at()) {
				return true
			}
		}
	}
	return false
}

// at is the age mark, for which now stands until it is known: ranges end before.
func (f *fact) at() time.Time {
	if f.mark.IsZero() {
		return time.Now()
	}
	return f.mark
}

// holds says, by the words of the documentation, whether a hold keeps a row.
func (m *model) holds(h hold, category string, id uuid.UUID) bool {
	f := m.rows[category][id]
	if h.ended {
		return false
	}
	switch category {
	case contract.CategoryMessages, contract.CategoryMessageMetadata, contract.CategoryAttachments:
		return h.covers(f.at()) && m.namesThread(h, f.of)
	case contract.CategoryAccessLogs: // of a guest or thread that somebody looked at
		if h.channel != "" || !h.covers(f.at()) {
			return false
		}
		if h.thread != uuid.Nil {
			return h.thread == f.of
		}
		t := m.threads[f.of]
		return h.person != nil && (m.bearers[h.name][f.of] || t != nil && t.contact != uuid.Nil && m.bearers[h.name][t.contact])
	case contract.CategoryContacts:
		return m.namesContact(h, id)
	case contract.CategoryStaffAccounts:
		return false
	default: // what hangs on a guest
		return h.covers(f.at()) && m.namesContact(h, f.of)
	}
}

// heldBy names the first hold on a row, by name; empty for none.
func (m *model) heldBy(holds []hold, category string, id uuid.UUID) string {
	first := ""
	for _, h := range holds {
		if (first == "" || h.name < first) && m.holds(h, category, id) {
			first = h.name
		}
	}
	return first
}

// contract gives the hold as the operator hands it to `instance migrate`.
func (h hold) contract() contract.Hold {
	c := contract.Hold{Name: h.name, Subject: h.person != nil, Channel: h.channel}
	if h.thread != uuid.Nil {
		c.Conversation = h.thread.String()
	}
	if !h.from.IsZero() {
		c.From = &h.from
	}
	if !h.to.IsZero() {
		c.To = &h.to
	}
	if h.ended {
		ended := time.Now().Add(-time.Hour)
		c.Expires = &ended
	}
	return c
}

// playHold puts a random hold in force.
func (w *world) playHold() {
	guest := w.guests[w.IntN(len(w.guests))]
	w.number++
	h := hold{name: fmt.Sprintf("case-%d", w.number), ended: w.IntN(10) == 0}
	if w.IntN(2) == 0 {
		h.from = ago(time.Now(), w.Int32N(100)).UTC().Truncate(time.Microsecond)
		h.to = h.from.AddDate(0, 0, w.IntN(40))
	}
	switch w.IntN(4) {
	case 0, 1:
		h.person = w.alias(guest)
		if w.IntN(4) == 0 {
			h.channel = w.channel()
		}
	case 2:
		h.thread = w.threadOf(guest)
	case 3:
		if h.channel = w.channel(); h.from.IsZero() && w.IntN(2) == 0 {
			h.from = ago(time.Now(), 60).UTC().Truncate(time.Microsecond)
		}
	}
	if h.person == nil && h.thread == uuid.Nil && h.channel == "" {
		h.channel = w.channel() // the guest has no thread
	}
	w.asked = append(w.asked, h)
	w.force()
}

// playRelease ends a hold, and lets go on what it kept back.
func (w *world) playRelease() {
	if len(w.asked) == 0 {
		w.skipped = true
		return
	}
	i := w.IntN(len(w.asked))
	if len(w.deferred) > 0 { // one that an erasure waits for
		i = max(0, slices.IndexFunc(w.asked, func(h hold) bool { return slices.Contains(w.deferred[0].holds, h.name) }))
	}
	released := w.asked[i].name
	w.asked = slices.Delete(w.asked, i, i+1)
	w.force()
	for _, d := range slices.Clone(w.deferred) {
		if slices.Contains(d.holds, released) {
			w.count("deferred erasure")
			w.request(d)
		}
	}
}
