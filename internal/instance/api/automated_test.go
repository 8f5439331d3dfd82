package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const automated = "/api/v1/integrations/messages"

func reminder(phone string) map[string]any {
	return map[string]any{"channel": pgtest.Channel, "guest": map[string]any{"kind": "phone", "address": phone}, "body": "Your stay begins tomorrow."}
}

// sentByOthers is a message as it is answered.
type sentByOthers struct {
	ID             uuid.UUID
	Origin, Status string
	Waits          *struct {
		Until     *time.Time
		TimeZone  string
		LocalTime *string
	}
}

// opensIn gives the tenant a window that opens so many hours from now by the clock of a zone, and closes an hour later.
func (s *system) opensIn(hours int, zone string) {
	s.exec("DELETE FROM sb.send_window")
	s.exec(`INSERT INTO sb.send_window (opens, closes, days, time_zone)
		SELECT date_trunc('minute', l)::time, date_trunc('minute', l + interval '1 hour')::time, '{1,2,3,4,5,6,7}', 'UTC'
		FROM (SELECT now() AT TIME ZONE $2 + make_interval(hours => $1)) c (l)`, hours, zone)
}

func TestAnotherSystemSendsOnceAndStaffSeeWhyItWaits(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	pms, id := s.other("messages:write")
	s.opensIn(3, "Europe/Berlin") // the number's
	var first, again sentByOthers
	pms.do("POST", automated, reminder("+49 30 901820"), "Idempotency-Key", "1").want(http.StatusAccepted).into(&first)
	pms.do("POST", automated, reminder("+4930901820"), "Idempotency-Key", "1").want(http.StatusAccepted).into(&again)
	if first.ID != again.ID || first.Origin != "automated" || first.Status != "queued" {
		t.Errorf("sent %+v, then %+v", first, again)
	}
	for _, m := range []sentByOthers{first, again} {
		if m.Waits == nil || m.Waits.TimeZone != "Europe/Berlin" || m.Waits.Until == nil || time.Until(*m.Waits.Until) < 2*time.Hour || time.Until(*m.Waits.Until) > 3*time.Hour {
			t.Fatalf("it waits %+v", m.Waits)
		}
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		if want := m.Waits.Until.In(berlin).Format("15:04"); *m.Waits.LocalTime != want {
			t.Errorf("it says %s, want %s", *m.Waits.LocalTime, want)
		}
	}
	s.do("GET", v.path()+"/messages", nil).want(http.StatusOK).saying(`"origin":"automated"`, `"timeZone":"Europe/Berlin"`)
	if n := s.count("SELECT count(*) FROM sb.message WHERE origin = 'automated' AND staff_id = $1 AND conversation_id = $2 AND time_zone = 'Europe/Berlin'", id, v.id); n != 1 {
		t.Error("who sent it, or where, is not noted")
	}
	if n := s.count("SELECT count(*) FROM " + contract.QueueSchema(pgtest.Channel) + ".river_job"); n != 1 {
		t.Errorf("%d are queued", n)
	}

	// Another text or guest under the same key is a mistake; a new token of the same system knows the key.
	other := reminder("+4930901820")
	other["body"] = "Another"
	next, _ := s.other("messages:write")
	next.do("POST", automated, other, "Idempotency-Key", "1").want(http.StatusUnprocessableEntity)
	s.guest("Eve", "+4930901821", pgtest.Channel, s.now())
	next.do("POST", automated, reminder("+4930901821"), "Idempotency-Key", "1").want(http.StatusUnprocessableEntity)

	// What staff noted of the guest counts before the number.
	s.do("PATCH", "/api/v1/contacts/"+v.guest.String(), map[string]any{"timeZone": "Asia/Kolkata"}).want(http.StatusOK).saying(`"timeZone":"Asia/Kolkata"`, `"name":"Ada"`)
	s.opensIn(3, "Asia/Kolkata")
	pms.do("POST", automated, reminder("+4930901820"), "Idempotency-Key", "2").want(http.StatusAccepted).saying(`"timeZone":"Asia/Kolkata"`)
	for _, none := range []string{"Europe/Atlantis", "Berlin", "FOO5", "EST5EDT", "08:00"} {
		s.do("PATCH", "/api/v1/contacts/"+v.guest.String(), map[string]any{"timeZone": none}).want(http.StatusBadRequest).saying("timeZone")
	}
	s.do("PATCH", "/api/v1/contacts/"+v.guest.String(), map[string]any{"timeZone": ""}).want(http.StatusOK).saying(`"timeZone":null`)

	// Within the window it waits for nothing, and a reply of staff never does.
	s.opensIn(0, "Europe/Berlin")
	pms.do("POST", automated, reminder("+4930901820"), "Idempotency-Key", "3").want(http.StatusAccepted).saying(`"waits":null`)
	s.opensIn(3, "Europe/Berlin")
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Hello"}).want(http.StatusAccepted).saying(`"waits":null`)
	s.exec("UPDATE sb.send_window SET days = '{}'")
	pms.do("POST", automated, reminder("+4930901820"), "Idempotency-Key", "4").want(http.StatusAccepted).saying(`"until":null`)
}

func TestNoSystemWritesToWhoOptedOutOrNeverWrote(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	pms, _ := s.other("messages:write")
	send := func(phone string) answer {
		return pms.do("POST", automated, reminder(phone), "Idempotency-Key", uuid.NewString())
	}
	send("+4930901822").want(http.StatusNotFound)
	elsewhere := reminder("+4930901820")
	elsewhere["channel"] = pgtest.OtherChannel
	pms.do("POST", automated, elsewhere, "Idempotency-Key", "1").want(http.StatusNotFound)

	s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version, requested) VALUES ('*', $1, 1, true)", v.addressHash)
	send("+4930901820").want(http.StatusConflict).saying("opt-out-requested")
	despite := reminder("+4930901820")
	despite["despiteOptOutRequest"] = true
	pms.do("POST", automated, despite, "Idempotency-Key", "1").want(http.StatusBadRequest)
	s.exec("UPDATE sb.suppression SET requested = false")
	send("+4930901820").want(http.StatusConflict).saying("opted-out")

	pms.do("POST", automated, reminder("+4930901820")).want(http.StatusBadRequest).saying("Idempotency-Key")
	s.do("POST", automated, reminder("+4930901820"), "Idempotency-Key", "1").want(http.StatusForbidden)
	if n := s.count("SELECT count(*) FROM sb.message"); n != 0 {
		t.Errorf("%d messages are stored", n)
	}
}

// Free text that would wait beyond the provider's 24 hours is refused when it is asked for, and a template is not.
func TestFreeTextThatWouldComeTooLateIsRefused(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	s.exec("UPDATE sb.channel SET type = 'WhatsApp' WHERE name = $1", pgtest.Channel)
	s.exec("UPDATE sb.contact_address SET kind = 'whatsapp', address = '4930901820', address_hash = $1", s.hash(contract.KindWhatsApp, "4930901820"))
	pms, _ := s.other("messages:write")
	v.wrote(s.now().Add(-20*time.Hour), "Hello")
	in := reminder("+4930901820")
	s.opensIn(3, "Europe/Berlin")
	pms.do("POST", automated, in, "Idempotency-Key", "1").want(http.StatusAccepted)
	s.opensIn(5, "Europe/Berlin")
	pms.do("POST", automated, in, "Idempotency-Key", "2").want(http.StatusConflict).saying("window-closed")
	delete(in, "body")
	in["template"] = map[string]any{"name": "stay_reminder", "language": "de"}
	pms.do("POST", automated, in, "Idempotency-Key", "3").want(http.StatusAccepted)
}
