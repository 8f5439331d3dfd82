package connect

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestAMessageIsStoredOnceWhateverIsReplayed(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	sid, text := newSID(), "Grüß Gott ☕ 早餐几点开始？"
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if status, answer := s.post(inboundPath, form(sid, guest, text)); status != http.StatusOK ||
				answer != `<?xml version="1.0" encoding="UTF-8"?><Response/>` {
				t.Errorf("answered %d: %s", status, answer)
			}
		})
	}
	all.Wait()
	s.post(inboundPath, form(sid, guest, "another text under the same id"))
	if n := s.count("SELECT count(*) FROM sb.message m JOIN sb.message_body b USING (id, at) WHERE provider_id = $1 AND b.body = $2 AND direction = 'in' AND status = 'received'", sid, text); n != 1 {
		t.Errorf("stored %d times", n)
	}
	for table, want := range map[string]int{"contact": 1, "contact_address": 1, "conversation": 1, "message": 1, "message_body": 1, "seen": 1, "suppression": 0, "consent_log": 0} {
		if n := s.count("SELECT count(*) FROM sb." + table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.contact_address WHERE address = $1 AND length(address_hash) = 32 AND key_version = 1", guest); n != 1 {
		t.Error("the guest's address is not there with its hash")
	}
}

func TestMessagesOfOneGuestComeTogetherInWhateverOrder(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	sids := make([]string, 24)
	var all sync.WaitGroup
	for i := range sids {
		sids[i] = newSID()
		for range 2 {
			all.Go(func() {
				if status, answer := s.post(inboundPath, form(sids[i], guest, "part")); status != http.StatusOK {
					t.Errorf("answered %d: %s", status, answer)
				}
			})
		}
	}
	all.Wait()
	if n := s.count("SELECT count(*) FROM sb.message WHERE provider_id = ANY ($1)", sids); n != len(sids) {
		t.Errorf("%d of %d messages stored", n, len(sids))
	}
	if n := s.count("SELECT count(*) FROM sb.conversation") + s.count("SELECT count(*) FROM sb.contact"); n != 2 {
		t.Errorf("%d contacts and conversations, want one of each", n)
	}
}

func TestBytesThatTheDatabaseCantHoldSpoilNothing(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.says(guest, "a\x00b\xffc")
	if n := s.count("SELECT count(*) FROM sb.message_body WHERE body = $1", "a\uFFFDb\uFFFDc"); n != 1 {
		t.Error("the message is not stored with the bytes replaced")
	}
	s.says("12345", strings.Repeat("😀", 1600))
	if n := s.count("SELECT count(*) FROM sb.message"); n != 2 {
		t.Errorf("%d messages", n)
	}
}
