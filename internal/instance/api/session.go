package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

type signInRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Code     string `json:"code"` // of the second factor, or a recovery code
}

// maxCode bounds a code, in characters.
const maxCode = 32

// signIn makes a session for a program, which keeps its token.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	s.beginSession(w, r, func(_ context.Context, session staff.Session) any { return session })
}

// beginSession makes a session, and answers with what begun makes of it. Failures count against
// the account and the address that they come from; both are remembered by this replica alone.
func (s *Server) beginSession(w http.ResponseWriter, r *http.Request, begun func(context.Context, staff.Session) any) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	session, err := s.trySignIn(ctx, w, r)
	status, who := http.StatusCreated, (*uuid.UUID)(nil)
	var p *problem
	if err != nil {
		p = problemOf(err)
		status = p.Status
	} else {
		who = &session.Staff.ID
	}
	if status == http.StatusCreated || status == http.StatusUnauthorized {
		if err := logAccess(ctx, s.pool, r, who, nil, status); err != nil {
			p, status = problemOf(err), http.StatusInternalServerError
			s.log.Error("the access log failed", "route", r.Pattern, "error", err.Error())
		}
	}
	if p != nil {
		if p.Status >= 500 && err != nil {
			s.log.Error("a request failed", "route", r.Pattern, "status", p.Status, "error", err.Error())
		}
		p.write(w)
		return
	}
	writeJSON(w, status, "application/json", begun(ctx, session))
}

func (s *Server) trySignIn(ctx context.Context, w http.ResponseWriter, r *http.Request) (staff.Session, error) {
	var in signInRequest
	if err := decode(w, r, &in); err != nil {
		return staff.Session{}, err
	}
	if err := s.passwordRefused(); err != nil {
		return staff.Session{}, err
	}
	if err := errors.Join(checkText("email", in.Email, 3, 254), checkText("password", in.Password, 1, staff.MaxPassword), checkText("code", in.Code, 0, maxCode)); err != nil {
		return staff.Session{}, err
	}
	now := time.Now()
	account, address := strings.ToLower(strings.TrimSpace(in.Email)), httpserve.ClientIP(r).String()
	if wait := max(s.ips.try(address, now), s.emails.try(account, now)); wait > 0 {
		p := fail(http.StatusTooManyRequests, typeTooManyTries, "There were too many tries to sign in; wait as long as Retry-After says.")
		p.retryAfter = wait
		return staff.Session{}, p
	}
	session, err := staff.SignIn(ctx, s.pool, s.keys, in.Email, in.Password, in.Code)
	switch {
	case errors.Is(err, staff.ErrWrong):
		return session, fail(http.StatusUnauthorized, typeWrongSignIn, "The e-mail address or the password is wrong.")
	case errors.Is(err, staff.ErrWrongCode):
		return session, fail(http.StatusUnauthorized, typeWrongCode, "The code is wrong, too old or was used; wait for the next one.")
	case errors.Is(err, staff.ErrCodeNeeded):
		err = fail(http.StatusUnauthorized, typeCodeNeeded, "Send a code of your second factor too, or a recovery code, in the field code.")
	}
	// Only guesses count: not a good sign-in, and not a failure of ours.
	s.ips.forgive(address, now)
	s.emails.forgive(account, now)
	return session, err
}

func signOut(ctx context.Context, c *call) (reply, error) {
	token, _ := sessionToken(c.http)
	dropCookie(c.w)
	return reply{status: http.StatusNoContent}, staff.SignOut(ctx, c.tx, token)
}

func me(_ context.Context, c *call) (reply, error) {
	return reply{status: http.StatusOK, body: c.staff}, nil
}
