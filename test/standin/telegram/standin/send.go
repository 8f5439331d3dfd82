package standin

import (
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf16"
)

// maxText is the longest text, in UTF-16 code units.
const maxText = 4096

// sendable are the parameters that a text may have, as far as the stand-in knows them.
type sendable struct {
	chat    int64
	text    string
	preview struct {
		Disabled bool `json:"is_disabled"`
	}
}

// wrong says what is wrong with a request, "" for nothing.
func (q *sendable) wrong(given map[string]json.RawMessage) string {
	if !read(given, "chat_id", &q.chat) || !read(given, "text", &q.text) || !read(given, "link_preview_options", &q.preview) {
		return "Bad Request: can't parse parameters"
	}
	for name := range given {
		return "Bad Request: no such parameter " + name
	}
	switch {
	case q.chat == 0:
		return "Bad Request: chat_id is empty"
	case q.text == "":
		return "Bad Request: message text is empty"
	case len(utf16.Encode([]rune(q.text))) > maxText:
		return "Bad Request: message is too long"
	}
	return ""
}

func (s *Server) send(w http.ResponseWriter, _ *http.Request, given map[string]json.RawMessage) {
	var q sendable
	wrong := q.wrong(given)
	s.mu.Lock()
	defer s.mu.Unlock()
	status, fault := http.StatusOK, Fault{}
	switch {
	case wrong != "":
		status, fault.Description = http.StatusBadRequest, wrong
	case !s.chats[q.chat]:
		status, fault.Description = http.StatusBadRequest, "Bad Request: chat not found"
	case s.blocked[q.chat] != "":
		status, fault.Description = http.StatusForbidden, s.blocked[q.chat]
	case len(s.faults) > 0:
		fault, s.faults = s.faults[0], s.faults[1:]
		status = fault.Status
	}
	var m Message
	if status == http.StatusOK || fault.Accept {
		s.numbers++
		m = Message{ID: s.numbers, ChatID: q.chat, Text: q.text, At: time.Now()}
		s.messages = append(s.messages, m)
	}
	if fault.Drop {
		status = 0
	}
	s.attempts = append(s.attempts, Attempt{ChatID: q.chat, Status: status})
	switch {
	case fault.Drop:
		panic(http.ErrAbortHandler) // net/http cuts the connection
	case status == http.StatusOK:
		answer(w, Object{"message_id": m.ID, "date": m.At.Unix(), "text": m.Text, "chat": Object{"id": m.ChatID, "type": "private"}})
	case fault.Description == "" && fault.RetryAfter == 0:
		http.Error(w, http.StatusText(status), status)
	default:
		fail(w, status, fault.Description, fault.RetryAfter)
	}
}
