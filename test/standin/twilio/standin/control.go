package standin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// control serves what package documentation lists.
func (s *Server) control() {
	s.mux.HandleFunc("POST /control/accounts", set(s.AddAccount))
	s.mux.HandleFunc("POST /control/routes", set(s.AddRoute))
	s.mux.HandleFunc("POST /control/faults", set(s.AddFault))
	s.mux.HandleFunc("POST /control/outcomes", set(s.SetOutcome))
	s.mux.HandleFunc("POST /control/optouts", set(s.SetOptOut))
	s.mux.HandleFunc("POST /control/inbound", func(w http.ResponseWriter, r *http.Request) {
		in, err := decode[Inbound](r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d, err := s.Deliver(r, in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, http.StatusOK, d)
	})
	s.mux.HandleFunc("POST /control/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("GET /control/messages", get(s.Messages))
	s.mux.HandleFunc("GET /control/counts", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, s.Counts(r.URL.Query().Get("to")))
	})
	s.mux.HandleFunc("GET /control/attempts", get(s.Attempts))
	s.mux.HandleFunc("GET /control/lookups", get(s.Lookups))
	s.mux.HandleFunc("GET /control/callbacks", get(s.Callbacks))
}

func set[T any](do func(T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in, err := decode[T](r)
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
	return func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, list(r.URL.Query().Get("to")))
	}
}

func decode[T any](r *http.Request) (T, error) {
	var in T
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxForm))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return in, fmt.Errorf("reading the request: %w", err)
	}
	return in, nil
}

// AddAccount adds an account, or replaces it.
func (s *Server) AddAccount(a Account) error {
	if a.SID == "" || a.AuthToken == "" || len(a.Numbers)+len(a.MessagingServices) == 0 {
		return errors.New(`an account needs sid, authToken, and numbers or messagingServices; numbers ["*"] allows any`)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[a.SID] = a
	return nil
}

// AddRoute says where a host is.
func (s *Server) AddRoute(r Route) error {
	if r.Host == "" || r.Address == "" {
		return errors.New("a route needs host and address")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.routes[r.Host+r.Path] = r
	return nil
}

// AddFault makes the next requests fail.
func (s *Server) AddFault(f Fault) error {
	if f.Operation == "" {
		f.Operation = "send"
	}
	f.Count = max(f.Count, 1)
	switch {
	case f.Operation != "send" && f.Operation != "list":
		return errors.New("operation must be send or list")
	case f.Answer != "status" && f.Answer != "hang" && f.Answer != "drop":
		return errors.New("answer must be status, hang or drop")
	case f.Answer == "status" && (f.Status < 400 || f.Status > 599):
		return errors.New("answer status needs a status from 400 to 599")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return nil
}

// SetOutcome says what callbacks report of messages to a number.
func (s *Server) SetOutcome(o Outcome) error {
	switch {
	case o.To == "":
		return errors.New("an outcome needs to")
	case o.Retries < 0 || o.Retries > 5:
		return errors.New("retries must be from 0 to 5")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[o.To] = o
	return nil
}

// Reset forgets everything but accounts and routes, and ends the callbacks under way.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.faults, s.messages, s.attempts, s.lookups, s.callbacks = nil, nil, nil, nil, nil
	s.outcomes, s.blocked = map[string]Outcome{}, map[OptOut]bool{}
}

// listed copies the entries of a number, "" for all. rows is read under the lock.
func listed[T any](s *Server, rows func() []*T, number func(*T) string, to string) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []T{}
	for _, row := range rows() {
		if to == "" || number(row) == to {
			found = append(found, *row)
		}
	}
	return found
}

// Messages lists what was accepted for a number, oldest first; "" for all.
func (s *Server) Messages(to string) []Message {
	return listed(s, func() []*Message { return s.messages }, func(m *Message) string { return m.To }, to)
}

// Counts tells how often each body was accepted for a number; "" for all.
func (s *Server) Counts(to string) map[string]int {
	counts := map[string]int{}
	for _, m := range s.Messages(to) {
		counts[m.Body]++
	}
	return counts
}

// Attempts lists the requests to send to a number.
func (s *Server) Attempts(to string) []Attempt {
	return listed(s, func() []*Attempt { return s.attempts }, func(a *Attempt) string { return a.To }, to)
}

// Lookups lists the requests for the list of messages to a number.
func (s *Server) Lookups(to string) []Lookup {
	return listed(s, func() []*Lookup { return s.lookups }, func(l *Lookup) string { return l.To }, to)
}

// Callbacks lists what was reported of messages to a number.
func (s *Server) Callbacks(to string) []Callback {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []Callback{}
	for _, c := range s.callbacks {
		if to == "" || c.To == to {
			found = append(found, c)
		}
	}
	return found
}

// Deliver signs a guest's message and posts it to its tenant.
func (s *Server) Deliver(r *http.Request, in Inbound) (Delivered, error) {
	public, err := url.Parse(in.PublicURL)
	if err != nil || public.Scheme != "https" || public.Host == "" || !strings.HasPrefix(in.Path, "/") {
		return Delivered{}, errors.New("an inbound message needs publicURL, an https origin, and path")
	}
	s.mu.Lock()
	account, known := s.accounts[in.Account]
	s.mu.Unlock()
	route, routed := s.route(public.Host, in.Path)
	if in.Address != "" {
		route, routed = Route{Host: public.Host, Address: in.Address, CA: in.CA}, true
	}
	if !known || !routed {
		return Delivered{}, errors.New("an inbound message needs a known account, and a route or an address")
	}
	if in.SID == "" {
		in.SID = newSID("SM")
	}
	s.heed(in)
	form := url.Values{
		"MessageSid": {in.SID}, "SmsSid": {in.SID}, "SmsMessageSid": {in.SID}, "AccountSid": {account.SID},
		"From": {in.From}, "To": {in.To}, "Body": {in.Body}, "NumMedia": {"0"}, "NumSegments": {"1"},
		"SmsStatus": {"received"}, "ApiVersion": {"2010-04-01"},
	}
	for k, v := range in.Extra {
		form.Set(k, v)
	}
	return deliver(r.Context(), route, in.PublicURL+in.Path, form, account.AuthToken), nil
}
