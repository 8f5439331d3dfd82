package standin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/switchboard-operator/switchboard/test/standin/files"
)

// maxBody bounds a request, in bytes.
const maxBody = 1 << 20

// Server is the stand-in. It is an http.Handler; serve it by HTTPS.
type Server struct {
	mux   *http.ServeMux
	calls sync.WaitGroup
	Media *files.Shelf    // of guests, and of staff
	ctx   context.Context // of the webhooks, until Close
	stop  context.CancelFunc

	mu       sync.Mutex
	numbers  map[string]Number
	faults   []*Fault
	outcomes map[string]Outcome
	messages []Message
	attempts []*Attempt
	webhooks []Webhook
	expired  map[string]bool // access tokens

	uploads   map[string]Upload
	templates map[string]int // the parameters of each, by name and language
}

// New makes a stand-in. Close ends its webhooks.
func New(numbers ...Number) *Server {
	s := &Server{mux: http.NewServeMux(), Media: files.New(), uploads: map[string]Upload{}, templates: map[string]int{}, numbers: map[string]Number{}, outcomes: map[string]Outcome{}, expired: map[string]bool{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for _, n := range numbers {
		s.numbers[n.PhoneNumberID] = n
	}
	s.mux.HandleFunc("POST /{version}/{number}/messages", s.send)
	s.mux.HandleFunc("POST /{version}/{number}/media", s.upload)
	s.mux.HandleFunc("GET /cdn/{word}", s.download)
	s.mux.HandleFunc("GET /{version}/{number}", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("phone_number_id") {
			s.medium(w, r)
			return
		}
		s.one(w, r)
	})
	s.mux.HandleFunc("POST /control/numbers", set(s.AddNumber))
	s.mux.HandleFunc("POST /control/faults", set(s.AddFault))
	s.mux.HandleFunc("POST /control/outcomes", set(s.SetOutcome))
	s.mux.HandleFunc("POST /control/inbound", set(s.Write))
	s.mux.HandleFunc("POST /control/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("GET /control/messages", get(s.Messages))
	s.mux.HandleFunc("GET /control/attempts", get(s.Attempts))
	s.mux.HandleFunc("GET /control/webhooks", get(s.Webhooks))
	return s
}

// Close ends the webhooks under way.
func (s *Server) Close() {
	s.stop()
	s.calls.Wait()
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// number gives the number of a request that bears its access token.
func (s *Server) number(w http.ResponseWriter, r *http.Request) (Number, bool) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	n, known := s.numbers[r.PathValue("number")]
	s.mu.Unlock()
	if !bearer || !known || subtle.ConstantTimeCompare([]byte(token), []byte(n.AccessToken)) != 1 {
		fail(w, http.StatusUnauthorized, 190, "Invalid OAuth access token")
		return n, false
	}
	return n, true
}

// one is the Graph API's "get a phone number".
func (s *Server) one(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	n, known := s.numbers[r.PathValue("number")]
	expired, anybodys := s.expired[token], false
	for _, other := range s.numbers {
		anybodys = anybodys || other.AccessToken == token
	}
	s.mu.Unlock()
	switch {
	case expired:
		failure(w, http.StatusBadRequest, 190, 463, "Error validating access token: Session has expired")
	case !anybodys:
		failure(w, http.StatusBadRequest, 190, 0, "Invalid OAuth access token")
	case !known || n.AccessToken != token:
		failure(w, http.StatusBadRequest, 100, 33, "Unsupported get request")
	default:
		answer(w, http.StatusOK, Object{"id": n.PhoneNumberID})
	}
}

// Expire ends an access token.
func (s *Server) Expire(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired[token] = true
}

// fail answers an error as the Graph API does.
func fail(w http.ResponseWriter, status, code int, message string) {
	failure(w, status, code, 0, message)
}

func failure(w http.ResponseWriter, status, code, subcode int, message string) {
	document := Object{"message": fmt.Sprintf("(#%d) %s", code, message), "type": "OAuthException", "code": code, "fbtrace_id": "A0"}
	if subcode != 0 {
		document["error_subcode"] = subcode
	}
	answer(w, status, Object{"error": document})
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // a client that went away can't be told
}

func set[T any](do func(T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		decoder := json.NewDecoder(io.LimitReader(r.Body, maxBody))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&in)
		if err == nil {
			err = do(in)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func get[T any](list func(to string) []T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, list(r.URL.Query().Get("to"))) }
}

// AddNumber adds a number, or replaces it.
func (s *Server) AddNumber(n Number) error {
	if n.PhoneNumberID == "" || n.BusinessAccountID == "" || n.AccessToken == "" || n.AppSecret == "" {
		return errors.New("a number needs phoneNumberID, businessAccountID, accessToken and appSecret")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[n.PhoneNumberID] = n
	return nil
}

// AddFault makes the next requests fail.
func (s *Server) AddFault(f Fault) error {
	f.Count = max(f.Count, 1)
	if f.Answer != "hang" && f.Answer != "drop" && (f.Answer != "status" || f.Status < 400 || f.Status > 599) {
		return errors.New("answer must be hang, drop, or status with a status from 400 to 599")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return nil
}

// SetOutcome says which statuses follow the messages to somebody.
func (s *Server) SetOutcome(o Outcome) error {
	if o.To == "" {
		return errors.New("an outcome needs to")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[o.To] = o
	return nil
}

// Reset forgets all but the numbers.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.messages, s.attempts, s.webhooks, s.outcomes = nil, nil, nil, nil, map[string]Outcome{}
}

// takeFault gives the oldest fault for somebody, and counts it down.
func (s *Server) takeFault(to string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.To == "" || f.To == to {
			if f.Count--; f.Count <= 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
			taken := *f
			return &taken
		}
	}
	return nil
}

// Messages lists what was accepted for somebody, oldest first; "" for all.
func (s *Server) Messages(to string) []Message {
	return listed(s, func() []Message { return s.messages }, func(m Message) bool { return to == "" || m.To == to })
}

// Attempts lists every request to send to somebody; "" for all.
func (s *Server) Attempts(to string) []Attempt {
	return listed(s, func() (all []Attempt) {
		for _, a := range s.attempts {
			all = append(all, *a)
		}
		return all
	}, func(a Attempt) bool { return to == "" || a.To == to })
}

// Webhooks lists the statuses of messages to somebody; "" for all.
func (s *Server) Webhooks(to string) []Webhook {
	return listed(s, func() []Webhook { return s.webhooks }, func(h Webhook) bool { return to == "" || h.To == to })
}

// listed copies rows, which are read under the lock.
func listed[T any](s *Server, rows func() []T, wanted func(T) bool) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []T{}
	for _, row := range rows() {
		if wanted(row) {
			found = append(found, row)
		}
	}
	return found
}
