// Package api is the staff's side of a tenant: they sign in, read what guests
// wrote and answer; other systems of the client's come in by tokens. openapi.yaml describes it; a test holds the two together.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/integration"
	"github.com/switchboard-operator/switchboard/internal/instance/live"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/openid"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/instance/tracing"
	"github.com/switchboard-operator/switchboard/internal/instance/unsubscribe"
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
	objects *objectstore.Store
	// provider that staff may sign in by; nil for none
	provider *openid.Provider
	live     *live.Hub
	origin   string // contract.EnvPublicURL; "" outside of a pod
}

// call is one authenticated request.
type call struct {
	http   *http.Request
	w      http.ResponseWriter // for bounds on reading, and for cookies; replies are returned
	tx     pgx.Tx              // ends with the request
	staff  staff.Member
	system *integration.System // who asks instead of staff
	object *uuid.UUID          // what was looked at, for the access log
}

// reply is what a handler answers.
type reply struct {
	status int
	body   any // nil for none
	// stream sends the answer itself, of status 200 or 304, once all else is durable. It fails before the first byte, or panics.
	stream func(http.ResponseWriter) error
}

// route is one operation of openapi.yaml.
type route struct {
	pattern string
	open    func(http.ResponseWriter, *http.Request)    // needs no session; or
	handle  func(context.Context, *call) (reply, error) // needs one
	form    bool                                        // may be multipart/form-data, which is read before the transaction begins
	roles   staff.Roles                                 // of those whose session lets them in
	first   bool                                        // also while a second factor is to be set up first
	scope   integration.Scope                           // lets another system's token in besides
}

// Who may do what, by role. openapi.yaml says the same as x-roles; a test holds the two together.
var (
	everyone    = staff.All()
	readers     = staff.Roles{staff.Agent, staff.Supervisor, staff.PrivacyOfficer}
	answerers   = staff.Roles{staff.Agent, staff.Supervisor}
	supervisors = staff.Roles{staff.Supervisor}
	officers    = staff.Roles{staff.PrivacyOfficer}
	stewards    = staff.Roles{staff.Supervisor, staff.PrivacyOfficer}
	overseers   = staff.Roles{staff.Supervisor, staff.PrivacyOfficer, staff.Auditor}
)

// conversationsRoute is also by what sockets are told more than ids.
var conversationsRoute = route{pattern: "GET /api/v1/conversations", roles: readers, handle: listConversations, scope: integration.ReadConversations}

func (s *Server) routes() []route {
	return []route{
		{pattern: "GET /api/v1/openapi.yaml", open: serveDescription},
		{pattern: "POST /api/v1/sessions", open: s.signIn},
		{pattern: "POST /api/v1/browser-sessions", open: s.signInBrowser},
		{pattern: "GET /api/v1/sign-in", open: s.signInWays},
		{pattern: "POST /api/v1/sign-in/provider", open: s.beginProvider},
		{pattern: "GET " + contract.PathSignInReturn, open: s.returnFromProvider},
		{pattern: "POST /api/v1/sign-in/code", open: s.signInCode},
		{pattern: "POST /api/v1/accepted-invitations", open: s.acceptInvitation},
		{pattern: "GET /api/v1/archives/{id}", open: s.downloadArchive},
		{pattern: "GET " + unsubscribe.Path + "{token}", open: s.askUnsubscribe},
		{pattern: "POST " + unsubscribe.Path + "{token}", open: s.unsubscribe},

		{pattern: "DELETE /api/v1/sessions/current", roles: everyone, first: true, handle: signOut},
		{pattern: "GET /api/v1/me", roles: everyone, first: true, handle: me},
		{pattern: "PUT /api/v1/me/password", roles: everyone, handle: s.changePassword},
		{pattern: "POST /api/v1/me/second-factor", roles: everyone, first: true, handle: s.beginFactor},
		{pattern: "PUT /api/v1/me/second-factor", roles: everyone, first: true, handle: s.confirmFactor},
		{pattern: "POST /api/v1/me/second-factor/removals", roles: everyone, handle: s.removeFactor},
		{pattern: "GET /api/v1/events", roles: everyone, handle: s.getEvents}, // live.Events says who hears what
		{pattern: "GET /api/v1/counts", roles: overseers, handle: listCounts},
		{pattern: "GET /api/v1/evidence", roles: overseers, handle: listEvidence},

		conversationsRoute,
		{pattern: "GET /api/v1/conversations/{id}", roles: readers, handle: getConversation, scope: integration.ReadConversations},
		{pattern: "GET /api/v1/conversations/{id}/messages", roles: readers, handle: listMessages, scope: integration.ReadConversations},
		{pattern: "POST /api/v1/conversations/{id}/messages", roles: answerers, handle: s.postMessage, form: true},
		{pattern: "POST /api/v1/conversations/{id}/typing", roles: answerers, handle: postTyping},
		{pattern: "POST /api/v1/conversations/{id}/messages/{message}/retries", roles: answerers, handle: s.retryMessage},
		{pattern: "PUT /api/v1/conversations/{id}/assignee", roles: answerers, handle: putAssignee},
		{pattern: "POST /api/v1/conversations/{id}/notes", roles: readers, handle: postNote},
		{pattern: "GET /api/v1/canned-replies", roles: answerers, handle: listCannedReplies},
		{pattern: "POST /api/v1/canned-replies", roles: supervisors, handle: postCannedReply},
		{pattern: "PUT /api/v1/canned-replies/{id}", roles: supervisors, handle: putCannedReply},
		{pattern: "DELETE /api/v1/canned-replies/{id}", roles: supervisors, handle: deleteCannedReply},
		{pattern: "POST /api/v1/conversations/{id}/opt-out-request", roles: readers, handle: s.decideOptOutRequest},
		{pattern: "GET /api/v1/attachments/{id}", roles: readers, handle: s.getAttachment},
		{pattern: "GET /api/v1/undelivered-messages", roles: readers, handle: listUndelivered},
		{pattern: "GET /api/v1/undelivered-events", roles: supervisors, handle: listDeadEvents},
		{pattern: "POST /api/v1/undelivered-events/{id}/retries", roles: supervisors, handle: retryEvent},

		{pattern: "GET /api/v1/contacts", roles: readers, handle: listContacts, scope: integration.ReadContacts},
		{pattern: "GET /api/v1/contacts/{id}", roles: readers, handle: getContact, scope: integration.ReadContacts},
		{pattern: "PATCH /api/v1/contacts/{id}", roles: readers, handle: patchContact},
		{pattern: "GET /api/v1/contacts/{id}/looks", roles: stewards, handle: listLooks},
		{pattern: "POST /api/v1/contacts/{id}/opt-out", roles: readers, handle: s.optOutContact},
		{pattern: "POST /api/v1/contacts/{id}/opt-in", roles: readers, handle: s.optInContact},
		{pattern: "POST /api/v1/contacts/{id}/merges", roles: readers, handle: mergeContact},
		{pattern: "POST /api/v1/contacts/{id}/splits", roles: readers, handle: splitContact},
		{pattern: "POST /api/v1/contacts/{id}/unsubscribe-links", roles: readers, handle: s.makeUnsubscribeLink},
		{pattern: "POST /api/v1/contacts/{id}/underage-reports", roles: readers, handle: postUnderageReport},
		{pattern: "GET /api/v1/contacts/{id}/testimonials", roles: readers, handle: listContactTestimonials},
		{pattern: "POST /api/v1/contacts/{id}/testimonials", roles: stewards, handle: postTestimonial},
		{pattern: "POST /api/v1/opt-outs", roles: readers, handle: s.optOutAddress, scope: integration.WriteOptOuts},
		{pattern: "POST /api/v1/opt-ins", roles: readers, handle: s.optInAddress},

		{pattern: "GET /api/v1/colleagues", roles: readers, handle: listColleagues},
		{pattern: "GET /api/v1/staff", roles: supervisors, handle: listAccounts},
		{pattern: "PATCH /api/v1/staff/{id}", roles: supervisors, handle: patchAccount},
		{pattern: "POST /api/v1/staff/{id}/invitations", roles: supervisors, handle: s.postAccountInvitation},
		{pattern: "DELETE /api/v1/staff/{id}/second-factor", roles: supervisors, handle: resetFactor},
		{pattern: "DELETE /api/v1/staff/{id}/identity", roles: supervisors, handle: unlinkAccount},
		{pattern: "GET /api/v1/settings", roles: supervisors, handle: getSettings},
		{pattern: "PATCH /api/v1/settings", roles: supervisors, handle: patchSettings},
		{pattern: "GET /api/v1/invitations", roles: supervisors, handle: listInvitations},
		{pattern: "POST /api/v1/invitations", roles: supervisors, handle: s.postInvitation},
		{pattern: "DELETE /api/v1/invitations/{id}", roles: supervisors, handle: deleteInvitation},

		{pattern: "GET /api/v1/privacy/requests", roles: officers, handle: listPrivacyRequests},
		{pattern: "POST /api/v1/privacy/requests", roles: officers, handle: postPrivacyRequest},
		{pattern: "POST /api/v1/privacy/requests/{id}/answers", roles: officers, handle: answerComplaint},
		{pattern: "GET /api/v1/privacy/request-counts", roles: overseers, handle: countPrivacyRequests},
		{pattern: "GET /api/v1/privacy/disclosures", roles: officers, handle: listDisclosures},
		{pattern: "POST /api/v1/privacy/disclosures", roles: officers, handle: postDisclosure},
		{pattern: "GET /api/v1/privacy/testimonials", roles: stewards, handle: listTestimonials},
		{pattern: "POST /api/v1/privacy/testimonials/{id}/withdrawals", roles: readers, handle: withdrawTestimonial},
		{pattern: "POST /api/v1/privacy/testimonials/{id}/confirmations", roles: stewards, handle: confirmTestimonial},
		{pattern: "GET /api/v1/testimonials", handle: listPublishable, scope: integration.ReadTestimonials}, // of nobody's role
		{pattern: "GET /api/v1/privacy/holds", roles: officers, handle: listPrivacyHolds},

		{pattern: "GET /api/v1/integrations", roles: supervisors, handle: listIntegrations},
		{pattern: "POST /api/v1/integrations", roles: supervisors, handle: createIntegration},
		{pattern: "DELETE /api/v1/integrations/{id}", roles: supervisors, handle: revokeIntegration},
		{pattern: "POST /api/v1/integrations/events", handle: s.postEvent, scope: integration.WriteEvents}, // of nobody's role
		{pattern: "POST /api/v1/integrations/messages", handle: s.postAutomated, scope: integration.WriteMessages},
	}
}

// New makes the API over a pool of role sb_serve, with keys for hashes from keysDir,
// which is laid out as contract.DirKeys.
func New(pool *pgxpool.Pool, log *slog.Logger, keysDir string) *Server {
	s := &Server{
		pool: pool, log: log, keysDir: keysDir, mux: http.NewServeMux(), origin: os.Getenv(contract.EnvPublicURL),
		live:   live.NewHub(pool, log),
		emails: newLimiter(time.Minute, 5),
		ips:    newLimiter(5*time.Second, 30),
	}
	for _, r := range s.routes() {
		if r.open != nil {
			s.mux.HandleFunc(r.pattern, r.open)
			continue
		}
		handler := s.authenticated(r)
		if r.form {
			handler = s.uploading(handler)
		}
		s.mux.HandleFunc(r.pattern, handler)
	}
	return s
}

// WithObjects has files kept in, and read from, the tenant's object store.
func (s *Server) WithObjects(store *objectstore.Store) *Server {
	s.objects = store
	return s
}

// Run has staff's pages hear of what is new until ctx ends.
func (s *Server) Run(ctx context.Context) { s.live.Run(ctx) }

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

// answer runs a handler for whoever bears a session's token, in one
// transaction with its line of the access log: nothing is shown unlogged.
func (s *Server) answer(ctx context.Context, c *call, to route) (answer reply, err error) {
	ctx, span := tracing.Begin(ctx, to.pattern, trace.SpanKindServer) // the pattern, without the ids that stand in the request's path
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := c.identify(ctx, tx, to)
		if err != nil {
			return err
		}
		if answer, err = to.handle(ctx, c); err != nil {
			return err
		}
		return logAccess(ctx, tx, c.http, c.who(), c.object, answer.status)
	})
	endSpan(span, c.http, answer, err)
	return answer, err
}

// authenticated answers requests by a handler.
func (s *Server) authenticated(to route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		c := &call{http: r, w: w}
		answer, err := s.answer(ctx, c, to)
		switch {
		case brokenOff(r, err): // a page that reads anew does so; what it asked for was not shown
			w.WriteHeader(statusGone)
		case errors.Is(err, integration.ErrNoToken):
			p := fail(http.StatusUnauthorized, typeNoSession, "The token is unknown, expired or revoked; have staff make another by POST /api/v1/integrations.")
			p.headers = http.Header{"Www-Authenticate": {`Bearer realm="switchboard"`}}
			p.write(w)
		case errors.Is(err, staff.ErrNoSession):
			p := fail(http.StatusUnauthorized, typeNoSession, "Sign in by POST /api/v1/sessions, and send its token in the header Authorization: Bearer TOKEN.")
			p.headers = http.Header{"Www-Authenticate": {`Bearer realm="switchboard"`}}
			p.write(w)
		case err != nil:
			s.refuse(ctx, w, c, err)
		case answer.stream != nil:
			if err := answer.stream(w); err != nil {
				s.refuse(ctx, w, c, err)
			}
		case answer.body == nil:
			w.WriteHeader(answer.status)
		default:
			writeJSON(w, answer.status, "application/json", answer.body)
		}
	}
}

// endSpan ends the step of a request. One that was refused is no failure of ours.
func endSpan(span tracing.Span, r *http.Request, answer reply, err error) {
	status := answer.status
	switch {
	case brokenOff(r, err):
		status = statusGone
	case errors.Is(err, integration.ErrNoToken), errors.Is(err, staff.ErrNoSession):
		status = http.StatusUnauthorized
	case err != nil:
		status = problemOf(err).Status
	}
	span.Says(tracing.Status.Int(status))
	if status < http.StatusInternalServerError {
		err = nil
	}
	span.End(err)
}

// brokenOff says whether a request failed because its client went away, which is no failure of ours.
func brokenOff(r *http.Request, err error) bool {
	return errors.Is(err, context.Canceled) && r.Context().Err() != nil
}

// identify finds out who asks: a member of staff, or another system whose token has the
// route's scope.
func (c *call) identify(ctx context.Context, tx pgx.Tx, to route) error {
	c.tx = tx
	token, byCookie := sessionToken(c.http)
	if byCookie || !integration.IsToken(token) {
		if byCookie && crossSite(c.http) {
			return fail(http.StatusForbidden, typeNotAllowed, "A page of another site asked for this; use the tenant's own page.")
		}
		member, err := staff.OfToken(ctx, tx, token)
		if err != nil {
			return err
		}
		c.staff = member
		switch {
		case len(to.roles) == 0:
			return fail(http.StatusForbidden, typeNotAllowed, "This takes the token of another system, not a session; a supervisor makes one by POST /api/v1/integrations.")
		case !to.roles.Has(member.Role):
			return fail(http.StatusForbidden, typeNotAllowed, fmt.Sprintf("This is not for your role, %s, but for %s; ask one of them to do it, or a supervisor for another role.", member.Role, to.roles))
		case member.SecondFactor == staff.FactorNeeded && !to.first:
			return fail(http.StatusForbidden, typeNoFactor, "A second factor is required here, and you have none: set it up first, by POST /api/v1/me/second-factor.")
		}
		return nil
	}
	system, err := integration.OfToken(ctx, tx, token)
	if err != nil {
		return err
	}
	c.system = &system
	switch {
	case to.scope == "":
		return fail(http.StatusForbidden, typeNotAllowed, "This is for staff who are signed in, not for the token of another system.")
	case !system.May(to.scope):
		return fail(http.StatusForbidden, typeNotAllowed, "The token has not the scope "+string(to.scope)+"; have staff make one that has.")
	}
	return nil
}

// who is whose line it is in the access log; nil while nobody is known.
func (c *call) who() *uuid.UUID {
	switch {
	case c.system != nil:
		return &c.system.ID
	case c.staff.ID != uuid.Nil:
		return &c.staff.ID
	}
	return nil
}

// refuse answers an error. What the handler wrote was rolled back; that it was
// asked is logged by itself.
func (s *Server) refuse(ctx context.Context, w http.ResponseWriter, c *call, err error) {
	p := problemOf(err)
	if p.Status >= 500 {
		s.log.Error("a request failed", "route", c.http.Pattern, "status", p.Status, "error", err.Error())
	}
	if who := c.who(); who != nil && p.Status < 500 {
		if err := logAccess(ctx, s.pool, c.http, who, c.object, p.Status); err != nil {
			s.log.Error("the access log failed", "route", c.http.Pattern, "error", err.Error())
			p = problemOf(err)
		}
	}
	p.write(w)
}

// logAccess adds one line to the access log.
func logAccess(ctx context.Context, db staff.Querier, r *http.Request, who, object *uuid.UUID, status int) error {
	var ip any
	if a := httpserve.ClientIP(r); a.IsValid() {
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
