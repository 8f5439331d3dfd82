package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const cookieName = "__Host-switchboard-session"

// browse signs in as a browser does, and gives the header Cookie that it sends from then on.
func (s *system) browse(headers ...string) string {
	s.t.Helper()
	s.token = ""
	a := s.do("POST", "/api/v1/browser-sessions", credentials(pgtest.StaffEmail, pgtest.Password), headers...).want(http.StatusCreated)
	if strings.Contains(string(a.body), "sbs_") {
		s.t.Error("a script is shown the token")
	}
	set := a.header.Get("Set-Cookie")
	value, attributes, _ := strings.Cut(set, ";")
	for _, want := range []string{"Path=/", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age="} {
		if !strings.Contains(attributes, want) {
			s.t.Errorf("the cookie has no %s: %s", want, attributes)
		}
	}
	if !strings.HasPrefix(value, cookieName+"=sbs_") || strings.Contains(attributes, "Domain") {
		s.t.Fatalf("Set-Cookie names %s; %s", cookieName, attributes)
	}
	return value
}

func TestABrowsersSessionIsACookie(t *testing.T) {
	s := start(t)
	cookie := s.browse()
	s.do("GET", "/api/v1/me", nil, "Cookie", cookie).want(http.StatusOK).saying(pgtest.StaffEmail)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Hello"}, "Cookie", cookie, "Sec-Fetch-Site", "same-origin").want(http.StatusAccepted)
	v.sends(`{"body":"Your room"}`, "a.png", picture, "Authorization", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin").want(http.StatusAccepted).saying("a.png")
	out := s.do("DELETE", "/api/v1/sessions/current", nil, "Cookie", cookie).want(http.StatusNoContent)
	if !strings.Contains(out.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("signing out leaves the cookie: %q", out.header.Get("Set-Cookie"))
	}
	s.do("GET", "/api/v1/me", nil, "Cookie", cookie).want(http.StatusUnauthorized)
}

// TestAPageOfAnotherSiteAsksForNothing: should a browser send the cookie along all the same.
func TestAPageOfAnotherSiteAsksForNothing(t *testing.T) {
	s := start(t)
	bearing := s.token
	cookie := s.browse("Sec-Fetch-Site", "same-origin")
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	for name, from := range map[string][]string{
		"another site":          {"Sec-Fetch-Site", "cross-site"},
		"a neighbour":           {"Sec-Fetch-Site", "same-site"},
		"an old browser's page": {"Origin", "https://evil.example"},
		"a page without origin": {"Origin", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			sub := *s
			sub.t = t
			with := append([]string{"Cookie", cookie}, from...)
			sub.do("POST", v.path()+"/messages", map[string]any{"body": "Hello"}, with...).want(http.StatusForbidden).saying("not-allowed")
			in := v
			in.s = &sub
			in.sends("", "a.png", picture, append(with, "Authorization", "")...).want(http.StatusForbidden).saying("not-allowed")
			sub.do("DELETE", "/api/v1/sessions/current", nil, with...).want(http.StatusForbidden)
			sub.do("POST", "/api/v1/browser-sessions", credentials(pgtest.StaffEmail, pgtest.Password), from...).want(http.StatusForbidden)
			if from[0] == "Sec-Fetch-Site" {
				sub.do("GET", v.path()+"/messages", nil, with...).want(http.StatusForbidden)
			}
		})
	}
	if n := s.count("SELECT count(*) FROM sb.message"); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
	// What bears its token in a header is no browser's doing.
	s.token = bearing
	s.do("GET", "/api/v1/me", nil, "Sec-Fetch-Site", "cross-site").want(http.StatusOK)
}

func TestNobodyGoesOnInASessionThatSomebodyElseBegan(t *testing.T) {
	s := start(t)
	planted := cookieName + "=" + s.token
	now := s.browse("Cookie", planted)
	if now == planted {
		t.Fatal("the session that was planted goes on")
	}
	s.do("GET", "/api/v1/me", nil, "Cookie", planted).want(http.StatusUnauthorized)
	s.do("GET", "/api/v1/me", nil, "Cookie", now).want(http.StatusOK)
}

// TestACookieIsNoTokenOfAnotherSystem: those come in by a header alone.
func TestACookieIsNoTokenOfAnotherSystem(t *testing.T) {
	s := start(t)
	var made struct{ Token string }
	s.do("POST", "/api/v1/integrations", map[string]any{"name": "pms", "scopes": []string{"conversations:read"}, "expiresInDays": 1}).want(http.StatusCreated).into(&made)
	s.token = ""
	s.do("GET", "/api/v1/conversations", nil, "Authorization", "Bearer "+made.Token).want(http.StatusOK)
	s.do("GET", "/api/v1/conversations", nil, "Cookie", cookieName+"="+made.Token).want(http.StatusUnauthorized)
}
