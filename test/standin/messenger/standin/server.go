package standin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/switchboard-operator/switchboard/test/standin/files"
	graph "github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

const (
	maxBody     = 1 << 20
	maxText     = 2000 // characters
	maxMetadata = 1000
	window      = 24 * time.Hour
)

// Server is the stand-in. It is an http.Handler; serve it by HTTPS.
type Server struct {
	mux   *http.ServeMux
	Media *files.Shelf // of guests

	mu       sync.Mutex
	page     Page
	wrote    map[string]time.Time // guests, and when they last wrote
	faults   []Fault
	messages []Message
	attempts int
}

// New makes a stand-in with a page.
func New(page Page) *Server {
	s := &Server{mux: http.NewServeMux(), Media: files.New(), page: page, wrote: map[string]time.Time{}}
	s.mux.HandleFunc("POST /{version}/{page}/messages", s.send)
	// Who knows an address may fetch what is there, for a while; credentials are nobody's business here.
	s.mux.HandleFunc("GET /cdn/files/{word}", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			http.Error(w, "a token was sent to a CDN", http.StatusBadRequest)
			return
		}
		s.Media.Follow(w, r, r.PathValue("word"))
	})
	s.mux.HandleFunc("GET /{version}/me", func(w http.ResponseWriter, r *http.Request) {
		if page, ok := s.authorised(w, r); ok {
			answer(w, http.StatusOK, Object{"id": page.ID})
		}
	})
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// authorised gives the page of a request that bears its access token.
func (s *Server) authorised(w http.ResponseWriter, r *http.Request) (Page, bool) {
	s.mu.Lock()
	page := s.page
	s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+page.AccessToken {
		fail(w, http.StatusBadRequest, 190, 0)
		return page, false
	}
	return page, true
}

// request is what is sent, with all the members that a text may have.
type request struct {
	Recipient struct {
		ID string `json:"id"`
	} `json:"recipient"`
	Type    string `json:"messaging_type"`
	Message struct {
		Text       string `json:"text"`
		Metadata   string `json:"metadata"`
		Attachment *struct {
			Type    string   `json:"type"`
			Payload struct{} `json:"payload"`
		} `json:"attachment"`
	} `json:"message"`

	file []byte // of a form
}

// read reads JSON, or a form whose members are JSON, with a file.
func (q *request) read(r *http.Request) error {
	if r.Header.Get("Content-Type") == "application/json" {
		return strict(io.LimitReader(r.Body, maxBody), q)
	}
	if err := r.ParseMultipartForm(maxBody); err != nil { //nolint:gosec // of a test
		return err
	}
	q.Type = r.FormValue("messaging_type")
	f, _, err := r.FormFile("filedata")
	if err != nil {
		return err
	}
	if q.file, err = io.ReadAll(f); err != nil {
		return err
	}
	return errors.Join(strict(strings.NewReader(r.FormValue("recipient")), &q.Recipient), strict(strings.NewReader(r.FormValue("message")), &q.Message))
}

func strict(from io.Reader, into any) error {
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

var digits = regexp.MustCompile(`^[0-9]{5,32}$`)

func (q request) wrong() bool {
	return !digits.MatchString(q.Recipient.ID) || q.Type != "RESPONSE" || (q.Message.Text == "") == (q.Message.Attachment == nil) || (q.Message.Attachment == nil) != (q.file == nil) ||
		utf8.RuneCountInString(q.Message.Text) > maxText || len(q.Message.Metadata) > maxMetadata
}

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	page, ok := s.authorised(w, r)
	if !ok {
		return
	}
	var q request
	err := q.read(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	wrote, known := s.wrote[q.Recipient.ID]
	switch {
	case err != nil || q.wrong() || r.PathValue("page") != page.ID:
		fail(w, http.StatusBadRequest, 100, 0)
		return
	case !known:
		fail(w, http.StatusBadRequest, 100, 2018001)
		return
	case time.Since(wrote) > window:
		fail(w, http.StatusForbidden, 10, 2018278)
		return
	}
	var fault *Fault
	if len(s.faults) > 0 {
		fault, s.faults = &s.faults[0], s.faults[1:]
	}
	m := Message{ID: NewID(), To: q.Recipient.ID, Text: q.Message.Text, Metadata: q.Message.Metadata, File: q.file, At: time.Now()}
	if q.Message.Attachment != nil {
		m.Type = q.Message.Attachment.Type
	}
	if fault == nil || fault.Accept {
		s.messages = append(s.messages, m)
	}
	switch {
	case fault == nil:
		answer(w, http.StatusOK, Object{"recipient_id": m.To, "message_id": m.ID})
	case fault.Drop:
		panic(http.ErrAbortHandler) // net/http cuts the connection
	case fault.Code == 0:
		http.Error(w, http.StatusText(fault.Status), fault.Status)
	default:
		fail(w, fault.Status, fault.Code, fault.Subcode)
	}
}

// fail answers an error as the Graph API does.
func fail(w http.ResponseWriter, status, code, subcode int) {
	document := Object{"message": fmt.Sprintf("(#%d) a failure", code), "type": "OAuthException", "code": code, "fbtrace_id": "A0"}
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

// NewID makes an id of a message.
func NewID() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return "m_" + base64.RawURLEncoding.EncodeToString(b)
}

// SetPage replaces the page.
func (s *Server) SetPage(p Page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = p
}

// AddFault makes a request to send fail.
func (s *Server) AddFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// Wrote says when a guest wrote to the page last.
func (s *Server) Wrote(guest string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrote[guest] = at
}

// Messages lists what was accepted, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Attempts counts the requests to send that bore the page's token.
func (s *Server) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// Event is an entry of messaging: what content gives happened between a guest and a page.
func Event(from, to string, at time.Time, content Object) Object {
	e := Object{"sender": Object{"id": from}, "recipient": Object{"id": to}, "timestamp": at.UnixMilli()}
	for name, value := range content {
		e[name] = value
	}
	return e
}

// Text is a guest's text.
func (p Page) Text(guest, id, body string) Object {
	return Event(guest, p.ID, time.Now(), Object{"message": Object{"mid": id, "text": body}})
}

// Echo is what Meta tells of a message that the page has sent.
func (p Page) Echo(m Message) Object {
	return Event(p.ID, m.To, m.At, Object{"message": Object{"is_echo": true, "app_id": 1517776481860111, "mid": m.ID, "text": m.Text, "metadata": m.Metadata}})
}

// Payload is the body of a webhook, with characters beyond ASCII escaped as Meta does.
func (p Page) Payload(events ...Object) []byte {
	document, err := json.Marshal(Object{"object": "page", "entry": []Object{{"id": p.ID, "time": 1764010000000, "messaging": events}}})
	if err != nil {
		panic(err) // strings and maps: cannot happen
	}
	return graph.Escape(document)
}

// Deliver posts a signed webhook and gives the HTTP status of the answer. A guest whose message it brings may be written to.
func (s *Server) Deliver(ctx context.Context, events ...Object) (int, error) {
	s.mu.Lock()
	p := s.page
	for _, e := range events {
		from, _ := e["sender"].(Object)
		if id, _ := from["id"].(string); e["message"] != nil && id != p.ID && strings.Trim(id, "0123456789") == "" {
			s.wrote[id] = time.Now()
		}
	}
	s.mu.Unlock()
	body := p.Payload(events...)
	return graph.Post(ctx, graph.Number{WebhookURL: p.WebhookURL, Address: p.Address, CA: p.CA}, body, graph.Sign(p.AppSecret, body))
}
