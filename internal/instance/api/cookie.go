package api

import (
	"context"
	"net/http"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

// sessionCookie holds the token of a browser's session. Its prefix has browsers take it from this very
// host alone, over HTTPS and for all paths: no neighbour under the same domain can plant one.
const sessionCookie = "__Host-switchboard-session"

// browserSession is a session without its token, which no script is to have.
type browserSession struct {
	ExpiresAt time.Time    `json:"expiresAt"`
	Staff     staff.Member `json:"staff"`
}

// signInBrowser makes a session that the browser keeps. Whatever it had before ends, so that nobody goes on in a session
// that somebody else began.
func (s *Server) signInBrowser(w http.ResponseWriter, r *http.Request) {
	if crossSite(r) {
		fail(http.StatusForbidden, typeNotAllowed, "A page of another site asked for this; use the tenant's own page.").write(w)
		return
	}
	s.beginSession(w, r, func(ctx context.Context, session staff.Session) any {
		if before, err := r.Cookie(sessionCookie); err == nil {
			if err := staff.SignOut(ctx, s.pool, before.Value); err != nil {
				s.log.Error("the session before was not ended", "error", err.Error())
			}
		}
		setCookie(w, session.Token, int(time.Until(session.ExpiresAt).Seconds()))
		return browserSession{session.ExpiresAt, session.Staff}
	})
}

func setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

func dropCookie(w http.ResponseWriter) { setCookie(w, "", -1) }

// sessionToken is the token that a request bears, and whether a cookie does, which browsers send unasked.
func sessionToken(r *http.Request) (token string, byCookie bool) {
	if r.Header.Get("Authorization") != "" {
		return bearer(r), false
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		return c.Value, true
	}
	return "", false
}

var sameOrigin = http.NewCrossOriginProtection()

// crossSite says whether a page of another origin makes a request. Reading is not its either: asking for a thread's messages
// has a guest see that they were read. Whoever types the address in makes one too, of which the browser says "none".
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return sameOrigin.Check(r) != nil
	}
	return true
}
