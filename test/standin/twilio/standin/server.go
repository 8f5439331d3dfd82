package standin

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/switchboard-operator/switchboard/test/standin/files"
)

const defaultCallbackDelay = 200 * time.Millisecond

// Server is the stand-in. It is an http.Handler; serve it by HTTPS.
type Server struct {
	mux   *http.ServeMux
	delay time.Duration
	calls sync.WaitGroup
	Media *files.Shelf // of guests

	mu        sync.Mutex
	ctx       context.Context // of the callbacks, until Close or the next Reset
	stop      context.CancelFunc
	accounts  map[string]Account
	routes    map[string]Route // by host and path
	faults    []*Fault
	outcomes  map[string]Outcome
	blocked   map[OptOut]bool
	messages  []*Message
	attempts  []*Attempt
	lookups   []*Lookup
	callbacks []Callback
}

// New makes a stand-in. Close ends its callbacks.
func New(c Config) *Server {
	s := &Server{
		mux: http.NewServeMux(), Media: files.New(), delay: time.Duration(c.CallbackDelay) * time.Millisecond,
		accounts: map[string]Account{}, routes: map[string]Route{}, outcomes: map[string]Outcome{}, blocked: map[OptOut]bool{},
	}
	if s.delay == 0 {
		s.delay = defaultCallbackDelay
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for _, a := range c.Accounts {
		s.accounts[a.SID] = a
	}
	for _, r := range c.Routes {
		s.routes[r.Host+r.Path] = r
	}
	s.mux.HandleFunc("GET /2010-04-01/Accounts/{file}", s.account)
	s.mux.HandleFunc("POST /2010-04-01/Accounts/{account}/Messages.json", s.authorised(s.send))
	s.mux.HandleFunc("GET /2010-04-01/Accounts/{account}/Messages.json", s.authorised(s.list))
	s.mux.HandleFunc("GET /2010-04-01/Accounts/{account}/Messages/{file}", s.authorised(s.one))
	s.mux.HandleFunc("GET /2010-04-01/Accounts/{account}/Messages/{message}/Media/{media}", s.authorised(s.media))
	s.mux.HandleFunc("GET /cdn/{word}", func(w http.ResponseWriter, r *http.Request) { s.Media.Follow(w, r, r.PathValue("word")) })
	s.mux.HandleFunc("/2010-04-01/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, 20404, "The requested resource was not found")
	})
	s.control()
	return s
}

// Close ends the callbacks under way.
func (s *Server) Close() {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.calls.Wait()
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// authorised checks HTTP Basic credentials as Twilio does: the account's SID and auth token.
func (s *Server) authorised(next func(http.ResponseWriter, *http.Request, Account)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		s.mu.Lock()
		account, known := s.accounts[user]
		s.mu.Unlock()
		if !known || subtle.ConstantTimeCompare([]byte(password), []byte(account.AuthToken)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="Twilio API"`)
			fail(w, http.StatusUnauthorized, 20003, "Authenticate")
			return
		}
		if r.PathValue("account") != account.SID {
			fail(w, http.StatusNotFound, 20404, fmt.Sprintf("The requested resource %s was not found", r.URL.Path))
			return
		}
		next(w, r, account)
	}
}

// account is Twilio's "fetch an Account resource".
func (s *Server) account(w http.ResponseWriter, r *http.Request) {
	sid, _ := strings.CutSuffix(r.PathValue("file"), ".json")
	r.SetPathValue("account", sid)
	s.authorised(func(w http.ResponseWriter, r *http.Request, a Account) {
		if a.Status == "elsewhere" {
			fail(w, http.StatusNotFound, 20404, fmt.Sprintf("The requested resource %s was not found", r.URL.Path))
			return
		}
		answer(w, http.StatusOK, map[string]any{"sid": a.SID, "status": cmp.Or(a.Status, "active"), "type": "Full", "friendly_name": "a stand-in"})
	})(w, r)
}

// route finds the way to a URL: of the routes of its host the one with the longest path.
func (s *Server) route(host, path string) (found Route, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.routes {
		if r.Host == host && strings.HasPrefix(path, r.Path) && (!known || len(r.Path) > len(found.Path)) {
			found, known = r, true
		}
	}
	return found, known
}

// fail answers an error as Twilio does.
func fail(w http.ResponseWriter, status, code int, message string) {
	answer(w, status, map[string]any{
		"code": code, "message": message, "more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", code), "status": status,
	})
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // a client that went away can't be told
}

// takeFault gives the oldest fault for an operation on a number, and counts it down.
func (s *Server) takeFault(operation, to string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Operation == operation && (f.To == "" || f.To == to) {
			if f.Count--; f.Count <= 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
			taken := *f
			return &taken
		}
	}
	return nil
}

// meet answers as a fault says, and gives the HTTP status, 0 for none.
func (f *Fault) meet(w http.ResponseWriter, r *http.Request, record func(status, code int)) {
	switch f.Answer {
	case "hang":
		record(0, 0)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case "drop":
		record(0, 0)
		panic(http.ErrAbortHandler) // net/http cuts the connection
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(f.RetryAfter))
		}
		record(f.Status, f.Code)
		if f.Code == 0 {
			http.Error(w, http.StatusText(f.Status), f.Status)
			return
		}
		fail(w, f.Status, f.Code, "a fault set by the test")
	}
}

// newSID makes an id as Twilio's: two letters and 32 hexadecimal digits.
func newSID(prefix string) string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return prefix + hex.EncodeToString(b)
}
