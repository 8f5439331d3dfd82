package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// other lets another system in, and asks by its token from then on.
func (s *system) other(scopes ...string) (*system, uuid.UUID) {
	s.t.Helper()
	var made struct {
		ID    uuid.UUID
		Token string
	}
	s.do("POST", "/api/v1/integrations", map[string]any{"name": "property-management", "scopes": scopes, "expiresInDays": 30}).want(http.StatusCreated).into(&made)
	pms := *s
	pms.token = made.Token
	return &pms, made.ID
}

func arrival(phone string) map[string]any {
	return map[string]any{"kind": "guest.arrived", "guest": map[string]any{"kind": "phone", "address": phone}, "data": map[string]any{"room": "12"}}
}

const events = "/api/v1/integrations/events"

func TestATokenMayWhatItsScopesSay(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	asks := map[string]func(*system) answer{
		"events:write": func(s *system) answer {
			return s.do("POST", events, arrival("+4930901820"), "Idempotency-Key", uuid.NewString())
		},
		"optouts:write": func(s *system) answer {
			return s.do("POST", "/api/v1/opt-outs", map[string]any{"kind": "phone", "address": "+4930901821"})
		},
		"messages:write": func(s *system) answer {
			return s.do("POST", automated, reminder("+4930901820"), "Idempotency-Key", uuid.NewString())
		},
		"testimonials:read":  func(s *system) answer { return s.do("GET", "/api/v1/testimonials", nil) },
		"contacts:read":      func(s *system) answer { return s.do("GET", "/api/v1/contacts/"+v.guest.String(), nil) },
		"conversations:read": func(s *system) answer { return s.do("GET", v.path()+"/messages", nil) },
	}
	for mine := range asks {
		pms, id := s.other(mine)
		for scope, ask := range asks {
			a := ask(pms)
			if allowed := a.status < 300; allowed != (scope == mine) || !allowed && a.status != http.StatusForbidden {
				t.Errorf("a token of %s asks for what %s allows and gets %d", mine, scope, a.status)
			}
		}
		if n := s.count("SELECT count(*) FROM sb.access_log WHERE staff_id = $1", id); n != len(asks) {
			t.Errorf("%d requests of a token of %s are logged, want %d", n, mine, len(asks))
		}
		// What staff do is not for tokens, whatever their scopes.
		pms.do("POST", v.path()+"/messages", map[string]any{"body": "Hello"}).want(http.StatusForbidden)
		pms.do("POST", "/api/v1/integrations", map[string]any{"name": "more", "scopes": []string{mine}, "expiresInDays": 1}).want(http.StatusForbidden)
		pms.do("POST", "/api/v1/opt-ins", map[string]any{"kind": "phone", "address": "+4930901821"}).want(http.StatusForbidden)
		pms.do("GET", "/api/v1/me", nil).want(http.StatusForbidden)
	}
	if got := s.consents(); got != "stop by api on *" {
		t.Errorf("logged %s", got)
	}
	s.do("POST", events, arrival("+4930901820"), "Idempotency-Key", "1").want(http.StatusForbidden)
}

func TestATokenEndsAtOnce(t *testing.T) {
	for name, end := range map[string]func(*system, uuid.UUID){
		"revoked": func(s *system, id uuid.UUID) {
			for range 2 {
				s.do("DELETE", "/api/v1/integrations/"+id.String(), nil).want(http.StatusNoContent)
			}
		},
		"expired": func(s *system, _ uuid.UUID) {
			s.exec("UPDATE sb.integration SET created_at = now() - interval '2 days', expires_at = now()")
		},
		"restored": func(s *system, _ uuid.UUID) { s.exec("SELECT sb.restore_settle()") },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			pms, id := s.other("contacts:read")
			pms.do("GET", "/api/v1/contacts", nil).want(http.StatusOK)
			if n := s.count("SELECT count(*) FROM sb.integration WHERE last_used_at IS NOT NULL"); n != 1 {
				t.Error("that it was used is not noted")
			}
			end(s, id)
			pms.do("GET", "/api/v1/contacts", nil).want(http.StatusUnauthorized)
		})
	}
	s := start(t)
	pms, _ := s.other("contacts:read")
	if n := s.count("SELECT count(*) FROM sb.integration i WHERE position($1 IN i::text) > 0", pms.token); n != 0 {
		t.Error("the database holds the token")
	}
	s.do("GET", "/api/v1/integrations", nil).want(http.StatusOK).saying("property-management", `"lastUsedAt":null`)
	s.do("DELETE", "/api/v1/integrations/"+uuid.NewString(), nil).want(http.StatusNotFound)
}

func TestABadIntegrationChangesNothing(t *testing.T) {
	s := start(t)
	good := func() map[string]any {
		return map[string]any{"name": "pms", "scopes": []string{"events:write"}, "expiresInDays": 1}
	}
	for field, values := range map[string][]any{
		"name": {"", strings.Repeat("a", 65)}, "scopes": {[]string{}, []string{"everything"}, nil}, "expiresInDays": {0, -1, 367},
	} {
		for _, value := range values {
			in := good()
			in[field] = value
			s.do("POST", "/api/v1/integrations", in).want(http.StatusBadRequest)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.integration"); n != 0 {
		t.Errorf("%d were made", n)
	}
}

func TestAnEventIsKeptOnceAndBelongsToItsGuest(t *testing.T) {
	s := start(t)
	seen := s.now().Add(-24 * time.Hour)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, seen)
	pms, _ := s.other("events:write")
	var first, again struct {
		ID     uuid.UUID
		Stored bool
	}
	pms.do("POST", events, arrival("+49 30 901820"), "Idempotency-Key", "1").want(http.StatusCreated).into(&first)
	pms.do("POST", events, arrival("+4930901820"), "Idempotency-Key", "1").want(http.StatusOK).into(&again)
	if !first.Stored || again.Stored || first.ID != again.ID {
		t.Errorf("stored %+v, then %+v", first, again)
	}
	if n := s.count(`SELECT count(*) FROM sb.integration_data WHERE id = $1 AND contact_id = $2 AND source = 'property-management'
		AND kind = 'guest.arrived' AND data = '{"room": "12"}'`, first.ID, v.guest); n != 1 {
		t.Error("it is not kept as it was told")
	}
	// Told by another system is not seen: the limit of a contact counts from what the guest does.
	if n := s.count("SELECT count(*) FROM sb.contact WHERE last_seen_at = $1", seen); n != 1 {
		t.Error("an event makes a guest live longer")
	}

	// That the key was seen may be forgotten before the event is.
	s.exec("DELETE FROM sb.seen")
	pms.do("POST", events, arrival("+4930901820"), "Idempotency-Key", "1").want(http.StatusOK)

	// An erasure takes it, and the same event doesn't come back; not by another token either.
	s.exec("SELECT sb.subject_erase('erasure', ARRAY['phone'], ARRAY[$1::bytea])", v.addressHash)
	pms.do("POST", events, arrival("+4930901820"), "Idempotency-Key", "1").want(http.StatusOK)
	next, _ := s.other("events:write")
	next.do("POST", events, arrival("+4930901820"), "Idempotency-Key", "1").want(http.StatusOK)
	if n := s.count("SELECT (SELECT count(*) FROM sb.integration_data) + (SELECT count(*) FROM sb.contact)"); n != 0 {
		t.Errorf("%d rows are left of a guest who was erased", n)
	}
	// Another event of somebody unknown makes a guest, by whom it is found.
	pms.do("POST", events, arrival("+4930901820"), "Idempotency-Key", "2").want(http.StatusCreated)
	if n := s.count(`SELECT count(*) FROM sb.integration_data d JOIN sb.contact_address a USING (contact_id) WHERE a.kind = 'phone' AND a.address_hash = $1`, v.addressHash); n != 1 {
		t.Error("an event belongs to nobody")
	}
}

func TestAnEventNeverOutlivesItsLimit(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryIntegrationData: 10})
	pms, _ := s.other("events:write")
	in := arrival("+4930901820")
	in["at"] = s.now().Add(-11 * 24 * time.Hour)
	pms.do("POST", events, in, "Idempotency-Key", "1").want(http.StatusUnprocessableEntity).saying("expired")
	in["at"] = s.now().Add(time.Hour)
	pms.do("POST", events, in, "Idempotency-Key", "2").want(http.StatusBadRequest)
	in["at"] = s.now().Add(time.Minute) // a clock that is ahead
	pms.do("POST", events, in, "Idempotency-Key", "3").want(http.StatusCreated)
	if n := s.count("SELECT count(*) FROM sb.integration_data WHERE at > now()"); n != 0 {
		t.Error("an age mark lies in the future")
	}
	if n := s.count("SELECT count(*) FROM sb.integration_data"); n != 1 {
		t.Errorf("%d are stored", n)
	}
}

func TestABadEventChangesNothing(t *testing.T) {
	s := start(t)
	pms, _ := s.other("events:write")
	for name, change := range map[string]func(map[string]any){
		"no kind":     func(in map[string]any) { delete(in, "kind") },
		"a sentence":  func(in map[string]any) { in["kind"] = "Guest arrived" },
		"no guest":    func(in map[string]any) { delete(in, "guest") },
		"no number":   func(in map[string]any) { in["guest"] = map[string]any{"kind": "phone", "address": "12"} },
		"no data":     func(in map[string]any) { delete(in, "data") },
		"a list":      func(in map[string]any) { in["data"] = []int{1} },
		"a null byte": func(in map[string]any) { in["data"] = map[string]any{"a": "\x00"} },
		"a number":    func(in map[string]any) { in["data"] = json.RawMessage(`{"a": 1e999999}`) },
		"a surrogate": func(in map[string]any) { in["data"] = json.RawMessage(`{"a": "\ud800"}`) },
		"too much":    func(in map[string]any) { in["data"] = map[string]any{"a": strings.Repeat("a", 17<<10)} },
		"more":        func(in map[string]any) { in["more"] = 1 },
	} {
		in := arrival("+4930901820")
		change(in)
		if a := pms.do("POST", events, in, "Idempotency-Key", name); a.status != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, a.status)
		}
	}
	pms.do("POST", events, arrival("+4930901820")).want(http.StatusBadRequest).saying("Idempotency-Key")
	if n := s.count("SELECT (SELECT count(*) FROM sb.integration_data) + (SELECT count(*) FROM sb.contact)"); n != 0 {
		t.Errorf("%d rows are stored", n)
	}
}
