package property_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/subject"
)

// request is a DataSubjectRequest. after and holds are those of one that holds have deferred.
type request struct {
	uid, kind string
	person    []person.Address
	after     string
	holds     []string
}

// account is what a request has found, done and been refused, by category.
type account struct {
	found, done map[string]int64
	refused     map[[2]string]int64 // by category and hold
}

// sealed tells whether a request's transaction has committed: one can be cut after that, too.
func (w *world) sealed(q *request) (sealed bool) {
	must(w.admin().QueryRow(context.Background(), `SELECT EXISTS (SELECT FROM sb.receipt WHERE policy = '' AND body::jsonb -> 'request' ->> 'uid' = $1
		AND COALESCE(body::jsonb -> 'request' ->> 'after', '') = $2)`, q.uid, q.after).Scan(&sealed))
	return sealed
}

// playRequest has a random guest ask for something, by any of their addresses.
func (w *world) playRequest(kind string) {
	w.number++
	who := w.alias(w.guests[w.IntN(len(w.guests))])
	for _, h := range w.asked {
		if h.person != nil && w.IntN(4) == 0 {
			who = h.person
		}
	}
	w.request(&request{uid: fmt.Sprintf("uid-%d", w.number), kind: kind, person: who})
}

func (w *world) request(q *request) {
	p := subject.Person{Addresses: q.person, Keys: w.keys}
	job := contract.Request{Name: "request", UID: q.uid, Type: q.kind, After: q.after, ReceivedAt: time.Now()}
	taken := false
	switch q.kind {
	case contract.RequestAccess:
		job.ArchiveKey, p.Token = recipient, "a token of thirty-two characters"
	case contract.RequestRectification:
		p.NewName, p.NewPhone, taken = w.correction(q)
	}
	var result contract.SubjectResult
	run := func(ctx context.Context, pool *pgxpool.Pool) (err error) {
		result, err = subject.Run(ctx, pool, job, tenant, p)
		return err
	}
	cut, err := w.attempt(contract.ComponentSubject, 30, run)
	if cut {
		if !w.sealed(q) {
			w.compare() // nothing has happened
		}
		err = run(context.Background(), w.pool(contract.ComponentSubject))
	}
	if taken != (err != nil) || taken && !strings.Contains(err.Error(), "another guest") {
		differ("%s by %v: %w (the number is another guest's: %t)", q.kind, q.person, cmp.Or(err, errNone), taken)
	}
	if taken {
		w.count("correction refused")
		return
	}
	if w.IntN(4) == 0 { // its pod was lost
		first := text(result)
		must(run(context.Background(), w.pool(contract.ComponentSubject)))
		if text(result) != first {
			differ("%s: told %s, and then %s", q.kind, first, text(result))
		}
	}
	want := w.effect(q, p)
	w.ledger.ofRequest(result)
	w.tell()
	got := account{counts(result.Found), counts(result.Done), map[[2]string]int64{}}
	for _, r := range result.Refused {
		got.refused[[2]string{r.Category, r.Hold}] = r.Rows
	}
	same(got.found, want.found, q.kind+" has found")
	same(got.done, want.done, q.kind+" has done")
	same(got.refused, want.refused, q.kind+" was refused")
	w.settle(q, result)
	changes := 0
	if q.kind != contract.RequestAccess {
		changes = int(want.done["Suppressions"])
	}
	if changes > 0 && w.IntN(2) == 0 {
		w.unheard += changes // the receipt is known, and tells of it too
		return
	}
	w.listen(changes)
}

// settle keeps a request open that holds have deferred.
func (w *world) settle(q *request, result contract.SubjectResult) {
	w.deferred = slices.DeleteFunc(w.deferred, func(d *request) bool { return d.uid == q.uid })
	if len(result.Refused) == 0 {
		return
	}
	w.count("erasure deferred by a hold")
	q.after, q.holds = result.Digest, nil
	for _, r := range result.Refused {
		q.holds = append(q.holds, r.Hold)
	}
	w.deferred = append(w.deferred, q)
}

func counts(all []contract.CategoryCount) map[string]int64 {
	m := map[string]int64{}
	for _, c := range all {
		m[c.Category] = c.Rows
	}
	return m
}

// effect is what a request should do.
func (w *world) effect(q *request, p subject.Person) account {
	m := w.model
	a := account{map[string]int64{}, map[string]int64{}, map[[2]string]int64{}}
	switch q.kind {
	case contract.RequestErasure, contract.RequestUnderage:
		a = m.erase(w.asked, q.person)
	case contract.RequestOptOut, contract.RequestObjection:
		a.add(a.done, "Suppressions", m.suppress(q.person))
	case contract.RequestAccess:
		m.archives++
		m.count(a, q.person)
		for c, n := range w.handed(q.person) {
			a.add(a.done, c, n)
		}
	case contract.RequestRectification:
		m.count(a, q.person)
		contacts := m.known(q.person)
		for _, id := range contacts {
			m.names[id] = p.NewName
		}
		a.add(a.done, contract.CategoryContacts, int64(len(contacts)))
		if len(contacts) > 0 && p.NewPhone != "" {
			w.renumber(contacts, p.NewPhone)
		}
	}
	return a
}

func (a account) add(to map[string]int64, category string, n int64) {
	if n > 0 {
		to[category] += n
	}
}

// count notes what there is of a person.
func (m *model) count(a account, who []person.Address) {
	for _, c := range categories {
		a.add(a.found, c, int64(len(m.theirs(c, who))))
	}
}

// suppress keeps everybody from writing to any address of a person.
func (m *model) suppress(who []person.Address) (n int64) {
	for _, address := range who {
		if m.hush(suppressed{"*", address}) {
			n++
		}
	}
	return n
}

// erase deletes all that there is of a person but what a hold keeps.
func (m *model) erase(holds []hold, who []person.Address) account {
	a := account{map[string]int64{}, map[string]int64{}, map[[2]string]int64{}}
	m.count(a, who)
	contacts := m.known(who)
	doomed, threads := map[string][]uuid.UUID{}, m.threadsOf(contacts)
	for _, c := range categories {
		for _, id := range m.theirs(c, who) {
			if h := m.heldBy(holds, c, id); h != "" {
				a.refused[[2]string{c, h}]++
				continue
			}
			doomed[c] = append(doomed[c], id)
			a.done[c]++
		}
	}
	for _, c := range categories {
		for _, id := range doomed[c] {
			m.remove(c, id)
		}
	}
	for _, id := range threads { // one stays with its guest, or with what was said in it
		if m.idle(id) && !m.any(contract.CategoryAttachments, id) {
			delete(m.threads, id)
		}
	}
	return a
}

func (m *model) threadsOf(contacts []uuid.UUID) (ids []uuid.UUID) {
	for id, t := range m.threads {
		if slices.Contains(contacts, t.contact) {
			ids = append(ids, id)
		}
	}
	return ids
}

// handed is what a person gets on an Access request: what has not expired, and whatever they said of being written to.
func (w *world) handed(who []person.Address) map[string]int64 {
	n, now := map[string]int64{}, time.Now()
	for _, c := range categories {
		for _, id := range w.model.theirs(c, who) {
			if w.model.rows[c][id].at().After(readable(w.policies, c, now)) {
				n[c]++
			}
		}
	}
	everywhere := slices.Clone(who) // and the other addresses that the person is known by
	for a, contact := range w.model.addresses {
		if !slices.Contains(who, a) && slices.Contains(w.model.known(who), contact) {
			everywhere = append(everywhere, a)
		}
	}
	for s := range w.model.quiet {
		if slices.Contains(everywhere, s.address) {
			n["Suppressions"]++
		}
	}
	n["ConsentLog"] = w.consents(everywhere)
	return n
}

// correction draws a new name and number. Sometimes the number is another guest's.
func (w *world) correction(q *request) (name, phone string, taken bool) {
	w.number++
	name = fmt.Sprintf("name-%d", w.number)
	contacts := w.model.known(q.person)
	switch w.IntN(3) {
	case 0:
		return name, "", false
	case 1:
		phone = w.guests[w.IntN(len(w.guests))].phone
		bearer, borne := w.model.addresses[person.Address{Kind: contract.KindPhone, Value: phone}]
		return name, phone, borne && len(contacts) > 0 && !slices.Contains(contacts, bearer)
	}
	return name, fmt.Sprintf("+49152%07d", w.number), false
}

// renumber gives the first of the contacts a new phone number, and takes the old ones away.
func (w *world) renumber(contacts []uuid.UUID, phone string) {
	m := w.model
	for a, contact := range m.addresses {
		if a.Kind != contract.KindPhone || !slices.Contains(contacts, contact) {
			continue
		}
		delete(m.addresses, a)
		for i := range w.guests {
			if w.guests[i].phone == a.Value && phone != a.Value {
				w.guests[i].former = append(w.guests[i].former, a, person.Address{Kind: contract.KindWhatsApp, Value: a.Value[1:]})
				w.guests[i].phone = phone
			}
		}
	}
	m.bear(person.Address{Kind: contract.KindPhone, Value: phone}, contacts[0], w.asked)
}
