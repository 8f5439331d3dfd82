package standin

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Upload is a file that was given to send.
type Upload struct {
	Type    string
	Name    string
	Content []byte
}

// linkLife is how long the address of a file works.
const linkLife = 5 * time.Minute

// medium tells where a file is, to who bears the token of the number that it was sent to.
func (s *Server) medium(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("number")
	r.SetPathValue("number", r.URL.Query().Get("phone_number_id"))
	if _, ok := s.number(w, r); !ok {
		return
	}
	f, ok := s.Media.Find(quiet{w}, id)
	switch {
	case !ok:
		fail(w, http.StatusBadRequest, 100, "Unsupported get request. Object with ID does not exist")
	case f.Redirect != "":
		answer(w, http.StatusOK, Object{"url": f.Redirect, "id": id, "file_size": len(f.Content), "messaging_product": "whatsapp"})
	default:
		answer(w, http.StatusOK, Object{"url": "https://" + r.Host + "/cdn/" + s.Media.Link(id, linkLife), "id": id, "mime_type": f.Type, "file_size": len(f.Content), "messaging_product": "whatsapp"})
	}
}

// quiet lets the caller answer what another answers.
type quiet struct{ http.ResponseWriter }

func (quiet) Header() http.Header         { return http.Header{} }
func (quiet) Write(b []byte) (int, error) { return len(b), nil }
func (quiet) WriteHeader(int)             {}

// download hands a file out: its address alone is not enough.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	known := false
	for _, n := range s.numbers {
		known = known || bearer && n.AccessToken == token
	}
	s.mu.Unlock()
	if !known {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	s.Media.Follow(w, r, r.PathValue("word"))
}

// upload takes a file to send.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.number(w, r); !ok {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 17<<20)
	if err := r.ParseMultipartForm(1 << 20); err != nil || r.FormValue("messaging_product") != "whatsapp" {
		fail(w, http.StatusBadRequest, 100, "The parameter messaging_product is required")
		return
	}
	f, header, err := r.FormFile("file")
	if err != nil || header.Header.Get("Content-Type") != r.FormValue("type") || strings.HasPrefix(r.FormValue("type"), "image/") && header.Size > 5_000_000 {
		fail(w, http.StatusBadRequest, 100, "Param file must be a file with one of the following types")
		return
	}
	content, err := io.ReadAll(f)
	if err != nil {
		fail(w, http.StatusBadRequest, 100, "The file can't be read")
		return
	}
	s.mu.Lock()
	id := strconv.Itoa(1000000000 + len(s.uploads))
	s.uploads[id] = Upload{r.FormValue("type"), header.Filename, content}
	s.mu.Unlock()
	answer(w, http.StatusOK, Object{"id": id})
}

// Upload gives a file that was given to send.
func (s *Server) Upload(id string) Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploads[id]
}

// AddTemplate approves a template with so many parameters.
func (s *Server) AddTemplate(name, language string, parameters int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.templates[name+" "+language] = parameters
}

// template is a message by a template, with all the members that one of text may have.
type template struct {
	Name     string `json:"name"`
	Language struct {
		Code string `json:"code"`
	} `json:"language"`
	Components []struct {
		Type       string `json:"type"`
		Parameters []struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"parameters"`
	} `json:"components"`
}

// wrong says what is wrong with a template, 0 for nothing.
func (s *Server) wrong(t template) (code int, says string) {
	s.mu.Lock()
	want, known := s.templates[t.Name+" "+t.Language.Code]
	s.mu.Unlock()
	given := 0
	for _, c := range t.Components {
		if c.Type == "body" {
			given += len(c.Parameters)
		}
		for _, p := range c.Parameters {
			if p.Type != "text" || p.Text == "" || strings.ContainsAny(p.Text, "\n\t") || strings.Contains(p.Text, "    ") {
				return 100, "Param text cannot be empty or have new-line/tab characters or more than 4 consecutive spaces"
			}
		}
	}
	switch {
	case !known:
		return 132001, "Template name does not exist in the translation"
	case given != want:
		return 132000, fmt.Sprintf("Number of parameters does not match the expected number of params: %d", want)
	}
	return 0, ""
}

// medium is what of a file goes into a message.
type sentFile struct {
	ID      string `json:"id"`
	Caption string `json:"caption"`
	Name    string `json:"filename"`
}
