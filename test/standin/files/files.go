// Package files is how stand-ins hand out files of guests: to whoever bears what the provider asks for, for a while, and as badly
// as a test wants it.
package files

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// File is what a provider has of a guest.
type File struct {
	Content []byte
	Type    string // what the provider says it is; "" says nothing
	// Length, when not zero, is told in place of the content's.
	Length int64
	// Endless goes on after the content, without a length, for so many bytes.
	Endless int64
	// Redirect, when set, is where the file's own address leads, in place of another of the same provider; "itself" goes in a circle.
	Redirect string
	// Hang sends half of the content and then nothing until the client gives up.
	Hang bool
	// Failures are how many requests are answered 503 first.
	Failures int
	// Gone is answered 404.
	Gone bool
}

// Shelf is all files of one provider.
type Shelf struct {
	mu    sync.Mutex
	files map[string]*File
	links map[string]link
	asked map[string]int
}

type link struct {
	id  string
	end time.Time
}

// New makes an empty one.
func New() *Shelf {
	return &Shelf{files: map[string]*File{}, links: map[string]link{}, asked: map[string]int{}}
}

// Put gives a file an id.
func (s *Shelf) Put(id string, f File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[id] = &f
}

// Asked counts the requests for a file that bore what they must.
func (s *Shelf) Asked(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[id]
}

// Find gives a file to who asks for it by its id, beyond doubt the owner; false when it has answered already that there is none for
// now, or at all.
func (s *Shelf) Find(w http.ResponseWriter, id string) (File, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[id]
	s.asked[id]++
	switch {
	case f == nil || f.Gone:
		http.Error(w, "not found", http.StatusNotFound)
	case f.Failures > 0:
		f.Failures--
		http.Error(w, "try again", http.StatusServiceUnavailable)
	default:
		return *f, true
	}
	return File{}, false
}

// Link makes a word by which a file can be had for a while by anybody.
func (s *Shelf) Link(id string, life time.Duration) string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	word := hex.EncodeToString(b)
	s.links[word] = link{id, time.Now().Add(life)}
	return word
}

// Follow hands out the file of a link.
func (s *Shelf) Follow(w http.ResponseWriter, r *http.Request, word string) {
	s.mu.Lock()
	l, known := s.links[word]
	f := s.files[l.id]
	s.mu.Unlock()
	if !known || f == nil || time.Now().After(l.end) {
		http.Error(w, "the link is over", http.StatusForbidden)
		return
	}
	f.Serve(w, r)
}

// Serve sends the file.
func (f *File) Serve(w http.ResponseWriter, r *http.Request) {
	if f.Type != "" {
		w.Header().Set("Content-Type", f.Type)
	}
	switch {
	case f.Hang:
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Content)))
		_, _ = w.Write(f.Content[:len(f.Content)/2])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Endless > 0:
		_, _ = w.Write(f.Content)
		for sent := int64(0); sent < f.Endless; sent += 64 << 10 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	case f.Length != 0:
		w.Header().Set("Content-Length", strconv.FormatInt(f.Length, 10))
		_, _ = w.Write(f.Content[:min(int64(len(f.Content)), f.Length)])
		if f.Length > int64(len(f.Content)) {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) // it can't keep its word
		}
	default:
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Content)))
		_, _ = w.Write(f.Content)
	}
}
