package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestAConversationIsAssignedAndOthersHear(t *testing.T) {
	s := startLive(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	other := s.guest("Ben", "+493001", pgtest.Channel, s.now())
	p := s.page(s.browse())
	agent := s.as(staff.Agent)
	me := agent.own().ID.String()
	agent.do("PUT", v.path()+"/assignee", map[string]any{"staff": me}).want(http.StatusOK).saying(me, "Some agent")
	p.hearsOf(v.id)
	mine := agent.do("GET", "/api/v1/conversations?assignee="+me, nil).want(http.StatusOK)
	nobodys := agent.do("GET", "/api/v1/conversations?assignee=none&q=Ben", nil).want(http.StatusOK)
	if !strings.Contains(string(mine.body), v.id.String()) || strings.Contains(string(mine.body), other.id.String()) ||
		!strings.Contains(string(nobodys.body), other.id.String()) || strings.Contains(string(nobodys.body), v.id.String()) {
		t.Errorf("mine %s\nnobody's %s", mine.body, nobodys.body)
	}
	agent.do("GET", "/api/v1/conversations?assignee=me", nil).want(http.StatusBadRequest)
	supervisor := s.as(staff.Supervisor)
	supervisor.do("PUT", v.path()+"/assignee", map[string]any{"staff": nil}).want(http.StatusOK).saying(`"assignee":null`)
	for name, id := range map[string]string{"nobody": uuid.NewString(), "an auditor": s.as(staff.Auditor).own().ID.String(), "a privacy officer": s.as(staff.PrivacyOfficer).own().ID.String()} {
		if got := supervisor.do("PUT", v.path()+"/assignee", map[string]any{"staff": id}); got.status != http.StatusConflict {
			t.Errorf("assigned to %s: %d", name, got.status)
		}
	}
	supervisor.do("PUT", "/api/v1/conversations/"+uuid.NewString()+"/assignee", map[string]any{"staff": nil}).want(http.StatusNotFound)
	// With the account, what was assigned to it is free.
	for _, change := range []map[string]any{{"role": "privacyOfficer"}, {"active": false}} {
		supervisor.do("PATCH", "/api/v1/staff/"+me, map[string]any{"role": "agent", "active": true}).want(http.StatusOK)
		supervisor.do("PUT", v.path()+"/assignee", map[string]any{"staff": me}).want(http.StatusOK)
		supervisor.do("PATCH", "/api/v1/staff/"+me, change).want(http.StatusOK)
		supervisor.do("GET", v.path(), nil).want(http.StatusOK).saying(`"assignee":null`)
	}
	supervisor.do("PATCH", "/api/v1/staff/"+me, map[string]any{"role": "agent", "active": true}).want(http.StatusOK)
	supervisor.do("PUT", v.path()+"/assignee", map[string]any{"staff": me}).want(http.StatusOK)
	s.exec("DELETE FROM sb.staff WHERE id = $1", me)
	supervisor.do("GET", v.path(), nil).want(http.StatusOK).saying(`"assignee":null`)
}

const note = "She may be cross about the noise"

// TestANoteIsForStaffAlone: it is in the thread, and goes nowhere else.
func TestANoteIsForStaffAlone(t *testing.T) {
	s := startLive(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	v.wrote(s.now(), "Is it quiet?")
	p := s.page(s.browse())
	officer := s.as(staff.PrivacyOfficer)
	officer.do("POST", v.path()+"/notes", map[string]any{"body": note}).want(http.StatusCreated).saying(`"direction":"note"`, `"status":"noted"`, "Some privacyOfficer")
	p.hearsOf(v.id, "all")
	agent := s.as(staff.Agent)
	agent.do("GET", v.path()+"/messages", nil).want(http.StatusOK).saying(note, "Some privacyOfficer")
	agent.do("GET", v.path(), nil).want(http.StatusOK).saying("Is it quiet?") // is the last message still
	if n := s.count("SELECT count(*) FROM " + contract.QueueSchema(pgtest.Channel) + ".river_job"); n != 0 {
		t.Errorf("%d jobs send it", n)
	}
	if got := agent.do("GET", "/api/v1/undelivered-messages", nil); strings.Contains(string(got.body), note) {
		t.Error("it is to be delivered")
	}
	var id uuid.UUID
	if err := s.admin.QueryRow(t.Context(), "SELECT id FROM sb.message WHERE direction = 'note'").Scan(&id); err != nil {
		t.Fatal(err)
	}
	agent.do("POST", v.path()+"/messages/"+id.String()+"/retries", map[string]any{"mayArriveTwice": true}).want(http.StatusConflict).saying("not-failed")
	// Not as a message that a connector would find, either.
	for _, spoil := range []string{"status = 'queued'", "provider_id = 'x'", "thread_seq = 1", "attempted_at = now()", "origin = 'guest'"} {
		if _, err := s.admin.Exec(t.Context(), "UPDATE sb.message SET "+spoil+" WHERE direction = 'note'"); err == nil {
			t.Errorf("a note became one with %s", spoil)
		}
	}
	var made struct{ Token string }
	s.as(staff.Supervisor).do("POST", "/api/v1/integrations", map[string]any{"name": "pms", "scopes": []string{"conversations:read"}, "expiresInDays": 1}).want(http.StatusCreated).into(&made)
	s.exec("UPDATE sb.conversation SET assignee = (SELECT id FROM sb.staff LIMIT 1)")
	pms := *s
	pms.token = made.Token
	for _, path := range []string{v.path() + "/messages", v.path(), "/api/v1/conversations"} {
		got := pms.do("GET", path, nil).want(http.StatusOK)
		if strings.Contains(string(got.body), note) || strings.Contains(string(got.body), "hotel.example") || !strings.Contains(string(got.body), "Is it quiet?") {
			t.Errorf("%s shows another system %s", path, got.body)
		}
	}
	pms.do("GET", "/api/v1/conversations?assignee="+uuid.NewString(), nil).want(http.StatusBadRequest)
	for _, body := range []string{"", " ", strings.Repeat("x", 4001)} {
		agent.do("POST", v.path()+"/notes", map[string]any{"body": body}).want(http.StatusBadRequest)
	}
	agent.do("POST", "/api/v1/conversations/"+uuid.NewString()+"/notes", map[string]any{"body": note}).want(http.StatusNotFound)
}

func TestANoteExpiresAsMessagesDo(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryMessages: 10})
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	s.do("POST", v.path()+"/notes", map[string]any{"body": note}).want(http.StatusCreated)
	old := s.now().Add(-10 * 24 * time.Hour)
	s.exec("SELECT sb.ensure_partition($1)", old)
	s.exec("UPDATE sb.message SET at = $1", old)
	s.exec("UPDATE sb.message_body SET at = $1", old)
	if got := s.do("GET", v.path()+"/messages", nil).want(http.StatusOK); strings.Contains(string(got.body), note) {
		t.Errorf("shown after it has expired: %s", got.body)
	}
}

func TestCannedReplies(t *testing.T) {
	s := start(t)
	var made struct{ ID uuid.UUID }
	s.do("POST", "/api/v1/canned-replies", map[string]any{"title": "Late", "body": "Until noon."}).want(http.StatusCreated).into(&made)
	s.do("POST", "/api/v1/canned-replies", map[string]any{"title": "Late", "body": "Until one."}).want(http.StatusConflict).saying("choose another")
	s.do("POST", "/api/v1/canned-replies", map[string]any{"title": "Early", "body": "From six."}).want(http.StatusCreated)
	path := "/api/v1/canned-replies/" + made.ID.String()
	s.do("PUT", path, map[string]any{"title": "Early", "body": "x"}).want(http.StatusConflict)
	s.do("PUT", path, map[string]any{"title": "Late check-out", "body": "Until eleven."}).want(http.StatusOK)
	s.as(staff.Agent).do("GET", "/api/v1/canned-replies", nil).want(http.StatusOK).saying("Until eleven.", "From six.")
	for _, body := range []map[string]any{{"title": "", "body": "x"}, {"title": "x", "body": ""}, {"title": strings.Repeat("x", 81), "body": "x"}, {"title": "x", "body": strings.Repeat("x", 1601)}} {
		s.do("POST", "/api/v1/canned-replies", body).want(http.StatusBadRequest)
	}
	s.do("DELETE", path, nil).want(http.StatusNoContent)
	s.do("DELETE", path, nil).want(http.StatusNotFound)
	s.do("PUT", path, map[string]any{"title": "x", "body": "x"}).want(http.StatusNotFound)
}

// TestThoseThatAPageWasToldOfAreReadAlone: in the list's order, narrowed as the list is, and none that is no more to be seen.
func TestThoseThatAPageWasToldOfAreReadAlone(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryContacts: 30, contract.CategoryMessageMetadata: 30})
	now := s.now()
	older := s.guest("Ada", "+493000", pgtest.Channel, now.Add(-2*time.Hour))
	newer := s.guest("Ben", "+493001", pgtest.Channel, now.Add(-time.Hour))
	expired := s.guest("Cem", "+493002", pgtest.Channel, now.Add(-30*day))
	unnamed := s.guest("Dua", "+493003", pgtest.Channel, now)
	ids := strings.Join([]string{older.id.String(), expired.id.String(), newer.id.String(), uuid.NewString()}, ",")
	var list struct {
		Conversations []struct{ ID uuid.UUID }
		NextCursor    *string
	}
	s.do("GET", "/api/v1/conversations?ids="+ids, nil).want(http.StatusOK).into(&list)
	if len(list.Conversations) != 2 || list.Conversations[0].ID != newer.id || list.Conversations[1].ID != older.id || list.NextCursor != nil {
		t.Errorf("of %s and not %s: %v", ids, unnamed.id, list)
	}
	s.do("PUT", older.path()+"/assignee", map[string]any{"staff": s.own().ID.String()}).want(http.StatusOK)
	s.do("GET", "/api/v1/conversations?assignee=none&ids="+ids, nil).want(http.StatusOK).into(&list)
	if len(list.Conversations) != 1 || list.Conversations[0].ID != newer.id {
		t.Errorf("of nobody's: %v", list)
	}
	for _, refused := range []string{"", "x", older.id.String() + ",", strings.ReplaceAll(ids, "-", ""), strings.Repeat(older.id.String()+",", 50) + older.id.String()} {
		s.do("GET", "/api/v1/conversations?ids="+refused, nil).want(http.StatusBadRequest).saying("1 to 50")
	}
	s.do("GET", "/api/v1/conversations?ids="+strings.Repeat(older.id.String()+",", 49)+older.id.String(), nil).want(http.StatusOK)
}
