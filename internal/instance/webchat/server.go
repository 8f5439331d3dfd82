// Package webchat is a chat in a guest's browser: it opens sessions for pages of the client's
// sites, and speaks to browsers by web sockets. It keeps nothing: what is written is in the
// database before it is acknowledged, and what is shown is read from there.
package webchat

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/web"
)

// Limits bound what browsers may ask of one connector. Zero fields mean the numbers beside them.
type Limits struct {
	Sockets        int           // 2,500 at once
	PerSession     int           // 5 sockets of one session
	Messages       int           // 20 of a session at once, then one a second
	Frames         int           // 60 of a socket at once, then ten a second
	Uploads        int           // 10 files of a session at once, then one every ten seconds
	Asking         int           // 60 requests for files from one address at once, then two a second
	Openings       int           // 30 sessions from one address at once, then one every two seconds
	HelloTimeout   time.Duration // 10 s from the socket's opening to the token
	WriteTimeout   time.Duration // 10 s for a browser to take what is written
	PingEvery      time.Duration // 30 s
	HeartbeatEvery time.Duration // 30 s between looks whether sessions have ended
}

func (l *Limits) defaults() {
	for number, is := range map[*int]int{&l.Sockets: 2500, &l.PerSession: 5, &l.Messages: 20, &l.Frames: 60, &l.Openings: 30, &l.Uploads: 10, &l.Asking: 60} {
		if *number == 0 {
			*number = is
		}
	}
	for d, is := range map[*time.Duration]time.Duration{
		&l.HelloTimeout: 10 * time.Second, &l.WriteTimeout: 10 * time.Second, &l.PingEvery: 30 * time.Second, &l.HeartbeatEvery: 30 * time.Second,
	} {
		if *d == 0 {
			*d = is
		}
	}
}

// How fast the buckets of Limits fill again.
const (
	messageEvery = time.Second
	frameEvery   = 100 * time.Millisecond
	openingEvery = 2 * time.Second
	uploadEvery  = 10 * time.Second
	askingEvery  = 500 * time.Millisecond
)

// Server is a channel's chat.
type Server struct {
	name    string
	channel contract.WebChat
	site    provider.Site
	store   Store
	log     *slog.Logger
	limits  Limits
	origins map[string]bool
	opening *gate[netip.Prefix]
	asking  *gate[netip.Prefix] // for files
	uploads *gate[Hash]
	up      *slots        // files on their way in, at most one of a session
	down    *slots        // and out
	wake    chan struct{} // has the heartbeat look now

	mu       sync.Mutex
	sockets  map[*socket]bool // all, those without a session too; true once it can be closed
	contacts map[uuid.UUID]map[*socket]struct{}
	sessions map[Hash]*rate.Limiter // messages of those that are here
	closed   bool
}

// New makes a chat and checks what can be checked without the database. Attach it before use.
func New(name string, channel contract.WebChat, site provider.Site) (*Server, error) {
	s := &Server{
		name: name, channel: channel, site: site, origins: map[string]bool{}, wake: make(chan struct{}, 1),
		sockets: map[*socket]bool{}, contacts: map[uuid.UUID]map[*socket]struct{}{}, sessions: map[Hash]*rate.Limiter{},
		up: newSlots(maxUploads, 1), down: newSlots(maxDownloads, sessionDownloads),
	}
	if len(channel.AllowedOrigins) == 0 {
		return nil, errors.New("a web chat needs allowedOrigins: the sites whose pages may open it")
	}
	for _, origin := range channel.AllowedOrigins {
		if err := provider.CheckOrigin("allowedOrigins", origin); err != nil {
			return nil, err
		}
		s.origins[origin] = true
	}
	switch {
	case channel.MaxMessageLength < 1 || channel.MaxMessageLength > contract.MaxChatMessage:
		return nil, fmt.Errorf("a web chat needs maxMessageLength from 1 to %d characters", contract.MaxChatMessage)
	case channel.SessionHours < 1 || channel.SessionHours > contract.MaxSessionHours:
		return nil, fmt.Errorf("a web chat needs sessionHours from 1 to %d", contract.MaxSessionHours)
	case channel.Identity != contract.IdentityNone && channel.Identity != contract.IdentityOptional && channel.Identity != contract.IdentityEnforced:
		return nil, fmt.Errorf("identity is %q; use %s or %s, or leave it out", channel.Identity, contract.IdentityOptional, contract.IdentityEnforced)
	}
	if channel.Identity != contract.IdentityNone {
		if _, err := s.secret(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Attach gives the chat what it works with.
func (s *Server) Attach(store Store, log *slog.Logger, limits Limits) {
	limits.defaults()
	s.store, s.log, s.limits = store, log, limits
	s.opening = newGate[netip.Prefix](openingEvery, limits.Openings)
	s.asking = newGate[netip.Prefix](askingEvery, limits.Asking)
	s.uploads = newGate[Hash](uploadEvery, limits.Uploads)
}

// secret is what the client's site signs user ids with. It is read whenever it is needed, so that
// a rotation needs no restart.
func (s *Server) secret() ([]byte, error) {
	secret, err := s.site.Credential(contract.FileIdentitySecret)
	if err == nil && len(secret) < contract.MinIdentitySecret {
		err = fmt.Errorf("reading the channel's credentials: the key %s of the Secret that the Channel names has less than %d bytes",
			contract.FileIdentitySecret, contract.MinIdentitySecret)
	}
	return []byte(secret), err
}

// vouched tells whether the client's site signed a user id, in a time that says nothing of how
// much of it is right.
func vouched(secret []byte, user, signature string) bool {
	given, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(user))
	return hmac.Equal(given, mac.Sum(nil))
}

// Webhooks: there is nobody but the guest.
func (s *Server) Webhooks() []provider.Webhook { return nil }

// Addresses is the guest's here alone.
func (s *Server) Addresses(to string) []person.Address {
	return []person.Address{{Kind: contract.KindWebChat, Value: to}}
}

// Send puts a message into its thread, where the guest's browser finds it now or when it comes back.
func (s *Server) Send(ctx context.Context, out provider.Outgoing) (provider.Sent, error) {
	released, err := s.store.Release(ctx, out.Key)
	switch {
	case err != nil:
		return provider.Sent{}, &provider.UnknownError{Cause: err}
	case !released:
		return provider.Sent{}, &provider.UnknownError{Cause: errors.New("the message is not there to be sent")}
	}
	return provider.Sent{ID: releasedID(out.ID)}, nil
}

// releasedID is what sb.web_chat_release binds a message to. No browser's own id has a dot.
func releasedID(message uuid.UUID) string { return "m." + message.String() }

// Sent finds nothing: what was released bears its id, in the same transaction, so that what bears none was not.
func (s *Server) Sent(context.Context, string, string, time.Time) ([]provider.Sent, error) {
	return nil, nil
}

// Check says whether the identity secret, where there is one, can be used. There is nobody else to ask.
func (s *Server) Check(context.Context) error {
	if s.channel.Identity == contract.IdentityNone {
		return nil
	}
	if _, err := s.secret(); err != nil {
		return &provider.CredentialsError{Problem: contract.ProblemUnreadable}
	}
	return nil
}

// Handler serves what is below the channel's prefix.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	path := s.site.Prefix + contract.WebhookPath(contract.ChannelTypeWebChat)
	mux.Handle("GET "+path+"/widget.js", web.Widget())
	mux.HandleFunc("GET "+path+"/settings", s.settings)
	mux.HandleFunc("OPTIONS "+path+"/sessions", s.preflight(http.MethodPost, "Content-Type"))
	mux.HandleFunc("POST "+path+"/sessions", s.open)
	mux.HandleFunc("GET "+path+"/socket", s.accept)
	mux.HandleFunc("OPTIONS "+path+"/files", s.preflight(http.MethodPost, "Authorization, Content-Type, "+headerMessage+", "+headerName))
	mux.HandleFunc("POST "+path+"/files", s.upload)
	mux.HandleFunc("OPTIONS "+path+"/files/{id}", s.preflight(http.MethodGet, "Authorization"))
	mux.HandleFunc("GET "+path+"/files/{id}", s.download)
	return mux
}
