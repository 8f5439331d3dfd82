package standin

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// linkLife is how long the path of a file works.
const linkLife = time.Hour

var filePath = regexp.MustCompile(`^/file/bot([0-9]+:[A-Za-z0-9_-]+)/documents/([0-9a-f]+)\.bin$`)

// getFile tells on which path a file is.
func (s *Server) getFile(w http.ResponseWriter, given map[string]json.RawMessage) {
	var id string
	if !read(given, "file_id", &id) || id == "" {
		fail(w, http.StatusBadRequest, "Bad Request: file_id not specified", 0)
		return
	}
	f, ok := s.Media.Find(silent{w}, id)
	switch {
	case !ok:
		fail(w, http.StatusBadRequest, "Bad Request: wrong file_id or the file is temporarily unavailable", 0)
	case int64(len(f.Content)) > 20<<20:
		fail(w, http.StatusBadRequest, "Bad Request: file is too big", 0)
	case f.Redirect != "":
		answer(w, Object{"file_id": id, "file_path": f.Redirect})
	default:
		answer(w, Object{"file_id": id, "file_size": len(f.Content), "file_path": "documents/" + s.Media.Link(id, linkLife) + ".bin"})
	}
}

// silent lets the caller answer what another answers.
type silent struct{ http.ResponseWriter }

func (silent) Header() http.Header         { return http.Header{} }
func (silent) Write(b []byte) (int, error) { return len(b), nil }
func (silent) WriteHeader(int)             {}

// download hands a file out to its bot.
func (s *Server) download(w http.ResponseWriter, r *http.Request, token, word string) {
	s.mu.Lock()
	known := slices.ContainsFunc(s.bots, func(b Bot) bool { return b.Token == token })
	s.mu.Unlock()
	if !known {
		fail(w, http.StatusUnauthorized, "Unauthorized", 0)
		return
	}
	s.Media.Follow(w, r, word)
}

// sendFile takes a file with a caption of at most 1024 characters.
func (s *Server) sendFile(w http.ResponseWriter, r *http.Request, part string, given map[string]json.RawMessage) {
	var chat int64
	var caption string
	ok := read(given, "chat_id", &chat) && read(given, "caption", &caption) && len(given) == 0 && chat != 0
	f, header, err := r.FormFile(part)
	if !ok || err != nil {
		fail(w, http.StatusBadRequest, "Bad Request: there is no "+part+" in the request", 0)
		return
	}
	content, err := io.ReadAll(f)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		fail(w, http.StatusBadRequest, "Bad Request: can't parse parameters", 0)
		return
	case part == "photo" && len(content) > 10_000_000, len(content) > 50_000_000:
		fail(w, http.StatusBadRequest, "Bad Request: file is too big", 0)
		return
	case len([]rune(caption)) > 1024:
		fail(w, http.StatusBadRequest, "Bad Request: message caption is too long", 0)
		return
	case !s.chats[chat]:
		fail(w, http.StatusBadRequest, "Bad Request: chat not found", 0)
		return
	}
	s.numbers++
	m := Message{ID: s.numbers, ChatID: chat, Text: caption, As: part, File: content, FileName: header.Filename, At: time.Now()}
	s.messages = append(s.messages, m)
	s.attempts = append(s.attempts, Attempt{ChatID: chat, Status: http.StatusOK})
	answer(w, Object{"message_id": m.ID, "date": m.At.Unix(), "chat": Object{"id": m.ChatID, "type": "private"}})
}
