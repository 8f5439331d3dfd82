package standin

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/switchboard-operator/switchboard/test/standin/files"
)

// maxBody bounds a request, in bytes.
const maxBody = 1 << 20

// Server is the stand-in. It is an http.Handler; serve it by HTTPS.
type Server struct {
	Media    *files.Shelf // of guests
	mu       sync.Mutex
	bots     []Bot
	webhooks map[string]Webhook // by token
	chats    map[int64]bool     // begun by their guests
	blocked  map[int64]string   // with the sentence that a send meets
	faults   []Fault
	messages []Message
	attempts []Attempt
	calls    []string // methods
	updates  int64    // the last one's number
	numbers  int64    // the last message's
}

// New makes a stand-in with bots.
func New(bots ...Bot) *Server {
	return &Server{Media: files.New(), bots: bots, webhooks: map[string]Webhook{}, chats: map[int64]bool{}, blocked: map[int64]string{}, updates: 810_000_000, numbers: 40}
}

var path = regexp.MustCompile(`^/bot([0-9]+:[A-Za-z0-9_-]+)/([A-Za-z]+)$`)

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if at := filePath.FindStringSubmatch(r.URL.Path); at != nil {
		s.download(w, r, at[1], at[2])
		return
	}
	at := path.FindStringSubmatch(r.URL.Path)
	if at == nil {
		fail(w, http.StatusNotFound, "Not Found", 0)
		return
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.bots, func(b Bot) bool { return subtle.ConstantTimeCompare([]byte(b.Token), []byte(at[1])) == 1 })
	if i < 0 {
		s.mu.Unlock()
		fail(w, http.StatusUnauthorized, "Unauthorized", 0)
		return
	}
	bot := s.bots[i]
	s.calls = append(s.calls, at[2])
	s.mu.Unlock()
	given, err := parameters(r)
	if err != nil {
		fail(w, http.StatusBadRequest, "Bad Request: can't parse parameters", 0)
		return
	}
	switch at[2] {
	case "getMe":
		answer(w, Object{"id": bot.ID, "is_bot": true, "first_name": bot.Username, "username": bot.Username})
	case "setWebhook":
		s.setWebhook(w, bot, given)
	case "deleteWebhook":
		s.deleteWebhook(w, bot, given)
	case "getWebhookInfo":
		s.mu.Lock()
		hook := s.webhooks[bot.Token]
		s.mu.Unlock()
		answer(w, Object{"url": hook.URL, "has_custom_certificate": false, "pending_update_count": 0, "allowed_updates": hook.Allowed})
	case "sendMessage":
		s.send(w, r, given)
	case "sendPhoto", "sendDocument":
		s.sendFile(w, r, strings.ToLower(strings.TrimPrefix(at[2], "send")), given)
	case "getFile":
		s.getFile(w, given)
	default:
		fail(w, http.StatusNotFound, "Not Found: method not found", 0)
	}
}

// parameters reads those of JSON and of forms. In forms each is text or JSON.
func parameters(r *http.Request) (map[string]json.RawMessage, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	given := map[string]json.RawMessage{}
	if kind == "application/json" {
		return given, json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&given)
	}
	if kind == "multipart/form-data" {
		if err := r.ParseMultipartForm(maxBody); err != nil && !errors.Is(err, io.EOF) { //nolint:gosec // of a test
			if r.MultipartForm == nil && strings.Contains(err.Error(), "EOF") { // no part at all
				return given, nil
			}
			return nil, err
		}
	} else if err := r.ParseForm(); err != nil {
		return nil, err
	}
	for name, values := range r.Form {
		raw := json.RawMessage(values[0])
		if !json.Valid(raw) || name == "text" || name == "caption" || name == "url" || name == "secret_token" {
			raw, _ = json.Marshal(values[0])
		}
		given[name] = raw
	}
	return given, nil
}

// read takes a parameter out of those given; false when it is of another type.
func read(given map[string]json.RawMessage, name string, into any) bool {
	raw, is := given[name]
	delete(given, name)
	return !is || json.Unmarshal(raw, into) == nil
}

func answer(w http.ResponseWriter, result any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Object{"ok": true, "result": result}) // a client that went away can't be told
}

// fail answers an error as the Bot API does.
func fail(w http.ResponseWriter, status int, description string, retryAfter int) {
	document := Object{"ok": false, "error_code": status, "description": description}
	if retryAfter > 0 {
		document["parameters"] = Object{"retry_after": retryAfter}
		document["description"] = fmt.Sprintf("Too Many Requests: retry after %d", retryAfter)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}

// SetBots replaces the bots: a token is revoked by leaving it out.
func (s *Server) SetBots(bots ...Bot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bots = bots
}

// AddFault makes a request to send fail.
func (s *Server) AddFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// Begin lets a chat be written to, as it is once its guest has written.
func (s *Server) Begin(chat int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chats[chat] = true
}

// Block has every message to a chat refused with 403 and a sentence; "" ends that.
func (s *Server) Block(chat int64, sentence string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked[chat] = sentence
}

// Webhook tells where the updates of a bot go.
func (s *Server) Webhook(token string) Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.webhooks[token]
}

// Messages lists what was taken for a chat, oldest first.
func (s *Server) Messages(chat int64) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.messages), func(m Message) bool { return m.ChatID != chat })
}

// Attempts lists every request to send to a chat.
func (s *Server) Attempts(chat int64) []Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.attempts), func(a Attempt) bool { return a.ChatID != chat })
}

// Calls counts the calls of a method that bore a bot's token.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(s.calls), func(c string) bool { return c != method }))
}
