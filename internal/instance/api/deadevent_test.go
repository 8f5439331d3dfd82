package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

type deadEvents struct {
	Events []struct {
		ID, Contact           uuid.UUID
		Conversation, Message *uuid.UUID
		Webhook, Type         string
		Detail                map[string]string
		Ended                 bool
	}
	NextCursor *string
}

func TestEventsThatWereGivenUpAreListedAndSentOnceMore(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	message := v.wrote(s.now().Add(-4*24*time.Hour), "When is breakfast?")
	s.exec("INSERT INTO sb.webhook (name, events, include_text, target) VALUES ('pms', '{message.status,optout.changed}', true, 'x'), ('gone', '{optout.changed}', false, 'y')")
	s.exec("UPDATE sb.webhook SET ended_at = now() WHERE name = 'gone'")
	event := func(webhook, kind string, message *uuid.UUID, detail string, dead bool) (id uuid.UUID) {
		t.Helper()
		if err := s.admin.QueryRow(t.Context(), `INSERT INTO sb.webhook_event (webhook, kind, at, contact_id, message_id, message_at, detail, attempts, dead_at)
			SELECT $1, $2, now() - interval '4 days', $3, $4, (SELECT at FROM sb.message WHERE id = $4), $5, 12, CASE WHEN $6 THEN now() END RETURNING id`,
			webhook, kind, v.guest, message, detail, dead).Scan(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	status := event("pms", "message.status", &message, `{"status":"failed"}`, true)
	consent := event("gone", "optout.changed", nil, `{"change":"stop","channel":"*","source":"guest"}`, true)
	event("pms", "message.status", &message, `{"status":"sent"}`, false) // it is being tried
	list := func() (l deadEvents) {
		t.Helper()
		s.do("GET", "/api/v1/undelivered-events", nil).want(http.StatusOK).into(&l)
		return l
	}
	all := list().Events
	if len(all) != 2 {
		t.Fatalf("listed %+v", all)
	}
	for _, e := range all {
		switch e.ID {
		case status:
			if e.Webhook != "pms" || e.Type != "message.status" || *e.Message != message || *e.Conversation != v.id || e.Contact != v.guest || e.Detail["status"] != "failed" || e.Ended {
				t.Errorf("listed %+v", e)
			}
		case consent:
			if e.Message != nil || e.Conversation != nil || !e.Ended || e.Detail["change"] != "stop" {
				t.Errorf("listed %+v", e)
			}
		}
	}
	var one, two deadEvents
	s.do("GET", "/api/v1/undelivered-events?limit=1", nil).want(http.StatusOK).into(&one)
	s.do("GET", "/api/v1/undelivered-events?limit=1&cursor="+*one.NextCursor, nil).want(http.StatusOK).into(&two)
	if len(one.Events) != 1 || len(two.Events) != 1 || one.Events[0].ID == two.Events[0].ID || two.NextCursor != nil {
		t.Errorf("pages are %+v and %+v", one, two)
	}
	retry := func(id uuid.UUID) answer {
		return s.do("POST", "/api/v1/undelivered-events/"+id.String()+"/retries", map[string]any{})
	}
	retry(uuid.New()).want(http.StatusNotFound)
	retry(consent).want(http.StatusConflict).saying("wants no more events")
	retry(status).want(http.StatusAccepted)
	retry(status).want(http.StatusAccepted) // and nothing more
	if l := list(); len(l.Events) != 1 || l.Events[0].ID != consent {
		t.Errorf("listed %+v", l)
	}
	if n := s.count("SELECT count(*) FROM sb.webhook_event WHERE id = $1 AND dead_at IS NULL AND attempts = 0 AND next_at <= clock_timestamp()", status); n != 1 {
		t.Error("it is not to be sent")
	}
	s.exec("SELECT sb.webhook_sweep()") // it has three days again
	if n := s.count("SELECT count(*) FROM sb.webhook_event WHERE id = $1 AND dead_at IS NULL", status); n != 1 {
		t.Error("it was given up before it was tried")
	}
}

func TestNoEventTellsOfWhatHasExpired(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	old := v.wrote(s.now().Add(-40*24*time.Hour), "When is breakfast?")
	s.exec("INSERT INTO sb.webhook (name, events, include_text, target) VALUES ('pms', '{message.status}', false, 'x')")
	s.exec(`INSERT INTO sb.webhook_event (webhook, kind, contact_id, message_id, message_at, detail, dead_at)
		SELECT 'pms', 'message.status', $1, id, at, '{"status":"failed"}', now() FROM sb.message WHERE id = $2`, v.guest, old)
	var id uuid.UUID
	if err := s.admin.QueryRow(t.Context(), "SELECT id FROM sb.webhook_event").Scan(&id); err != nil {
		t.Fatal(err)
	}
	seen := func(want int) {
		t.Helper()
		var l deadEvents
		s.do("GET", "/api/v1/undelivered-events", nil).want(http.StatusOK).into(&l)
		if len(l.Events) != want {
			t.Errorf("listed %+v, want %d", l.Events, want)
		}
	}
	seen(1)
	s.db.Limits(t, map[string]int32{contract.CategoryMessageMetadata: 30})
	seen(0)
	s.do("POST", "/api/v1/undelivered-events/"+id.String()+"/retries", map[string]any{}).want(http.StatusNotFound)
}
