package api_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const noticeURL = "https://hotel-berlin.example/privacy"

// publish puts a version of the notice in force, as a migration does.
func (s *system) publish(version, material int) {
	s.t.Helper()
	s.exec("DELETE FROM sb.privacy_notice")
	s.exec("INSERT INTO sb.privacy_notice (url, version, material, language) VALUES ($1, $2, $3, 'es')", noticeURL, version, material)
}

// says sends a reply and gives what the guest is sent.
func (v thread) says(body string) string {
	v.s.t.Helper()
	var stored struct {
		ID   uuid.UUID
		Body string
	}
	v.s.do("POST", v.path()+"/messages", map[string]any{"body": body}).want(http.StatusAccepted).into(&stored)
	if n := v.s.count("SELECT count(*) FROM sb.message_body WHERE id = $1 AND body = $2", stored.ID, stored.Body); n != 1 {
		v.s.t.Fatalf("the answer has %q, which is not what is stored", stored.Body)
	}
	return stored.Body
}

// told is the version that a guest counts as told of, 0 for none.
func (v thread) told() int {
	v.s.t.Helper()
	return v.s.count("SELECT COALESCE(max(sb.notice_known(c)), 0) FROM sb.contact c WHERE id = $1", v.guest)
}

func TestAGuestIsToldOfTheNoticeOnceAndAgainAfterAMaterialChange(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	plain := func(when string) {
		t.Helper()
		if got := v.says("Hello"); got != "Hello" {
			t.Fatalf("%s: sent %q", when, got)
		}
	}
	plain("no notice")
	s.publish(1, 1)
	if got := v.says("Hello"); got != "Hello\n\nDatenschutzhinweise: "+noticeURL || v.told() != 1 {
		t.Fatalf("the first message is %q, and version %d told", got, v.told())
	}
	plain("told already")
	s.publish(2, 1)
	plain("an immaterial change")
	s.publish(3, 2) // what was material is not the newest version
	if got := v.says("Hello"); got != "Hello\n\nUnsere Datenschutzhinweise haben sich geändert: "+noticeURL || v.told() != 3 {
		t.Fatalf("after a material change, sent is %q, and version %d told", got, v.told())
	}
	plain("announced already")
	s.publish(4, 3)
	plain("it was told of the version that was material")
	s.exec("DELETE FROM sb.privacy_notice")
	plain("no notice any more")
	if n := s.count("SELECT count(*) FROM sb.message_body b JOIN sb.contact c ON c.notice_message = b.id WHERE body LIKE '%geändert%'"); n != 1 {
		t.Error("the mark does not name the message that told")
	}
}

func TestRepliesAtOnceTellOnce(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	other := s.guest("Ada", "+4930901821", pgtest.OtherChannel, s.now())
	s.exec("UPDATE sb.contact SET person = $1", v.guest) // staff know both contacts as one person
	s.publish(1, 1)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			s.do("POST", []thread{v, other}[i%2].path()+"/messages", map[string]any{"body": "Hello"}).want(http.StatusAccepted)
		})
	}
	all.Wait()
	if n := s.count("SELECT count(*) FROM sb.message_body WHERE body LIKE '%https://%'"); n != 1 {
		t.Errorf("%d of 12 replies tell of the notice", n)
	}
}

func TestTheSameRequestAgainIsTheSameMessage(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	s.publish(1, 1)
	var first, again struct{ ID uuid.UUID }
	post := func(body string) answer {
		return s.do("POST", v.path()+"/messages", map[string]any{"body": body}, "Idempotency-Key", "1")
	}
	post("Hello").want(http.StatusAccepted).into(&first)
	post("Hello").want(http.StatusAccepted).into(&again)
	if first.ID != again.ID {
		t.Errorf("one key stored %s and %s", first.ID, again.ID)
	}
	post("Good morning").want(http.StatusUnprocessableEntity)
}

func TestWhatDoesNotFitOrIsNotOursTellsLater(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+34910000000", pgtest.Channel, s.now())
	s.publish(1, 1)
	if long := strings.Repeat("x", 1600); v.says(long) != long || v.told() != 0 {
		t.Fatal("a message without room for the line was changed, or counts as told")
	}
	s.exec("UPDATE sb.channel SET type = 'WhatsApp' WHERE name = $1", pgtest.Channel)
	s.exec("UPDATE sb.contact_address SET kind = 'whatsapp', address = '34910000000'")
	v.wrote(s.now(), "Hola")
	var stored struct{ Body string }
	s.do("POST", v.path()+"/messages", map[string]any{"template": map[string]any{"name": "welcome", "language": "es", "parameters": []string{"Ada"}}}).want(http.StatusAccepted).into(&stored)
	if strings.Contains(stored.Body, "https://") || v.told() != 0 {
		t.Fatalf("a template that the provider approved became %q", stored.Body)
	}
	if got := v.says("Hola"); got != "Hola\n\nAviso de privacidad: "+noticeURL || v.told() != 1 {
		t.Fatalf("the next message is %q, and version %d told", got, v.told())
	}
}

func TestAnAutomatedMessageTells(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	s.publish(1, 1)
	pms, _ := s.other("messages:write")
	pms.do("POST", automated, reminder("+4930901820"), "Idempotency-Key", "1").want(http.StatusAccepted).saying(noticeURL)
	pms.do("POST", automated, reminder("+4930901820"), "Idempotency-Key", "1").want(http.StatusAccepted).saying(noticeURL)
	if got := v.says("Hello"); got != "Hello" || v.told() != 1 {
		t.Errorf("then staff sent %q, and version %d is told", got, v.told())
	}
}

func TestAMessageThatDidNotArriveToldNobody(t *testing.T) {
	for _, status := range []string{"failed", "suppressed"} {
		s := start(t)
		v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
		s.publish(1, 1)
		line := v.says("Hello")
		s.exec("UPDATE sb.message SET status = 'accepted'")
		if v.told() != 1 {
			t.Fatal("a message that was taken untold")
		}
		s.exec("UPDATE sb.message SET status = $1", status)
		if v.told() != 0 {
			t.Fatalf("a guest whose message is %s counts as told", status)
		}
		if status == "failed" { // sent once more, it has the line once
			failed := uuid.Nil
			if err := s.admin.QueryRow(t.Context(), "SELECT id FROM sb.message").Scan(&failed); err != nil {
				t.Fatal(err)
			}
			var stored struct{ Body string }
			s.do("POST", v.path()+"/messages/"+failed.String()+"/retries", map[string]any{}).want(http.StatusAccepted).into(&stored)
			if stored.Body != line || v.told() != 1 {
				t.Errorf("sent once more is %q, and version %d told", stored.Body, v.told())
			}
			continue
		}
		if got := v.says("Hello"); got != line {
			t.Errorf("the next message is %q", got)
		}
	}
}

func TestWhoKnowsAnOlderVersionStillDoesWhenAMessageFails(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	s.publish(1, 1)
	v.says("Hello")
	s.publish(2, 2)
	changed := v.says("Hello")
	s.exec("UPDATE sb.message SET status = 'failed' WHERE id = (SELECT notice_message FROM sb.contact WHERE id = $1)", v.guest)
	if v.told() != 1 {
		t.Errorf("version %d is told after a message about 2 failed, want 1", v.told())
	}
	if again := v.says("Hello"); again != changed || v.told() != 2 {
		t.Errorf("the next text is %q, want %q", again, changed)
	}
}

func TestATextThatWaitsForTheMorningTakesNoTellingAway(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	s.publish(1, 1)
	first := v.says("See you tomorrow")
	s.exec("UPDATE sb.message SET not_before = now() + interval '8 hours'")
	if v.told() != 0 {
		t.Error("a text that waits has told already")
	}
	if got := v.says("Your key is at the desk"); !strings.Contains(first, noticeURL) || !strings.Contains(got, noticeURL) || v.told() != 1 {
		t.Errorf("the text that is sent first is %q", got)
	}
}

func TestTheMarkGoesWithTheGuest(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	s.publish(1, 1)
	v.says("Hello")
	s.exec("DELETE FROM sb.contact WHERE id = $1", v.guest)
	if n := s.count("SELECT count(*) FROM sb.contact WHERE notice_version IS NOT NULL"); n != 0 {
		t.Errorf("%d marks are left", n)
	}
}

func TestWhoWasToldIsCountedWithoutSmallGroups(t *testing.T) {
	s := start(t)
	if got := s.operatorIsTold().Notice; got != nil {
		t.Fatalf("without a notice, told is %+v", got)
	}
	n := 0
	guests := func(count int, version any) {
		for range count {
			n++
			v := s.guest("Ada", fmt.Sprintf("+49309018%03d", n), pgtest.Channel, s.now())
			s.exec("UPDATE sb.contact SET notice_version = $2, notice_at = CASE WHEN $2::integer IS NOT NULL THEN now() END, notice_message = CASE WHEN $2::integer IS NOT NULL THEN id END WHERE id = $1", v.guest, version)
		}
	}
	want := func(when string, want contract.NoticeState) {
		t.Helper()
		s.exec("UPDATE sb.privacy_notice SET counted_at = NULL")
		if got := s.operatorIsTold().Notice; got == nil || !reflect.DeepEqual(*got, want) {
			t.Fatalf("%s: told is %+v; want %+v", when, got, want)
		}
	}
	s.publish(2, 2)
	none, five := int64(0), int64(5)
	want("nobody is there", contract.NoticeState{Version: 2, ToTell: &none})
	guests(4, 2)
	want("four were told", contract.NoticeState{Version: 2, ToTell: &none})
	guests(1, 2)
	guests(4, 1)
	want("four of five were told long ago", contract.NoticeState{Version: 2, Told: []contract.NoticeCount{{Version: 2, Guests: 5}}})
	guests(1, nil)
	want("five are to be told", contract.NoticeState{Version: 2, Told: []contract.NoticeCount{{Version: 2, Guests: 5}}, ToTell: &five})
	s.exec("UPDATE sb.contact SET person = (SELECT id FROM sb.contact WHERE notice_version = 2 LIMIT 1) WHERE notice_version IS NULL OR id = (SELECT id FROM sb.contact WHERE notice_version = 2 LIMIT 1)")
	want("one of them is known by two contacts, and was told", contract.NoticeState{Version: 2, Told: []contract.NoticeCount{{Version: 2, Guests: 5}}})

	guests(3, nil)
	if got := s.operatorIsTold().Notice; got.ToTell != nil {
		t.Errorf("they were counted again within the hour: %+v", got)
	}
	s.exec("INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ('guests', 'Contacts', 30, 1, '')")
	s.exec("UPDATE sb.contact SET last_seen_at = now() - interval '31 days' WHERE notice_version = 2")
	want("who was told has expired", contract.NoticeState{Version: 2, ToTell: func() *int64 { n := int64(8); return &n }()})
}
