package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// person is a contact as it is shown.
type person struct {
	ID         uuid.UUID
	Name       string
	MergedInto *uuid.UUID
	Merged     []struct{ ID, Into, MergedBy uuid.UUID }
	Addresses  []struct {
		Address string
		Contact uuid.UUID
	}
}

func contactPath(id uuid.UUID) string { return "/api/v1/contacts/" + id.String() }

func (v thread) mergedInto(other thread) person {
	v.s.t.Helper()
	var p person
	v.s.do("POST", contactPath(other.guest)+"/merges", map[string]any{"contact": v.guest}).want(http.StatusOK).into(&p)
	return p
}

func (v thread) split() answer {
	return v.s.do("POST", contactPath(v.guest)+"/splits", map[string]any{})
}

// rows are all that is stored of contacts, but what a hold keeps.
func (s *system) rows() string {
	s.t.Helper()
	var all string
	if err := s.admin.QueryRow(s.t.Context(), `SELECT concat_ws(E'\n',
		(SELECT string_agg(c::text, E'\n' ORDER BY id) FROM sb.contact c), (SELECT string_agg(a::text, E'\n' ORDER BY kind, address_hash) FROM sb.contact_address a),
		(SELECT string_agg(v::text, E'\n' ORDER BY id) FROM sb.conversation v), (SELECT string_agg(m::text, E'\n' ORDER BY at, id) FROM sb.message m),
		(SELECT string_agg(x::text, E'\n' ORDER BY channel, address_hash) FROM sb.suppression x), (SELECT string_agg(l::text, E'\n' ORDER BY id) FROM sb.consent_log l),
		(SELECT string_agg(d::text, E'\n' ORDER BY id) FROM sb.integration_data d))`).Scan(&all); err != nil {
		s.t.Fatal(err)
	}
	return all
}

func TestMergedContactsAreOnePersonUntilTheyAreTakenApart(t *testing.T) {
	s := start(t)
	ada := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	mobile := s.guest("", "+4915112345678", pgtest.Channel, s.now())
	eve := s.guest("Eve", "+4930901821", pgtest.Channel, s.now())
	for _, v := range []thread{ada, mobile, eve} {
		v.wrote(s.now(), "Hello")
	}
	before := s.rows()
	p := mobile.mergedInto(ada)
	if p.ID != ada.guest || len(p.Addresses) != 2 || len(p.Merged) != 1 || p.Merged[0].ID != mobile.guest || p.Merged[0].Into != ada.guest || p.MergedInto != nil {
		t.Errorf("merged into %+v", p)
	}
	if n := s.count("SELECT count(*) FROM sb.access_log WHERE route = '/api/v1/contacts/{id}/merges' AND object_id IN ($1, $2)", ada.guest, mobile.guest); n != 2 {
		t.Errorf("the access log has %d lines of it, want one for each contact", n)
	}
	again := mobile.mergedInto(ada)
	if len(again.Merged) != 1 {
		t.Errorf("merged again into %+v", again)
	}
	var list struct{ Contacts []person }
	s.do("GET", "/api/v1/contacts", nil).want(http.StatusOK).into(&list)
	if len(list.Contacts) != 2 || slices.ContainsFunc(list.Contacts, func(p person) bool { return p.ID == mobile.guest }) {
		t.Errorf("the list has %+v", list.Contacts)
	}
	s.do("GET", contactPath(mobile.guest), nil).want(http.StatusOK).saying(`"mergedInto":"`+ada.guest.String(), "+4930901820")
	s.do("GET", mobile.path(), nil).want(http.StatusOK).saying(`"name":"Ada"`, ada.guest.String())

	// Each thread is answered at its own address.
	mobile.s.do("POST", mobile.path()+"/messages", map[string]any{"body": "Hello"}).want(http.StatusAccepted)
	s.exec("DELETE FROM sb.message WHERE direction = 'out'")
	s.exec("UPDATE sb.conversation SET last_message_at = created_at")
	s.exec("UPDATE sb.conversation v SET last_message_at = (SELECT at FROM sb.message m WHERE m.conversation_id = v.id)")

	// Who opted out by one address has by all.
	s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ('*', $1, 1)", ada.addressHash)
	for v, opted := range map[*thread]string{&ada: "optedOut", &mobile: "optedOut", &eve: "none"} {
		s.do("GET", v.path(), nil).want(http.StatusOK).saying(`"optOut":"` + opted)
	}
	s.do("POST", mobile.path()+"/messages", map[string]any{"body": "Hello"}).want(http.StatusConflict).saying("opted-out")
	s.exec("DELETE FROM sb.suppression")

	mobile.split().want(http.StatusOK).saying(`"mergedInto":null`, `"merged":[]`)
	if after := s.rows(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	mobile.split().want(http.StatusConflict).saying("not-merged")
	ada.split().want(http.StatusConflict)
	s.do("POST", contactPath(ada.guest)+"/merges", map[string]any{"contact": ada.guest}).want(http.StatusBadRequest)
	s.do("POST", contactPath(ada.guest)+"/merges", map[string]any{"contact": uuid.New()}).want(http.StatusNotFound)
	s.do("POST", contactPath(uuid.New())+"/splits", map[string]any{}).want(http.StatusNotFound)
}

// A person opts out and in as a whole by staff, and by a link.
func TestStaffOptAWholePersonOut(t *testing.T) {
	s := start(t)
	ada := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	mobile := s.guest("", "+4915112345678", pgtest.Channel, s.now())
	mobile.mergedInto(ada)
	s.do("POST", contactPath(mobile.guest)+"/opt-out", map[string]any{}).want(http.StatusOK)
	if n := s.count("SELECT count(*) FROM sb.suppression WHERE address_hash IN ($1, $2)", ada.addressHash, mobile.addressHash); n != 2 {
		t.Errorf("%d of 2 addresses are opted out", n)
	}
	s.do("POST", contactPath(ada.guest)+"/opt-in", map[string]any{}).want(http.StatusOK)
	if n := s.count("SELECT count(*) FROM sb.suppression"); n != 0 {
		t.Errorf("%d addresses are opted out yet", n)
	}
	// Taken apart, an opt-out of both stays with both.
	s.do("POST", contactPath(ada.guest)+"/opt-out", map[string]any{}).want(http.StatusOK)
	mobile.split().want(http.StatusOK)
	s.do("GET", mobile.path(), nil).want(http.StatusOK).saying(`"optOut":"optedOut`)
}

// Each contact of a person expires by itself, and the others stay one.
func TestContactsOfAPersonExpireByThemselves(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryContacts: 30})
	var all []thread
	for i := range 4 {
		all = append(all, s.guest(fmt.Sprint("Ada ", i), fmt.Sprintf("+493090182%d", i), pgtest.Channel, s.now()))
	}
	all[1].mergedInto(all[0])
	all[2].mergedInto(all[1])
	all[3].mergedInto(all[0])
	s.exec("UPDATE sb.contact SET last_seen_at = now() - interval '31 days' WHERE id = $1", all[0].guest)
	s.do("GET", contactPath(all[0].guest), nil).want(http.StatusNotFound)
	if a := s.do("GET", contactPath(all[1].guest), nil).want(http.StatusOK); strings.Contains(string(a.body), "+4930901820") {
		t.Error("an address that has expired is shown")
	}
	s.do("GET", "/api/v1/contacts", nil).want(http.StatusOK).saying("Ada 1")
	s.do("POST", contactPath(all[1].guest)+"/merges", map[string]any{"contact": all[0].guest}).want(http.StatusNotFound)
	s.exec("DELETE FROM sb.contact WHERE id = $1", all[0].guest)
	var list struct{ Contacts []person }
	s.do("GET", "/api/v1/contacts", nil).want(http.StatusOK).into(&list)
	if len(list.Contacts) != 1 || len(list.Contacts[0].Addresses) != 3 {
		t.Errorf("the others are %+v", list.Contacts)
	}
	s.exec("DELETE FROM sb.contact WHERE id IN ($1, $2)", all[1].guest, all[2].guest)
	s.do("GET", contactPath(all[3].guest), nil).want(http.StatusOK).saying(`"mergedInto":null`, `"merged":[]`)
	if n := s.count("SELECT count(*) FROM sb.contact WHERE num_nonnulls(person, merged_into, merged_at, merged_by) > 0"); n != 0 {
		t.Error("who is left alone is no person of their own")
	}
}
