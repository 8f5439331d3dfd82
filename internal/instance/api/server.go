// Package api is the staff's side of a tenant: they sign in, read what guests
// wrote and answer. openapi.yaml describes it; a test holds the two together.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

// requestTimeout bounds what one request may ask of the database.
const requestTimeout = 10 * time.Second

// Server answers the staff API.
type Server struct {
	pool    *pgxpool.Pool
	log     *slog.Logger
	keysDir string
	mux     *http.ServeMux
	emails  *limiter // tries to sign in, by account
	ips     *limiter // and by address
}

// call is one authenticated request.
type call struct {
	http   *http.Request
	w      http.ResponseWriter // for bounds on reading alone; replies are returned
	tx     pgx.Tx              // ends with the request
	staff  staff.Member
	object *uuid.UUID // what was looked at, for the access log
}

// reply is what a handler answers.
type reply struct {
	status int
	body   any // nil for none
}

// route is one operation of openapi.yaml.
type route struct {
	pattern string
	open    func(http.ResponseWriter, *http.Request)    // needs no session; or
	handle  func(context.Context, *call) (reply, error) // needs one
}

func (s *Server) routes() []route {
	return []route{
		{pattern: "GET /api/v1/openapi.yaml", open: serveDescription},
		{pattern: "POST /api/v1/sessions", open: s.signIn},
		{pattern: "GET /api/v1/archives/{id}", open: s.downloadArchive},
		{pattern: "DELETE /api/v1/sessions/current", handle: signOut},
		{pattern: "GET /api/v1/me", handle: me},
		{pattern: "GET /api/v1/conversations", handle: listConversations},
		{pattern: "GET /api/v1/conversations/{id}", handle: getConversation},
		{pattern: "GET /api/v1/conversations/{id}/messages", handle: listMessages},
		{pattern: "POST /api/v1/conversations/{id}/messages", handle: postMessage},
		{pattern: "GET /api/v1/contacts", handle: listContacts},
		{pattern: "GET /api/v1/contacts/{id}", handle: getContact},
		{pattern: "PATCH /api/v1/contacts/{id}", handle: patchContact},
		{pattern: "POST /api/v1/contacts/{id}/opt-out", handle: s.optOutContact},
		{pattern: "POST /api/v1/contacts/{id}/opt-in", handle: s.optInContact},
		{pattern: "POST /api/v1/conversations/{id}/opt-out-request", handle: s.decideOptOutRequest},
		{pattern: "POST /api/v1/opt-outs", handle: s.optOutAddress},
		{pattern: "POST /api/v1/opt-ins", handle: s.optInAddress},
	}
}

// New makes the API over a pool of role sb_serve, with keys for hashes from keysDir,
// which is laid out as contract.DirKeys.
func New(pool *pgxpool.Pool, log *slog.Logger, keysDir string) *Server {
	s := &Server{
		pool: pool, log: log, keysDir: keysDir, mux: http.NewServeMux(),
		emails: newLimiter(time.Minute, 5),
		ips:    newLimiter(5*time.Second, 30),
	}
	for _, r := range s.routes() {
		if r.open != nil {
			s.mux.HandleFunc(r.pattern, r.open)
			continue
		}
		s.mux.HandleFunc(r.pattern, s.authenticated(r.handle))
	}
	return s
}

// ServeHTTP answers one request; every error is a problem.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if cause := recover(); cause != nil {
			if cause == http.ErrAbortHandler { //nolint:errorlint // the very value that net/http looks for
				panic(cause)
			}
			s.log.Error("a handler panicked", "route", r.Pattern, "stack", string(debug.Stack()))
			problemOf(errors.New("panic")).write(w)
		}
	}()
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Content-Type-Options", "nosniff")
	if handler, pattern := s.mux.Handler(r); pattern == "" {
		unrouted(handler, r).write(w)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// unrouted turns ServeMux's own plain answers into problems.
func unrouted(handler http.Handler, r *http.Request) *problem {
	var answer headerOnly
	handler.ServeHTTP(&answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		allowed := answer.Header().Get("Allow")
		p := fail(http.StatusMethodNotAllowed, typeUnspecific, "This address takes "+allowed+".")
		p.headers = http.Header{"Allow": {allowed}}
		return p
	}
	return fail(http.StatusNotFound, typeUnspecific, "There is nothing at this address; see /api/v1/openapi.yaml for what there is.")
}

type headerOnly struct {
	header http.Header
	status int
}

func (h *headerOnly) Header() http.Header {
	if h.header == nil {
		h.header = http.Header{}
	}
	return h.header
}
func (h *headerOnly) WriteHeader(status int)      { h.status = status }
func (h *headerOnly) Write(b []byte) (int, error) { return len(b), nil }

// authenticated runs a handler for whoever bears a session's token, in one
// transaction with its line of the access log: nothing is shown unlogged.
func (s *Server) authenticated(handle func(context.Context, *call) (reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		c := &call{http: r, w: w}
		var answer reply
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			member, err := staff.OfToken(ctx, tx, bearer(r))
			if err != nil {
				return err
			}
			c.tx, c.staff = tx, member
			if answer, err = handle(ctx, c); err != nil {
				return err
			}
			return logAccess(ctx, tx, r, &member.ID, c.object, answer.status)
		})
		switch {
		case errors.Is(err, staff.ErrNoSession):
			p := fail(http.StatusUnauthorized, typeNoSession, "Sign in by POST /api/v1/sessions, and send its token in the header Authorization: Bearer TOKEN.")
			p.headers = http.Header{"Www-Authenticate": {`Bearer realm="switchboard"`}}
			p.write(w)
		case err != nil:
			s.refuse(ctx, w, c, err)
		case answer.body == nil:
			w.WriteHeader(answer.status)
		default:
			writeJSON(w, answer.status, "application/json", answer.body)
		}
	}
}

// refuse answers an error. What the handler wrote was rolled back; that it was
// asked is logged by itself.
func (s *Server) refuse(ctx context.Context, w http.ResponseWriter, c *call, err error) {
	p := problemOf(err)
	if p.Status >= 500 {
		s.log.Error("a request failed", "route", c.http.Pattern, "status", p.Status, "error", err.Error())
	}
	if c.staff.ID != uuid.Nil && p.Status < 500 {
		if err := logAccess(ctx, s.pool, c.http, &c.staff.ID, c.object, p.Status); err != nil {
			s.log.Error("the access log failed", "route", c.http.Pattern, "error", err.Error())
			p = problemOf(err)
		}
	}
	p.write(w)
}

// logAccess adds one line to the access log.
func logAccess(ctx context.Context, db staff.Querier, r *http.Request, who, object *uuid.UUID, status int) error {
	var ip any
	if a := clientIP(r); a.IsValid() {
		ip = a
	}
	_, path, _ := strings.Cut(r.Pattern, " ")
	_, err := db.Exec(ctx, `INSERT INTO sb.access_log (staff_id, method, route, object_id, status, ip, user_agent, referrer)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		who, r.Method, path, object, status, ip, logged(r, "User-Agent"), logged(r, "Referer"))
	return err
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}
