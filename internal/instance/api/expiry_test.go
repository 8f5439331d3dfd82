package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const day = 24 * time.Hour

// everything is what all endpoints show of a guest, as one text.
func (v thread) everything() string {
	v.s.t.Helper()
	var b strings.Builder
	for _, path := range []string{
		"/api/v1/conversations", v.path(), v.path() + "/messages",
		"/api/v1/contacts", "/api/v1/contacts/" + v.guest.String(),
	} {
		b.Write(v.s.do("GET", path, nil).body)
	}
	return b.String()
}

func TestAMessageIsUnreadableFromTheInstantItExpires(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryMessages: 30, contract.CategoryMessageMetadata: 30})
	now := s.now()
	v := s.guest("Ada", "+493000", pgtest.Channel, now)
	soon := v.wrote(now.Add(-30*day+6*time.Second), "expires in six seconds")
	v.wrote(now.Add(-30*day), "expired just now")
	v.wrote(now.Add(-30*day-time.Second), "expired a second ago")
	v.wrote(now.Add(-30*day+time.Minute), "expires in a minute")

	shown := v.everything()
	for _, text := range []string{"expires in six seconds", "expires in a minute"} {
		if !strings.Contains(shown, text) {
			t.Errorf("%q is not shown before it expires", text)
		}
	}
	for _, text := range []string{"expired just now", "expired a second ago"} {
		if strings.Contains(shown, text) {
			t.Errorf("%q is shown", text)
		}
	}

	// Watch it expire: whatever is asked after the database's clock has passed the limit must not show it.
	limit := now.Add(6 * time.Second)
	deadline := time.After(20 * time.Second)
	for {
		passed := s.now().After(limit)
		var page messages
		s.do("GET", v.path()+"/messages", nil).want(http.StatusOK).into(&page)
		found := false
		for _, m := range page.Messages {
			found = found || m.ID == soon
		}
		if passed && found {
			t.Fatal("a message is shown after its limit")
		}
		if !passed && !found && s.now().Before(limit) {
			t.Fatal("a message is hidden before its limit")
		}
		if passed {
			break
		}
		select {
		case <-deadline:
			t.Fatal("the database's clock did not pass the limit within 20 s")
		case <-time.After(100 * time.Millisecond):
		}
	}
	if n := s.count("SELECT count(*) FROM sb.message_body"); n != 4 {
		t.Errorf("%d of 4 rows are there: this test is about rows that are not deleted yet", n)
	}
}

func TestContentThatExpiredLeavesItsMetadata(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryMessages: 10, contract.CategoryMessageMetadata: 100})
	now := s.now()
	v := s.guest("Ada", "+493000", pgtest.Channel, now)
	old := v.wrote(now.Add(-10*day), "the words are gone")
	fresh := v.wrote(now.Add(-10*day+time.Hour), "the words are here")
	v.wrote(now.Add(-100*day), "all of it is gone")

	var page messages
	s.do("GET", v.path()+"/messages", nil).want(http.StatusOK).into(&page)
	bodies := map[uuid.UUID]*string{}
	for _, m := range page.Messages {
		bodies[m.ID] = m.Body
	}
	if len(bodies) != 2 || bodies[fresh] == nil || bodies[old] != nil {
		t.Errorf("messages: %+v", page.Messages)
	}
	if strings.Contains(v.everything(), "gone") {
		t.Error("expired words are shown")
	}
}

func TestAPreviewExpiresToo(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryMessages: 10})
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now().Add(-20*day))
	v.wrote(s.now().Add(-10*day), "the words are gone")
	s.do("GET", "/api/v1/conversations", nil).want(http.StatusOK).saying(`"preview":null`, v.id.String())
}

func TestAGuestExpiresBeforeTheMessages(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryContacts: 10})
	v := s.guest("Ada Lovelace", "+4930123", pgtest.Channel, s.now().Add(-10*day))
	v.wrote(s.now(), "Hello")
	shown := v.everything()
	if strings.Contains(shown, "Lovelace") || strings.Contains(shown, "+4930123") {
		t.Errorf("an expired guest is shown: %s", shown)
	}
	s.do("GET", v.path(), nil).want(http.StatusOK).saying(`"contact":null`)
	s.do("GET", "/api/v1/contacts/"+v.guest.String(), nil).want(http.StatusNotFound)
	s.do("PATCH", "/api/v1/contacts/"+v.guest.String(), map[string]any{"name": "Ada"}).want(http.StatusNotFound)
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Hello"}).want(http.StatusConflict).saying("unreachable")
}

func TestAConversationOfWhichNothingIsLeftIsNotShown(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryContacts: 10, contract.CategoryMessageMetadata: 10})
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now().Add(-10*day))
	v.wrote(s.now().Add(-10*day), "Hello")
	s.do("GET", v.path(), nil).want(http.StatusNotFound)
	s.do("GET", v.path()+"/messages", nil).want(http.StatusNotFound)
	s.do("GET", "/api/v1/conversations", nil).want(http.StatusOK).saying(`"conversations":[]`)
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Hello"}).want(http.StatusNotFound)
}

func TestAChangedPolicyCountsAtOnce(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	v.wrote(s.now().Add(-2*day), "two days old")
	s.do("GET", v.path()+"/messages", nil).want(http.StatusOK).saying("two days old")
	s.db.Limits(t, map[string]int32{contract.CategoryMessages: 1})
	s.do("GET", v.path()+"/messages", nil).want(http.StatusOK).saying(`"body":null`)
}

// TestTheLimitItselfIsExpired holds the edge to the microsecond, which no clock
// outside of the database can: one transaction has one now().
func TestTheLimitItselfIsExpired(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryMessages: 5, contract.CategoryMessageMetadata: 5})
	ctx := context.Background()
	tx, err := s.db.Serve(t).Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	if _, err := tx.Exec(ctx, "SELECT sb.ensure_partition(now() - interval '5 days'), sb.ensure_partition(now() - interval '5 days 1 second')"); err != nil {
		t.Fatal(err)
	}
	var visible string
	err = tx.QueryRow(ctx, `WITH edge (name, at) AS (VALUES
			('before', now() - interval '120 h' - interval '1 microsecond'), ('at', now() - interval '120 h'),
			('after', now() - interval '120 h' + interval '1 microsecond'))
		INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, error_code)
		SELECT gen_random_uuid(), at, $1, 'front-desk', 'in', 'guest', 'received', name FROM edge
		RETURNING 'inserted'`, v.id).Scan(&visible)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.QueryRow(ctx, "SELECT string_agg(error_code, ',') FROM sb.message WHERE conversation_id = $1", v.id).Scan(&visible); err != nil {
		t.Fatal(err)
	}
	if visible != "after" {
		t.Errorf("visible: %s, want after alone", visible)
	}
}
