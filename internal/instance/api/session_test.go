package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestSigningInAndOut(t *testing.T) {
	s := start(t)
	s.do("GET", "/api/v1/me", nil).want(http.StatusOK).saying(pgtest.StaffEmail)
	s.do("DELETE", "/api/v1/sessions/current", nil).want(http.StatusNoContent)
	got := s.do("GET", "/api/v1/me", nil).want(http.StatusUnauthorized).saying("no-session")
	if got.header.Get("WWW-Authenticate") == "" {
		t.Error("a 401 without WWW-Authenticate")
	}
}

func TestTheEmailIsTakenInAnyCase(t *testing.T) {
	s := start(t)
	s.do("POST", "/api/v1/sessions", credentials(" "+strings.ToUpper(pgtest.StaffEmail), pgtest.Password)).want(http.StatusCreated)
}

func TestAWrongPasswordAndAnUnknownAccountGetTheSameAnswer(t *testing.T) {
	s := start(t)
	wrong := s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, "not the password")).want(http.StatusUnauthorized)
	nobody := s.do("POST", "/api/v1/sessions", credentials("nobody@hotel.example", "not the password")).want(http.StatusUnauthorized)
	s.exec("UPDATE sb.staff SET disabled_at = now()")
	disabled := s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, pgtest.Password)).want(http.StatusUnauthorized)
	if string(wrong.body) != string(nobody.body) || string(wrong.body) != string(disabled.body) {
		t.Errorf("the answers tell accounts apart:\n%s%s%s", wrong.body, nobody.body, disabled.body)
	}
}

func TestTokensThatDoNotCount(t *testing.T) {
	tests := map[string]struct {
		spoil  string // what happens to the session
		header string // instead of the session's token
	}{
		"expired":                 {spoil: "UPDATE sb.staff_session SET expires_at = now()"},
		"revoked":                 {spoil: "UPDATE sb.staff_session SET revoked_at = now()"},
		"of a disabled account":   {spoil: "UPDATE sb.staff SET disabled_at = now()"},
		"of an account that went": {spoil: "DELETE FROM sb.staff"},
		"none":                    {header: " "},
		"made up":                 {header: "Bearer sbs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"with SQL in it":          {header: "Bearer sbs_' OR true; --"},
		"of another scheme":       {header: "Basic cmVjZXB0aW9uOnBhc3N3b3Jk"},
		"too long to be one":      {header: "Bearer sbs_" + strings.Repeat("A", 8000)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.do("GET", "/api/v1/me", nil).want(http.StatusOK)
			if test.spoil != "" {
				s.exec(test.spoil)
				s.do("GET", "/api/v1/conversations", nil).want(http.StatusUnauthorized)
				return
			}
			s.do("GET", "/api/v1/conversations", nil, "Authorization", test.header).want(http.StatusUnauthorized)
		})
	}
}

func TestTheTokenIsNotInTheDatabase(t *testing.T) {
	s := start(t)
	if n := s.count("SELECT count(*) FROM sb.staff_session WHERE token_hash = sha256(convert_to($1, 'UTF8')) AND expires_at BETWEEN now() + interval '11 h 59 min' AND now() + interval '12 h'", s.token); n != 1 {
		t.Errorf("%d sessions of 12 hours under the token's SHA-256, want 1", n)
	}
	if n := s.count("SELECT count(*) FROM sb.staff_session WHERE token_hash = convert_to($1, 'UTF8')", s.token); n != 0 {
		t.Error("the token itself is stored")
	}
}

func TestGuessesAreBoundedByAccount(t *testing.T) {
	s := start(t)
	for range 5 {
		s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, "a wrong guess")).want(http.StatusUnauthorized)
	}
	refused := s.do("POST", "/api/v1/sessions", credentials(strings.ToUpper(pgtest.StaffEmail), pgtest.Password)).want(http.StatusTooManyRequests)
	if after := refused.header.Get("Retry-After"); after == "" || after == "0" {
		t.Errorf("Retry-After is %q", after)
	}
	s.do("POST", "/api/v1/sessions", credentials("someone-else@hotel.example", "a wrong guess")).want(http.StatusUnauthorized)
}

func TestGuessesAreBoundedByAddress(t *testing.T) {
	s := start(t)
	sprayer := []string{"X-Forwarded-For", "198.51.100.7"}
	began, tries := time.Now(), 0
	for {
		guess := s.do("POST", "/api/v1/sessions", credentials(strings.Repeat("x", tries+1)+"@hotel.example", "a wrong guess"), sprayer...)
		if guess.status == http.StatusTooManyRequests {
			break
		}
		guess.want(http.StatusUnauthorized)
		// 30 at once, and one more each 5 s: hashing takes its time on a busy machine.
		if tries++; tries > 31+int(time.Since(began)/(5*time.Second)) {
			t.Fatalf("%d guesses from one address in %s", tries, time.Since(began))
		}
	}
	if tries < 30 {
		t.Errorf("refused after %d guesses", tries)
	}
	s.do("POST", "/api/v1/sessions", credentials("y@hotel.example", "a wrong guess"), "X-Forwarded-For", "198.51.100.8").want(http.StatusUnauthorized)
}

func TestGoodSignInsAreNotBounded(t *testing.T) {
	s := start(t)
	for range 12 {
		s.signIn()
	}
}
