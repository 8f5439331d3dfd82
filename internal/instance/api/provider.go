package api

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/openid"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/instance/web"
)

// attemptCookie holds an attempt to sign in by the provider, sealed: it comes back with the browser from there, which a Strict one
// would not.
const attemptCookie = "__Host-switchboard-sign-in"

// How long an attempt may take at the provider, and then until the code of the second factor is there.
const (
	attemptLife = 10 * time.Minute
	codeLife    = 5 * time.Minute
)

// Why the page is to say that a sign-in by the provider did not work: words of its own, behind the # of its address.
const (
	whyCode        = "code" // nothing is wrong: the second factor's is wanted
	whyLate        = "late"
	whyWait        = "wait"
	whyDeclined    = "declined"
	whyUnavailable = "unavailable"
	whyFailed      = "failed"
	whyUnverified  = "unverified"
	whyDomain      = "domain"
	whyUnknown     = "unknown"
	whyClosed      = "closed"
	whyLinked      = "linked"
)

// ways are how staff sign in here.
type ways struct {
	Password bool         `json:"password"`
	Provider *wayProvider `json:"provider"` // null: there is none
}

type wayProvider struct {
	Name string `json:"name"`
}

type begun struct {
	URL string `json:"url"` // at the provider, where the browser goes
}

// WithProvider has staff sign in by a provider besides, or by it alone; nil is none.
func (s *Server) WithProvider(p *openid.Provider) *Server {
	s.provider = p
	return s
}

func (s *Server) signInWays(w http.ResponseWriter, _ *http.Request) {
	all := ways{Password: true}
	if p := s.provider; p != nil && (p.Usable() || p.Required()) {
		all = ways{Password: !p.Required(), Provider: &wayProvider{p.Name()}}
	}
	writeJSON(w, http.StatusOK, "application/json", all)
}

// passwordRefused says that no password is taken here.
func (s *Server) passwordRefused() error {
	if s.provider == nil || !s.provider.Required() {
		return nil
	}
	return fail(http.StatusForbidden, typeProviderRequired, "Passwords are not taken here: sign in by "+s.provider.Name()+", on the page for staff.")
}

// beginProvider sends a browser to the provider. The session that it had ends, so that nobody goes on in one that somebody else began.
func (s *Server) beginProvider(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	address, err := s.tryBegin(ctx, w, r)
	if err != nil {
		s.answerProblem(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, "application/json", begun{address})
}

func (s *Server) tryBegin(ctx context.Context, w http.ResponseWriter, r *http.Request) (string, error) {
	if crossSite(r) {
		return "", fail(http.StatusForbidden, typeNotAllowed, "A page of another site asked for this; use the tenant's own page.")
	}
	if s.provider == nil {
		return "", fail(http.StatusNotFound, typeUnspecific, "Staff sign in by their passwords here; have the tenant's owner set spec.staffOIDC for another way.")
	}
	if err := s.mayTry(r); err != nil {
		return "", err
	}
	flow := openid.NewFlow()
	address, err := s.provider.Begin(ctx, flow)
	if err != nil {
		s.log.Warn("staff can't sign in by the provider", "error", err.Error())
		p := fail(http.StatusServiceUnavailable, typeUnavailable, s.provider.Name()+" can't be asked at present; try again in a minute, or tell who runs it.")
		p.retryAfter = time.Minute
		return "", p
	}
	s.ips.forgive(httpserve.ClientIP(r).String(), time.Now()) // many may begin from one house; what fails counts
	if before, err := r.Cookie(sessionCookie); err == nil {
		if err := staff.SignOut(ctx, s.pool, before.Value); err != nil {
			return "", err
		}
		dropCookie(w)
	}
	return address, s.keepAttempt(w, attempt{Flow: flow.Secret()}, attemptLife)
}

// mayTry bounds the attempts from an address; those that fail count.
func (s *Server) mayTry(r *http.Request) error {
	wait := s.ips.try(httpserve.ClientIP(r).String(), time.Now())
	if wait <= 0 {
		return nil
	}
	p := fail(http.StatusTooManyRequests, typeTooManyTries, "There were too many tries to sign in; wait as long as Retry-After says.")
	p.retryAfter = wait
	return p
}

func (s *Server) answerProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= 500 && p.Type != typeUnavailable {
		s.log.Error("a request failed", "route", r.Pattern, "status", p.Status, "error", err.Error())
	}
	p.write(w)
}

// returnFromProvider takes a browser that comes back, and sends it to the page for staff: signed in, or with a word of why not. It goes
// nowhere else, whatever its address says.
func (s *Server) returnFromProvider(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	r.Header.Del("Referer") // of the provider's page: not ours to keep
	why, who, status := "", (*uuid.UUID)(nil), http.StatusSeeOther
	member, err := s.tryReturn(ctx, w, r)
	switch {
	case err != nil:
		why, status = whyOf(err), http.StatusUnauthorized
		if errors.Is(err, openid.ErrUnavailable) || errors.Is(err, openid.ErrUntrusted) || why == whyFailed {
			s.log.Warn("a sign-in by the provider failed", "error", err.Error())
		}
	case member.SecondFactor == staff.FactorOn:
		why, who = whyCode, &member.ID
	default:
		who = &member.ID
	}
	if err := logAccess(ctx, s.pool, r, who, nil, status); err != nil {
		s.log.Error("the access log failed", "route", r.Pattern, "error", err.Error())
		dropCookie(w)
		why = whyFailed
	}
	to := web.InboxPath
	if why != "" {
		to += "#sign-in=" + why
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

func (s *Server) tryReturn(ctx context.Context, w http.ResponseWriter, r *http.Request) (staff.Member, error) {
	if s.provider == nil {
		return staff.Member{}, openid.ErrUnavailable
	}
	if err := s.mayTry(r); err != nil {
		return staff.Member{}, err
	}
	a, err := s.takeAttempt(w, r)
	if err != nil {
		return staff.Member{}, err
	}
	flow, ok := openid.FlowOf(a.Flow)
	if !ok {
		return staff.Member{}, errNoAttempt
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return staff.Member{}, openid.ErrUntrusted
	}
	person, err := s.provider.Finish(ctx, flow, query)
	if err != nil {
		return staff.Member{}, err
	}
	var member staff.Member
	var session staff.Session
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if member, err = staff.Identify(ctx, tx, person); err != nil || member.SecondFactor == staff.FactorOn {
			return err
		}
		session, err = staff.Begin(ctx, tx, member)
		return err
	})
	if err != nil {
		return staff.Member{}, err
	}
	s.ips.forgive(httpserve.ClientIP(r).String(), time.Now())
	if member.SecondFactor == staff.FactorOn {
		return member, s.keepAttempt(w, attempt{Account: &member.ID}, codeLife)
	}
	setCookie(w, session.Token, int(time.Until(session.ExpiresAt).Seconds()))
	return member, nil
}

// whyOf is the word for the page.
func whyOf(err error) string {
	var p *problem
	if errors.As(err, &p) && p.Status == http.StatusTooManyRequests {
		return whyWait
	}
	for of, why := range map[error]string{
		errNoAttempt: whyLate, openid.ErrDeclined: whyDeclined, openid.ErrUnavailable: whyUnavailable, openid.ErrUnverified: whyUnverified,
		openid.ErrDomain: whyDomain, staff.ErrUnknown: whyUnknown, staff.ErrClosed: whyClosed, staff.ErrLinked: whyLinked,
	} {
		if errors.Is(err, of) {
			return why
		}
	}
	return whyFailed
}

// signInCode makes a session for whom the provider has signed in, and who has the code of the second factor too.
func (s *Server) signInCode(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	session, err := s.tryCode(ctx, w, r)
	status, who := http.StatusCreated, (*uuid.UUID)(nil)
	if err != nil {
		status = problemOf(err).Status
	} else {
		who = &session.Staff.ID
	}
	if status == http.StatusCreated || status == http.StatusUnauthorized {
		if failed := logAccess(ctx, s.pool, r, who, nil, status); failed != nil {
			err = fmt.Errorf("logging an access: %w", failed)
		}
	}
	if err != nil {
		s.answerProblem(w, r, err)
		return
	}
	s.dropAttempt(w)
	setCookie(w, session.Token, int(time.Until(session.ExpiresAt).Seconds()))
	writeJSON(w, status, "application/json", browserSession{session.ExpiresAt, session.Staff})
}

func (s *Server) tryCode(ctx context.Context, w http.ResponseWriter, r *http.Request) (staff.Session, error) {
	if crossSite(r) {
		return staff.Session{}, fail(http.StatusForbidden, typeNotAllowed, "A page of another site asked for this; use the tenant's own page.")
	}
	var in codeRequest
	if err := decode(w, r, &in); err != nil {
		return staff.Session{}, err
	}
	if err := checkText("code", in.Code, 6, maxCode); err != nil {
		return staff.Session{}, err
	}
	late := fail(http.StatusUnauthorized, typeNoSession, "The sign-in took too long; begin again.")
	a, err := s.readAttempt(r)
	if err != nil || a.Account == nil {
		return staff.Session{}, late
	}
	member, err := staff.Open(ctx, s.pool, *a.Account)
	if errors.Is(err, staff.ErrClosed) {
		return staff.Session{}, late
	}
	if err != nil {
		return staff.Session{}, err
	}
	now := time.Now()
	if err := s.mayGuess(member, now); err != nil {
		return staff.Session{}, err
	}
	keys, err := s.keys()
	if err != nil {
		return staff.Session{}, err
	}
	err = staff.UseCode(ctx, s.pool, keys, member.ID, in.Code)
	if errors.Is(err, staff.ErrWrongCode) {
		return staff.Session{}, fail(http.StatusUnauthorized, typeWrongCode, "The code is wrong, too old or was used; wait for the next one.")
	}
	if err != nil {
		return staff.Session{}, err
	}
	s.emails.forgive(member.Email, now)
	return staff.Begin(ctx, s.pool, member)
}

// unlinkAccount ends an account's link, so that somebody else at the provider who has its address now may be linked to it.
func unlinkAccount(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "account")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	found, err := staff.Unlink(ctx, c.tx, id)
	if err == nil && !found {
		err = notFound("link to a provider")
	}
	return reply{status: http.StatusNoContent}, err
}

// attempt is one to sign in by the provider: first the flow, then, of whom it has signed in, the account whose code is wanted.
type attempt struct {
	Flow    []byte     `json:"flow,omitempty"`
	Account *uuid.UUID `json:"account,omitempty"`
	Until   time.Time  `json:"until"`
}

var errNoAttempt = errors.New("the browser has begun no sign-in, or too long ago")

// attemptSeal seals attempts by the tenant's newest key, so that any replica opens them and nobody else does.
func (s *Server) attemptSeal() (cipher.AEAD, error) {
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	_, version := keys.Hash("", "")
	derived, err := hkdf.Key(sha256.New, keys.Versions()[version], nil, "switchboard/sign-in/v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *Server) keepAttempt(w http.ResponseWriter, a attempt, life time.Duration) error {
	seal, err := s.attemptSeal()
	if err != nil {
		return fmt.Errorf("sealing an attempt to sign in: %w", err)
	}
	a.Until = time.Now().Add(life)
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("sealing an attempt to sign in: %w", err)
	}
	sealed := seal.Seal(nil, nil, text, []byte(attemptCookie)) //nolint:gosec // the AEAD makes a random nonce of its own
	s.setAttempt(w, base64.RawURLEncoding.EncodeToString(sealed), int(life.Seconds()))
	return nil
}

// takeAttempt reads the attempt of a browser, which counts once: the browser gives it up.
func (s *Server) takeAttempt(w http.ResponseWriter, r *http.Request) (attempt, error) {
	s.dropAttempt(w)
	return s.readAttempt(r)
}

func (s *Server) readAttempt(r *http.Request) (attempt, error) {
	var a attempt
	c, err := r.Cookie(attemptCookie)
	if err != nil {
		return a, errNoAttempt
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return a, errNoAttempt
	}
	seal, err := s.attemptSeal()
	if err != nil {
		return a, fmt.Errorf("opening an attempt to sign in: %w", err)
	}
	text, err := seal.Open(nil, nil, sealed, []byte(attemptCookie))
	if err != nil || json.Unmarshal(text, &a) != nil || time.Now().After(a.Until) {
		return attempt{}, errNoAttempt
	}
	return a, nil
}

func (s *Server) dropAttempt(w http.ResponseWriter) { s.setAttempt(w, "", -1) }

func (s *Server) setAttempt(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: attemptCookie, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
