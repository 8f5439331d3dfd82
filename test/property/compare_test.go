package property_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// selectRows reads every row of every category, whoever may see it.
const selectRows = `
	SELECT 'Messages', id, at, conversation_id FROM sb.message_body UNION ALL
	SELECT 'MessageMetadata', id, at, conversation_id FROM sb.message UNION ALL
	SELECT 'Attachments', id, at, conversation_id FROM sb.attachment UNION ALL
	SELECT 'Contacts', id, last_seen_at, NULL FROM sb.contact UNION ALL
	SELECT 'StaffAccounts', id, last_active_at, NULL FROM sb.staff UNION ALL
	SELECT 'AccessLogs', staff_id, at, object_id FROM sb.access_log UNION ALL
	SELECT 'WebChatSessions', id, last_active_at, contact_id FROM sb.web_chat_session UNION ALL
	SELECT 'IntegrationData', id, at, contact_id FROM sb.integration_data UNION ALL
	SELECT 'Testimonials', id, at, contact_id FROM sb.testimonial`

// selectReadable reads what staff can, each category that they read.
const selectReadable = `
	SELECT 'Messages', id, at, conversation_id FROM sb.message_body UNION ALL
	SELECT 'MessageMetadata', id, at, conversation_id FROM sb.message UNION ALL
	SELECT 'Contacts', id, last_seen_at, NULL FROM sb.contact UNION ALL
	SELECT 'StaffAccounts', id, last_active_at, NULL FROM sb.staff`

// found is what a database holds.
type found struct {
	rows      map[string]map[uuid.UUID]fact
	names     map[uuid.UUID]string
	addresses map[person.Address]uuid.UUID
	threads   map[uuid.UUID]thread
	statuses  map[uuid.UUID]string
	quiet     map[suppressed]bool
	orphans   int // files without attachment, and large objects of neither file nor archive
	archives  int
	recorded  map[string]int64 // deleted, by the receipts and the runs under way
	replayed  int64
	chain     []evidence.Sealed
}

func scanRows(rows pgx.Rows, into map[string]map[uuid.UUID]fact) error {
	for _, c := range categories {
		into[c] = map[uuid.UUID]fact{}
	}
	var category string
	var id uuid.UUID
	var of *uuid.UUID
	var mark time.Time
	_, err := pgx.ForEachRow(rows, []any{&category, &id, &mark, &of}, func() error {
		f := fact{mark: mark.UTC()}
		if of != nil {
			f.of = *of
		}
		into[category][id] = f
		return nil
	})
	return err
}

// read reads the database, in one round trip.
func (w *world) read() *found {
	f := &found{
		rows: map[string]map[uuid.UUID]fact{}, names: map[uuid.UUID]string{}, addresses: map[person.Address]uuid.UUID{}, threads: map[uuid.UUID]thread{},
		statuses: map[uuid.UUID]string{}, quiet: map[suppressed]bool{}, recorded: map[string]int64{},
	}
	var id uuid.UUID
	var of *uuid.UUID
	var a person.Address
	var at time.Time
	var text string
	var hash []byte
	batch := &pgx.Batch{}
	each := func(query string, into []any, row func()) {
		batch.Queue(query).Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, into, func() error { row(); return nil })
			return err
		})
	}
	batch.Queue(selectRows).Query(func(rows pgx.Rows) error { return scanRows(rows, f.rows) })
	each("SELECT id, name FROM sb.contact", []any{&id, &text}, func() { f.names[id] = text })
	each("SELECT kind, address, contact_id FROM sb.contact_address", []any{&a.Kind, &a.Value, &id}, func() { f.addresses[a] = id })
	each("SELECT id, channel, contact_id, last_message_at FROM sb.conversation", []any{&id, &text, &of, &at}, func() {
		t := thread{channel: text, last: at.UTC()}
		if of != nil {
			t.contact = *of
		}
		f.threads[id] = t
	})
	each("SELECT id, status FROM sb.message WHERE direction = 'out'", []any{&id, &text}, func() { f.statuses[id] = text })
	each("SELECT channel, address_hash FROM sb.suppression", []any{&text, &hash}, func() { f.quiet[suppressed{text, w.whose(hash)}] = true })
	batch.Queue(`SELECT (SELECT count(*) FROM sb.file f WHERE NOT EXISTS (SELECT FROM sb.attachment a WHERE a.file_id = f.id))
		+ abs((SELECT count(*) FROM pg_largeobject_metadata) - (SELECT count(*) FROM sb.file) - (SELECT count(*) FROM sb.archive)), (SELECT count(*) FROM sb.archive)`).
		QueryRow(func(row pgx.Row) error { return row.Scan(&f.orphans, &f.archives) })
	var n int64
	each("SELECT kind, deleted FROM sb.retention_progress", []any{&text, &n}, func() { f.recorded[text] += n })
	batch.Queue("SELECT sequence, body, previous, digest FROM sb.receipt ORDER BY sequence").Query(func(rows pgx.Rows) (err error) {
		f.chain, err = pgx.CollectRows(rows, pgx.RowToStructByPos[evidence.Sealed])
		return err
	})
	must(w.admin().SendBatch(context.Background(), batch).Close())
	for _, s := range f.chain {
		f.record(s)
	}
	return f
}

// record adds up what a receipt says was deleted.
func (f *found) record(s evidence.Sealed) {
	r, err := evidence.Decode([]byte(s.Body))
	must(err)
	for _, c := range r.Categories {
		f.recorded[c.Category] += c.Deleted
	}
	if q := r.Request; q != nil && (q.Type == contract.RequestErasure || q.Type == contract.RequestUnderage) {
		for _, c := range q.Done {
			f.recorded[c.Category] += c.Rows
		}
	}
	if r.Restored != nil {
		f.replayed += r.Restored.Erased
	}
}

// whose address a keyed hash is of, under any version of the key.
func (w *world) whose(hash []byte) person.Address {
	for _, g := range w.guests {
		for _, a := range g.all() {
			hashes, _ := w.keys.Hashes(a.Kind, a.Value)
			if slices.ContainsFunc(hashes, func(h []byte) bool { return bytes.Equal(h, hash) }) {
				return a
			}
		}
	}
	return person.Address{Kind: "nobody's", Value: hex.EncodeToString(hash)}
}

// compare finds what is missing and should not be, and what is there and should not be. What
// a run was free to delete may be either: the model learns it.
func (w *world) compare() { w.compareTo(w.read()) }

func (w *world) compareTo(f *found) {
	m := w.model
	for _, category := range categories {
		for _, id := range sorted(m.rows[category]) {
			want := m.rows[category][id]
			got, there := f.rows[category][id]
			switch {
			case !there && !want.doomed:
				differ("%s: the row %s of %s is gone, and nothing was free to delete it", category, id, want.mark)
			case there && want.mark.IsZero():
				want.mark = got.mark
			case there && !got.mark.Equal(want.mark):
				differ("%s: the row %s of %s has become one of %s", category, id, want.mark, got.mark)
			}
		}
		for _, id := range sorted(f.rows[category]) {
			if _, known := m.rows[category][id]; !known {
				differ("%s: the row %s of %s is there and should not be", category, id, f.rows[category][id].mark)
			}
		}
	}
	for _, category := range categories {
		for _, id := range sorted(m.rows[category]) {
			if _, there := f.rows[category][id]; !there {
				m.remove(category, id)
			}
		}
	}
	w.compareLinks(f)
	w.compareSums(f)
}

// compareLinks compares who and what rows belong to.
func (w *world) compareLinks(f *found) {
	m := w.model
	for _, category := range categories {
		for _, id := range sorted(f.rows[category]) {
			if got, want := f.rows[category][id].of, m.rows[category][id].of; got != want {
				differ("%s: the row %s belongs to %s, and should to %s", category, id, got, want)
			}
		}
	}
	for _, id := range sorted(m.threads) {
		got, there := f.threads[id]
		want := m.threads[id]
		if !there {
			if !m.idle(id) {
				differ("the thread %s is gone, though it has a guest or messages", id)
			}
			delete(m.threads, id)
			continue
		}
		if want.last.IsZero() {
			want.last = got.last
		}
		if got != *want {
			differ("the thread %s is %+v, and should be %+v", id, got, *want)
		}
	}
	if len(f.threads) != len(m.threads) {
		differ("there are %d threads, and should be %d", len(f.threads), len(m.threads))
	}
	same(f.names, m.names, "names of contacts")
	same(f.addresses, m.addresses, "addresses and who bears them")
	same(f.statuses, m.statuses, "statuses of messages on their way out")
	same(f.quiet, m.quiet, "suppressions")
}

func same[K, V comparable](got, want map[K]V, what string) {
	for k, v := range want {
		if g, there := got[k]; !there || g != v {
			differ("%s: of %+v there is %+v (%t), and should be %+v", what, k, g, there, v)
		}
	}
	for k, v := range got {
		if _, there := want[k]; !there {
			differ("%s: %+v %+v is there and should not be", what, k, v)
		}
	}
}

// compareSums compares what was deleted with what is on record, whatever was cut off.
func (w *world) compareSums(f *found) {
	if f.orphans != 0 || f.archives != w.model.archives {
		differ("%d files have outlived their last attachment or archive; there are %d archives, and should be %d", f.orphans, f.archives, w.model.archives)
	}
	recorded := int64(0)
	for _, c := range categories {
		recorded += f.recorded[c]
		if w.model.replayed == 0 && f.recorded[c] != w.model.gone[c] {
			differ("%s: %d rows are gone, %d are on record", c, w.model.gone[c], f.recorded[c])
		}
	}
	gone := int64(0)
	for _, n := range w.model.gone {
		gone += n
	}
	if gone != recorded+f.replayed || f.replayed != w.model.replayed {
		differ("%d rows are gone, %d of them by replays; on record are %d and %d", gone, w.model.replayed, recorded+f.replayed, f.replayed)
	}
	w.checkEvidence(f.chain)
}

// compareReadable compares what staff can read, and to whom they can write.
func (w *world) compareReadable() {
	rows, _ := w.serve().Query(context.Background(), selectReadable)
	got, now := map[string]map[uuid.UUID]fact{}, w.now()
	must(scanRows(rows, got))
	for _, category := range []string{contract.CategoryMessages, contract.CategoryMessageMetadata, contract.CategoryContacts, contract.CategoryStaffAccounts} {
		cutoff := readable(w.policies, category, now)
		for _, id := range sorted(w.model.rows[category]) {
			_, seen := got[category][id]
			if want := w.model.rows[category][id].at().After(cutoff); seen != want {
				differ("%s: the row %s of %s can be read: %t; it expires at %s", category, id, w.model.rows[category][id].mark, seen, cutoff)
			}
		}
	}
	var quiet []uuid.UUID
	must(w.serve().QueryRow(context.Background(), "SELECT COALESCE(array_agg(id), '{}') FROM sb.conversation WHERE sb.opt_out(id) = 'optedOut'").Scan(&quiet))
	for _, id := range sorted(w.model.threads) {
		if got, want := slices.Contains(quiet, id), w.model.isQuiet(id); got != want {
			differ("the guest of thread %s must not be written to: %t, and should be %t", id, got, want)
		}
	}
}

func sorted[V any](m map[uuid.UUID]V) []uuid.UUID {
	return slices.SortedFunc(maps.Keys(m), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}

func text(v any) string {
	b, err := json.Marshal(v)
	must(err)
	return string(b)
}
