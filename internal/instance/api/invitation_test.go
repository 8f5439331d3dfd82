package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const chosen = "a sentence of her own"

type invitation struct {
	ID    uuid.UUID
	Token string
	Link  string
}

func (s *system) invite(email string, role staff.Role) invitation {
	s.t.Helper()
	var i invitation
	s.do("POST", "/api/v1/invitations", map[string]any{"email": email, "name": "Ada", "role": role}).want(http.StatusCreated).into(&i)
	return i
}

// accept answers as nobody who is signed in.
func (s *system) accept(token string) answer {
	s.t.Helper()
	nobody := *s
	nobody.token = ""
	return nobody.do("POST", "/api/v1/accepted-invitations", map[string]any{"token": token, "password": chosen})
}

func TestAnInvitationMakesAnAccountOnce(t *testing.T) {
	s := start(t)
	i := s.invite("Night@Hotel.example", staff.PrivacyOfficer)
	if !strings.HasSuffix(i.Link, "/inbox/#invitation="+i.Token) {
		t.Errorf("the link is %s", i.Link)
	}
	secret := strings.TrimPrefix(i.Token, "sbv_")
	if n := s.count("SELECT count(*) FROM sb.staff_invitation t WHERE t::text ILIKE '%' || $1 || '%'", secret[len(secret)-20:]); n != 0 {
		t.Error("the token stands in the database")
	}
	s.do("GET", "/api/v1/invitations", nil).want(http.StatusOK).saying("night@hotel.example", "privacyOfficer")
	s.accept(i.Token).want(http.StatusCreated).saying("night@hotel.example", "privacyOfficer", "Ada")
	s.accept(i.Token).want(http.StatusNotFound).saying("ask a supervisor for another")
	s.token = ""
	s.do("POST", "/api/v1/sessions", credentials("night@hotel.example", chosen)).want(http.StatusCreated).saying("privacyOfficer")
}

func TestInvitationsThatDoNotCount(t *testing.T) {
	other := func(s *system, token string) string { return s.invite("other@hotel.example", staff.Agent).Token }
	tests := map[string]func(s *system, i invitation) string{
		"ended": func(s *system, i invitation) string {
			s.exec("UPDATE sb.staff_invitation SET expires_at = now()")
			return i.Token
		},
		"withdrawn": func(s *system, i invitation) string {
			s.do("DELETE", "/api/v1/invitations/"+i.ID.String(), nil).want(http.StatusNoContent)
			s.do("DELETE", "/api/v1/invitations/"+i.ID.String(), nil).want(http.StatusNotFound)
			return i.Token
		},
		"followed by another": func(s *system, i invitation) string {
			s.invite("night@hotel.example", staff.Agent)
			return i.Token
		},
		"past the limit of accounts": func(s *system, i invitation) string {
			s.db.Limits(s.t, map[string]int32{contract.CategoryStaffAccounts: 1})
			s.exec("UPDATE sb.staff_invitation SET created_at = now() - interval '1 day', expires_at = now() + interval '1 day'")
			return i.Token
		},
		"of somebody who is no supervisor any more": func(s *system, i invitation) string {
			second := s.as(staff.Supervisor)
			second.do("PATCH", "/api/v1/staff/"+s.own().ID.String(), map[string]any{"role": "agent"}).want(http.StatusOK)
			return i.Token
		},
		"with the secret of another": func(s *system, i invitation) string { return i.Token[:26] + other(s, i.Token)[26:] },
		"with another end": func(_ *system, i invitation) string {
			if strings.HasSuffix(i.Token, "A") {
				return i.Token[:len(i.Token)-1] + "E"
			}
			return i.Token[:len(i.Token)-1] + "A"
		},
		"without prefix": func(_ *system, i invitation) string { return strings.TrimPrefix(i.Token, "sbv_") },
		"made up":        func(*system, invitation) string { return "sbv_" + strings.Repeat("A", 64) },
		"SQL":            func(*system, invitation) string { return "sbv_' OR true; --" },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			token := spoil(s, s.invite("night@hotel.example", staff.Agent))
			s.accept(token).want(http.StatusNotFound)
			if n := s.count("SELECT count(*) FROM sb.staff WHERE email = 'night@hotel.example'"); n != 0 {
				t.Error("there is an account")
			}
		})
	}
}

// TestAnInvitationThatIsUsedTwiceAtOnceCountsOnce.
func TestAnInvitationThatIsUsedTwiceAtOnceCountsOnce(t *testing.T) {
	s := start(t)
	token := s.invite("night@hotel.example", staff.Agent).Token
	statuses := make(chan int, 4)
	for range cap(statuses) {
		go func() { statuses <- s.accept(token).status }()
	}
	made := 0
	for range cap(statuses) {
		if <-statuses == http.StatusCreated {
			made++
		}
	}
	if made != 1 {
		t.Errorf("it counted %d times", made)
	}
}

func TestALinkForAnotherPasswordEndsWhatWas(t *testing.T) {
	s := start(t)
	agent := s.as(staff.Agent)
	me := agent.own()
	var i invitation
	s.do("POST", "/api/v1/staff/"+me.ID.String()+"/invitations", map[string]any{}).want(http.StatusCreated).into(&i)
	s.do("POST", "/api/v1/invitations", map[string]any{"email": me.Email, "role": "supervisor"}).want(http.StatusConflict).saying("taken", "/invitations")
	s.accept(i.Token).want(http.StatusCreated).saying(`"role":"agent"`)
	agent.do("GET", "/api/v1/me", nil).want(http.StatusUnauthorized)
	s.do("POST", "/api/v1/sessions", credentials(me.Email, pgtest.Password)).want(http.StatusUnauthorized)
	s.do("POST", "/api/v1/sessions", credentials(me.Email, chosen)).want(http.StatusCreated)
	s.do("PATCH", "/api/v1/staff/"+me.ID.String(), map[string]any{"active": false}).want(http.StatusOK)
	s.do("POST", "/api/v1/staff/"+me.ID.String()+"/invitations", map[string]any{}).want(http.StatusConflict).saying("account-closed")
	s.do("POST", "/api/v1/staff/"+uuid.NewString()+"/invitations", map[string]any{}).want(http.StatusNotFound)
}

func TestInvitationsGoWithTheRunsOfRetention(t *testing.T) {
	s := start(t)
	s.invite("night@hotel.example", staff.Agent)
	s.exec("UPDATE sb.staff_invitation SET created_at = now() - interval '9 days', expires_at = now() - interval '1 second'")
	s.exec("INSERT INTO sb.retention_run (policy, generation, digest, began_at, started_at) VALUES ('p', 1, 'd', now(), now())")
	if n := s.count("SELECT count(*) FROM sb.staff_invitation"); n != 0 {
		t.Error("one that has ended is still there")
	}
}

func TestWhatAnInvitationCanNotSay(t *testing.T) {
	s := start(t)
	for _, body := range []map[string]any{
		{"email": "night", "role": "agent"}, {"email": "Ada <night@hotel.example>", "role": "agent"}, {"email": "night@hotel.example"}, {"email": "night@hotel.example", "role": "root"},
		{"email": "night@hotel.example", "role": "agent", "expiresInHours": 0}, {"email": "night@hotel.example", "role": "agent", "expiresInHours": 337},
	} {
		s.do("POST", "/api/v1/invitations", body).want(http.StatusBadRequest)
	}
	s.token = ""
	for _, body := range []map[string]any{{"token": "x", "password": "short"}, {"token": "", "password": chosen}, {"token": strings.Repeat("x", 101), "password": chosen}} {
		s.do("POST", "/api/v1/accepted-invitations", body).want(http.StatusBadRequest)
	}
	s.do("POST", "/api/v1/accepted-invitations", map[string]any{"token": "x", "password": chosen}, "Sec-Fetch-Site", "cross-site").want(http.StatusForbidden)
}

func TestGuessesAtInvitationsAreBounded(t *testing.T) {
	s := start(t)
	for range 100 {
		if got := s.accept("sbv_" + strings.Repeat("A", 64)); got.status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("100 guesses were let through")
}

func TestOnesOwnPassword(t *testing.T) {
	s := start(t)
	other := *s
	other.token = s.signIn()
	change := func(present, next string) answer {
		return s.do("PUT", "/api/v1/me/password", map[string]any{"present": present, "next": next})
	}
	change("a wrong guess", chosen).want(http.StatusUnprocessableEntity).saying("wrong-password")
	change(pgtest.Password, "short").want(http.StatusBadRequest).saying("12 to 1024")
	change(pgtest.Password, chosen).want(http.StatusNoContent)
	s.do("GET", "/api/v1/me", nil).want(http.StatusOK)
	other.do("GET", "/api/v1/me", nil).want(http.StatusUnauthorized)
	s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, pgtest.Password)).want(http.StatusUnauthorized)
	s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, chosen)).want(http.StatusCreated)
	for range 5 {
		change("a wrong guess", chosen)
	}
	change(chosen, pgtest.Password).want(http.StatusTooManyRequests)
}
