package webchat

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

const (
	// maxOpening bounds the body of a request for a session, in bytes.
	maxOpening = 4 << 10
	// maxBrowser bounds what is kept of a browser's name, in characters; sb.web_chat_session takes no more.
	maxBrowser = 1024
	// openTimeout bounds what opening a session may ask of the database.
	openTimeout = 10 * time.Second
	// preflightAge is how long, in seconds, a browser may remember that it may ask.
	preflightAge = "600"
)

// openRequest asks for a session.
type openRequest struct {
	// UserID is the guest's on the client's site, and UserHash the site's signature of it: HMAC-SHA-256, in hexadecimal.
	UserID   string `json:"userId"`
	UserHash string `json:"userHash"`
}

// settings is what a guest may know before there is a session. Nothing is stored for being asked.
type settings struct {
	WelcomeText      string `json:"welcomeText,omitempty"`
	PrivacyNoticeURL string `json:"privacyNoticeURL"`
	// NoticeVersion is the newest version of the notice whose change was material; left out for a page without versions.
	NoticeVersion    int32 `json:"noticeVersion,omitempty"`
	MaxMessageLength int32 `json:"maxMessageLength"`
}

// settingsReply is the answer to who asks for them.
type settingsReply struct {
	settings
	Identity string `json:"identity"` // Enforced, Optional or None
}

// openReply is a session. The token is told this once.
type openReply struct {
	Token     string    `json:"token"`
	Session   uuid.UUID `json:"session"`
	ExpiresAt time.Time `json:"expiresAt"`
	Protocol  string    `json:"protocol"`
	SocketURL string    `json:"socketURL"`
	settings
}

// refusal is why there is no session.
type refusal struct {
	status int
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (r *refusal) Error() string { return r.Code }

// allowed says whether a page of this origin may open the chat, and tells its browser so. Origins
// are compared as they are: a browser sends one form alone.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("Vary", "Origin")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	origins := r.Header.Values("Origin")
	if len(origins) != 1 || !s.origins[origins[0]] {
		refuse(w, &refusal{http.StatusForbidden, "origin", "pages of this site may not open the chat: add its origin to spec.webChat.allowedOrigins of the Channel"})
		return false
	}
	h.Set("Access-Control-Allow-Origin", origins[0])
	return true
}

// preflight lets a page of an allowed site ask by a method, with headers. There are no cookies, and none are asked for.
func (s *Server) preflight(method, headers string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.allowed(w, r) {
			return
		}
		w.Header().Set("Access-Control-Allow-Methods", method)
		w.Header().Set("Access-Control-Allow-Headers", headers)
		w.Header().Set("Access-Control-Max-Age", preflightAge)
		w.WriteHeader(http.StatusNoContent)
	}
}

// told is what every guest is.
func (s *Server) told() settings {
	return settings{WelcomeText: s.channel.WelcomeText, PrivacyNoticeURL: s.channel.PrivacyNoticeURL, NoticeVersion: s.channel.NoticeVersion, MaxMessageLength: s.channel.MaxMessageLength}
}

// settings tells a page of an allowed site what to show before the guest writes.
func (s *Server) settings(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(settingsReply{s.told(), cmp.Or(s.channel.Identity, "None")}) // who went away can't be told
}

// open begins a session for a page of an allowed site.
func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r) {
		return
	}
	answer, err := s.begin(w, r)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		refuse(w, refused)
	case err != nil:
		s.log.Warn("a session was not opened", "error", err.Error())
		refuse(w, &refusal{http.StatusServiceUnavailable, codeUnavailable, "the session could not be opened; ask again later"})
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(answer) // who went away can't be told
	}
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request) (*openReply, error) {
	from := httpserve.ClientIP(r)
	if !s.opening.allow(blockOf(from), time.Now()) {
		return nil, &refusal{http.StatusTooManyRequests, codeTooFast, "too many sessions were opened from this address; wait a minute"}
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "media-type", "send JSON, with the header Content-Type: application/json"}
	}
	var asked openRequest
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOpening))
	if err != nil || json.Unmarshal(body, &asked) != nil {
		return nil, &refusal{http.StatusBadRequest, "malformed", "send a JSON object of at most 4 KiB, {} for a guest who is not signed in"}
	}
	session, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	guest, err := s.identify(asked, session)
	if err != nil {
		return nil, err
	}
	token, hash := newToken()
	ctx, cancel := context.WithTimeout(r.Context(), openTimeout)
	defer cancel()
	expires, err := s.store.Open(ctx, Opening{
		Session: session, Token: hash, Guest: guest, Lifetime: time.Duration(s.channel.SessionHours) * time.Hour, From: from, Browser: browserOf(r),
	})
	if err != nil {
		return nil, err
	}
	return &openReply{
		Token: token, Session: session, ExpiresAt: expires.UTC(), Protocol: Protocol, SocketURL: s.socketURL(), settings: s.told(),
	}, nil
}

// identify says who the guest is: a user of the client's site, when the site signed that, or the
// session.
func (s *Server) identify(asked openRequest, session uuid.UUID) (person.Address, error) {
	if asked.UserID == "" && asked.UserHash == "" {
		if s.channel.Identity == contract.IdentityEnforced {
			return person.Address{}, &refusal{http.StatusForbidden, "identity-required", "sign in on the site first: this chat takes userId and userHash alone"}
		}
		return person.ChatSession(s.name, session), nil
	}
	if s.channel.Identity == contract.IdentityNone {
		return person.Address{}, &refusal{http.StatusForbidden, "identity-not-taken", "this chat takes no userId: set spec.webChat.identity of the Channel"}
	}
	secret, err := s.secret()
	if err != nil {
		return person.Address{}, err
	}
	if !vouched(secret, asked.UserID, asked.UserHash) {
		return person.Address{}, &refusal{http.StatusForbidden, "identity-wrong", "userHash is not the site's signature of userId"}
	}
	guest, err := person.ChatUser(s.name, asked.UserID)
	if err != nil {
		return person.Address{}, &refusal{http.StatusBadRequest, "bad-user-id", "userId has 1 to 128 letters, digits and _ . : @ + | -"}
	}
	return guest, nil
}

func (s *Server) socketURL() string {
	return "wss" + strings.TrimPrefix(s.site.PublicURL, "https") + s.site.Prefix + contract.WebhookPath(contract.ChannelTypeWebChat) + "/socket"
}

// newToken makes a token of 256 random bits, and what is stored of it.
func newToken() (string, Hash) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	token := base64.RawURLEncoding.EncodeToString(b)
	return token, sha256.Sum256([]byte(token))
}

func browserOf(r *http.Request) string {
	name := strings.ReplaceAll(strings.ToValidUTF8(r.Header.Get("User-Agent"), "\uFFFD"), "\x00", "")
	if utf8.RuneCountInString(name) > maxBrowser {
		name = string([]rune(name)[:maxBrowser])
	}
	return name
}

func refuse(w http.ResponseWriter, r *refusal) {
	w.Header().Set("Content-Type", "application/json")
	if r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(r) // who went away can't be told
}
