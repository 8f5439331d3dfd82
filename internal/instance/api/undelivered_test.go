package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// reply stores a reply of staff with an outcome.
func (v thread) reply(at time.Time, status, code string) uuid.UUID {
	v.s.t.Helper()
	id := v.wrote(at, "Your room is ready.")
	v.s.exec("UPDATE sb.message SET direction = 'out', origin = 'staff', status = $2, error_code = $3 WHERE id = $1", id, status, code)
	return id
}

func TestWhatDidNotArriveIsListedAndSentOnceMore(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	failed := v.reply(s.now().Add(-time.Hour), "failed", "30003")
	unknown := v.reply(s.now().Add(-time.Minute), "unknown", "unanswered")
	v.reply(s.now(), "delivered", "")
	v.wrote(s.now(), "Hello")
	var list struct {
		Messages []struct {
			ID, Conversation uuid.UUID
			Status           string
		}
	}
	s.do("GET", "/api/v1/undelivered-messages", nil).want(http.StatusOK).saying("30003", "Your room is ready.").into(&list)
	if len(list.Messages) != 2 || list.Messages[0].ID != unknown || list.Messages[1].ID != failed || list.Messages[1].Conversation != v.id {
		t.Fatalf("listed %+v", list.Messages)
	}
	retry := func(id uuid.UUID, in map[string]any) answer {
		return s.do("POST", v.path()+"/messages/"+id.String()+"/retries", in)
	}
	var first, again struct{ ID uuid.UUID }
	retry(failed, map[string]any{}).want(http.StatusAccepted).saying("queued").into(&first)
	retry(failed, map[string]any{}).want(http.StatusAccepted).into(&again)
	if first.ID != again.ID || first.ID == failed {
		t.Errorf("%s was sent as %s, and again as %s", failed, first.ID, again.ID)
	}
	if n := s.count("SELECT count(*) FROM " + contract.QueueSchema(pgtest.Channel) + ".river_job"); n != 1 {
		t.Errorf("%d are queued", n)
	}
	retry(unknown, map[string]any{}).want(http.StatusConflict).saying("mayArriveTwice")
	retry(unknown, map[string]any{"mayArriveTwice": true}).want(http.StatusAccepted)
	retry(first.ID, map[string]any{}).want(http.StatusConflict)
	retry(uuid.New(), map[string]any{}).want(http.StatusNotFound)
}

func TestNoReplyIsSentOnceMoreWithoutWhatWentWithIt(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	template, file := v.reply(s.now().Add(-time.Hour), "failed", "132001"), v.reply(s.now(), "failed", "30003")
	s.exec(`UPDATE sb.message_body SET template = '{"name":"booking_reminder","language":"en_US"}' WHERE id = $1`, template)
	s.exec(`INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, state, reason)
		SELECT gen_random_uuid(), at, id, conversation_id, channel, 'refused', 'too-large' FROM sb.message WHERE id = $1`, file)
	expired := v.reply(s.now(), "failed", "expired") // its file was gone before it could be sent
	for _, id := range []uuid.UUID{template, file, expired} {
		s.do("POST", v.path()+"/messages/"+id.String()+"/retries", map[string]any{}).want(http.StatusConflict).saying("send that again")
	}
	if n := s.count("SELECT count(*) FROM sb.message WHERE status = 'queued'"); n != 0 {
		t.Errorf("%d are queued", n)
	}
}

func TestNothingIsSentOnceMoreToWhoOptedOutNorAfterItExpired(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	failed := v.reply(s.now().Add(-11*24*time.Hour), "failed", "30003")
	path := v.path() + "/messages/" + failed.String() + "/retries"
	s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/opt-out", map[string]any{}).want(http.StatusOK)
	s.do("POST", path, map[string]any{}).want(http.StatusConflict).saying("opted-out")
	s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/opt-in", map[string]any{}).want(http.StatusOK)
	s.db.Limits(t, map[string]int32{contract.CategoryMessages: 10})
	s.do("POST", path, map[string]any{}).want(http.StatusNotFound)
	if n := s.count("SELECT count(*) FROM sb.message WHERE origin = 'staff' AND status = 'queued'"); n != 0 {
		t.Errorf("%d are queued", n)
	}
}
