package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestConversationsAreListedNewestFirst(t *testing.T) {
	s := start(t)
	now := s.now()
	for i, name := range []string{"Grete", "Ada", "Émile"} {
		v := s.guest(name, fmt.Sprintf("+4930000%d", i), pgtest.Channel, now.Add(-time.Hour))
		v.wrote(now.Add(time.Duration(i)*time.Minute-time.Hour), "Guten Tag von "+name)
	}
	s.guest("Elsewhere", "+49307", pgtest.OtherChannel, now).wrote(now.Add(-time.Minute), "Sauna?")

	var list struct {
		Conversations []struct {
			Contact     struct{ Name string }
			Channel     string
			LastMessage struct{ Preview string }
		}
		NextCursor *string
	}
	var names []string
	for path := "/api/v1/conversations?limit=2"; ; path = "/api/v1/conversations?limit=2&cursor=" + *list.NextCursor {
		list.NextCursor = nil
		s.do("GET", path, nil).want(http.StatusOK).into(&list)
		for _, v := range list.Conversations {
			names = append(names, v.Contact.Name)
		}
		if list.NextCursor == nil {
			break
		}
	}
	if got := strings.Join(names, " "); got != "Elsewhere Émile Ada Grete" {
		t.Errorf("the pages list %s", got)
	}
	s.do("GET", "/api/v1/conversations?channel="+pgtest.OtherChannel, nil).want(http.StatusOK).into(&list)
	if len(list.Conversations) != 1 || list.Conversations[0].LastMessage.Preview != "Sauna?" {
		t.Errorf("of the other channel: %+v", list.Conversations)
	}
}

func TestMessagesArePagedWithoutGapOrRepeat(t *testing.T) {
	s := start(t)
	now := s.now()
	v := s.guest("Ada", "+493000", pgtest.Channel, now)
	for i := range 25 {
		v.wrote(now.Add(-time.Duration(i/3)*time.Second), fmt.Sprint("message ", i)) // several at the same instant
	}
	seen := map[uuid.UUID]bool{}
	for path := v.path() + "/messages?limit=4"; ; {
		var page messages
		s.do("GET", path, nil).want(http.StatusOK).into(&page)
		for _, m := range page.Messages {
			if seen[m.ID] {
				t.Fatalf("message %s is on two pages", m.ID)
			}
			seen[m.ID] = true
		}
		if page.NextCursor == nil {
			break
		}
		path = v.path() + "/messages?limit=4&cursor=" + *page.NextCursor
	}
	if len(seen) != 25 {
		t.Errorf("the pages hold %d of 25 messages", len(seen))
	}
}

func TestAReplyIsStoredAndQueuedAtOnce(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	v.wrote(s.now(), "Is my room ready?")
	var m struct {
		ID     uuid.UUID
		Status string
	}
	s.do("POST", v.path()+"/messages", map[string]any{"body": "It is. 🗝 Zimmer 12"}).want(http.StatusAccepted).into(&m)
	if m.Status != "queued" {
		t.Errorf("status %s, want queued", m.Status)
	}
	s.do("GET", v.path()+"/messages", nil).want(http.StatusOK).saying("🗝 Zimmer 12", "Is my room ready?")
	jobs := s.count("SELECT count(*) FROM "+contract.QueueSchema(pgtest.Channel)+".river_job WHERE kind = 'send' AND args::text LIKE '%' || $1 || '%'", m.ID.String())
	if jobs != 1 {
		t.Errorf("%d jobs for the reply, want 1", jobs)
	}
	if n := s.count("SELECT count(*) FROM " + contract.QueueSchema(pgtest.Channel) + ".river_job WHERE args::text LIKE '%Zimmer%'"); n != 0 {
		t.Error("the queue holds the text of a message")
	}
	if n := s.count("SELECT count(*) FROM sb.message m JOIN sb.staff f ON f.id = m.staff_id WHERE m.id = $1 AND f.email = $2", m.ID, pgtest.StaffEmail); n != 1 {
		t.Error("the reply does not say who wrote it")
	}
}

func TestAnIdempotencyKeyStoresOneMessage(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	ids := make([]uuid.UUID, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			var m struct{ ID uuid.UUID }
			s.do("POST", v.path()+"/messages", map[string]any{"body": "Once."}, "Idempotency-Key", "the-same").want(http.StatusAccepted).into(&m)
			ids[i] = m.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("the same key gave messages %s and %s", ids[0], id)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.message WHERE conversation_id = $1", v.id); n != 1 {
		t.Errorf("%d messages stored, want 1", n)
	}
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Another text."}, "Idempotency-Key", "the-same").
		want(http.StatusUnprocessableEntity).saying("use a new key")
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Once."}, "Idempotency-Key", "another").want(http.StatusAccepted)
	if n := s.count("SELECT count(*) FROM sb.message WHERE conversation_id = $1", v.id); n != 2 {
		t.Errorf("%d messages stored, want 2", n)
	}
}

func TestAGuestWhoOptedOutIsNotWrittenTo(t *testing.T) {
	for name, channel := range map[string]string{"of this channel": pgtest.Channel, "of all": "*"} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
			s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ($1, $2, 1)", channel, v.addressHash)
			s.do("GET", v.path(), nil).want(http.StatusOK).saying(`"optOut":"optedOut"`)
			s.do("POST", v.path()+"/messages", map[string]any{"body": "Please come back"}, "Idempotency-Key", "k").
				want(http.StatusConflict).saying("opted-out", "opted out", "START")
			if n := s.count("SELECT (SELECT count(*) FROM sb.message) + (SELECT count(*) FROM sb.message_body) + (SELECT count(*) FROM sb.reply_key) + (SELECT count(*) FROM " + contract.QueueSchema(pgtest.Channel) + ".river_job)"); n != 0 {
				t.Errorf("%d rows were left behind", n)
			}
		})
	}
}

func TestAGuestWhoAskedForNoMoreIsWrittenToByDecisionAlone(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	v.wrote(s.now(), "please stop texting me")
	s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version, requested) VALUES ('*', $1, 1, true)", v.addressHash)
	s.do("GET", v.path(), nil).want(http.StatusOK).saying(`"optOut":"requested"`)
	s.do("GET", "/api/v1/conversations", nil).want(http.StatusOK).saying(`"optOut":"requested"`)
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Really?"}).want(http.StatusConflict).saying("opt-out-requested", "despiteOptOutRequest")
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Really?", "despiteOptOutRequest": false}).want(http.StatusConflict)
	if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'out'"); n != 0 {
		t.Errorf("%d replies were stored", n)
	}
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Your taxi is here", "despiteOptOutRequest": true}).want(http.StatusAccepted)
	s.exec("UPDATE sb.suppression SET requested = false")
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Really?", "despiteOptOutRequest": true}).want(http.StatusConflict).saying("opted-out")
}

func TestAGuestWhoCanNotBeReachedIsNotWrittenTo(t *testing.T) {
	tests := map[string]struct{ spoil, says string }{
		"the channel was removed": {"DELETE FROM sb.channel WHERE name = '" + pgtest.Channel + "'", "was removed"},
		"the guest was erased":    {"DELETE FROM sb.contact", "expired"},
		"the address went":        {"DELETE FROM sb.contact_address", "no address"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
			v.wrote(s.now(), "Hello")
			s.exec(test.spoil)
			s.do("POST", v.path()+"/messages", map[string]any{"body": "Hello?"}).want(http.StatusConflict).saying("unreachable", test.says)
		})
	}
}

func TestIdsOfOtherThingsAreNotFound(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	m := v.wrote(s.now(), "Hello")
	for _, id := range []string{
		v.guest.String(), m.String(), uuid.NewString(), uuid.Nil.String(),
		"1", "'; DROP TABLE sb.message; --", "{" + v.id.String() + "}", "urn:uuid:" + v.id.String(), "..", "%00", strings.Repeat("a", 4000),
	} {
		path := "/api/v1/conversations/" + escape(id)
		s.do("GET", path, nil).want(http.StatusNotFound)
		s.do("GET", path+"/messages", nil).want(http.StatusNotFound)
		s.do("POST", path+"/messages", map[string]any{"body": "Hello"}).want(http.StatusNotFound)
	}
	for _, id := range []string{v.id.String(), m.String(), "x"} {
		s.do("GET", "/api/v1/contacts/"+escape(id), nil).want(http.StatusNotFound)
		s.do("PATCH", "/api/v1/contacts/"+escape(id), map[string]any{"name": "Eve"}).want(http.StatusNotFound)
	}
	if n := s.count("SELECT count(*) FROM sb.message"); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}
