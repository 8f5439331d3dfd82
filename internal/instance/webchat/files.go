package webchat

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// maxUploads and maxDownloads bound the files that are on their way at once. Of each, a few MiB are in memory at most.
	maxUploads   = 4
	maxDownloads = 8
	// sessionDownloads are those of one session.
	sessionDownloads = 2
	// fileTimeout bounds one of them.
	fileTimeout = 2 * time.Minute
	// answerTimeout bounds what is left to do once a file has come.
	answerTimeout = 10 * time.Second
	// maxFileName bounds a file's name as a browser writes it, in bytes.
	maxFileName = 1 << 10
	// Headers of an upload: the page's own id of the message, and the file's name, percent-encoded.
	headerMessage = "Message-Id"
	headerName    = "File-Name"
)

// Codes of refusals of files.
const (
	codeNoSession = "session-ended"
	codeNoLength  = "no-length"
	codeTooLarge  = "too-large"
	codeType      = "type-not-allowed"
	codeGone      = "gone"
	codeNoFile    = "no-file"
)

// slots are for files on their way, so that they are few in memory; and of one address half at most, so that nobody has all of them.
type slots struct {
	most, each int // of all, and of a session

	mu        sync.Mutex
	taken     int
	sessions  map[Hash]int
	addresses map[netip.Prefix]int
}

func newSlots(most, each int) *slots {
	return &slots{most: most, each: each, sessions: map[Hash]int{}, addresses: map[netip.Prefix]int{}}
}

// take takes a slot, and says how it is left. It fails with *refusal when there is none.
func (s *slots) take(session Hash, from netip.Prefix) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.sessions[session] >= s.each:
		return nil, &refusal{http.StatusTooManyRequests, codeTooFast, "send or fetch one file after the other"}
	case s.taken >= s.most || s.addresses[from] >= s.most/2:
		return nil, &refusal{http.StatusServiceUnavailable, codeUnavailable, "too many files at once; try again later"}
	}
	s.count(session, from, 1)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.count(session, from, -1)
	}, nil
}

func (s *slots) count(session Hash, from netip.Prefix, n int) {
	s.taken += n
	if s.sessions[session] += n; s.sessions[session] == 0 {
		delete(s.sessions, session)
	}
	if s.addresses[from] += n; s.addresses[from] == 0 {
		delete(s.addresses, from)
	}
}

// saved is what a file is called where it is saved.
func (f File) saved() string {
	if f.State != stateStored {
		return f.Name
	}
	return media.FileName(f.Name, f.ID.String(), f.MediaType)
}

// tokenOf reads who asks for files, of an allowed site.
func (s *Server) tokenOf(r *http.Request) (Hash, error) {
	if !s.asking.allow(blockOf(httpserve.ClientIP(r)), time.Now()) {
		return Hash{}, &refusal{http.StatusTooManyRequests, codeTooFast, "too many files were asked for from this address; wait a minute"}
	}
	token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !is || token == "" || len(token) > maxToken {
		return Hash{}, ended()
	}
	return sha256.Sum256([]byte(token)), nil
}

func ended() error {
	return &refusal{http.StatusUnauthorized, codeNoSession, "send the token of a session that has not ended, in the header Authorization: Bearer TOKEN"}
}

// upload takes a file of a guest's: its bytes are the request's body.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r) {
		return
	}
	answer, err := s.takeFile(w, r)
	if err != nil {
		s.refuseFile(w, "a file was not taken", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(answer) // who went away sends it again
}

// refuseFile says why a file is not taken or given.
func (s *Server) refuseFile(w http.ResponseWriter, what string, err error) {
	var refused *refusal
	if !errors.As(err, &refused) {
		s.log.Warn(what, "error", err.Error())
		refused = &refusal{http.StatusServiceUnavailable, codeUnavailable, "this can't be done now; try again later"}
	}
	refuse(w, refused)
}

// uploaded is an upload as its headers tell of it.
type uploaded struct {
	id, name string
}

func readUpload(r *http.Request) (u uploaded, err error) {
	u.id = r.Header.Get(headerMessage)
	if len(u.id) > maxClientID || !clientID.MatchString(u.id) {
		return u, &refusal{http.StatusBadRequest, codeBadID, "the header " + headerMessage + " has 1 to 64 letters, digits, hyphens and underscores, and is the message's own"}
	}
	given := r.Header.Get(headerName)
	name, err := url.PathUnescape(given[:min(len(given), maxFileName+1)])
	if err != nil || len(given) > maxFileName {
		return u, &refusal{http.StatusBadRequest, "malformed", "the header " + headerName + " is the file's name, percent-encoded, of at most 1 KiB"}
	}
	u.name = media.Name(name)
	switch {
	case r.ContentLength < 0:
		return u, &refusal{http.StatusLengthRequired, codeNoLength, "say how long the file is, by the header Content-Length"}
	case r.ContentLength == 0:
		return u, &refusal{http.StatusUnprocessableEntity, codeEmpty, "the file is empty"}
	case r.ContentLength > media.MaxInbound:
		return u, &refusal{http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("a file has %d MiB at most", media.MaxInbound>>20)}
	}
	return u, nil
}

// takeFile stores a message and its file. What can be refused is, before anything is stored. A browser that was cut off sends the
// whole again under the same id.
func (s *Server) takeFile(w http.ResponseWriter, r *http.Request) (*ackFrame, error) {
	token, err := s.tokenOf(r)
	if err != nil {
		return nil, err
	}
	u, err := readUpload(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), fileTimeout+answerTimeout)
	defer cancel()
	session, err := s.store.Begin(ctx, token)
	if errors.Is(err, ErrEnded) {
		return nil, ended()
	}
	if err != nil {
		return nil, err
	}
	if !s.uploads.allow(token, time.Now()) {
		return nil, &refusal{http.StatusTooManyRequests, codeTooFast, "too many files; wait ten seconds"}
	}
	leave, err := s.up.take(token, blockOf(httpserve.ClientIP(r)))
	if err != nil {
		return nil, err
	}
	defer leave()
	control := http.NewResponseController(w)
	until := time.Now().Add(fileTimeout)
	if err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until.Add(answerTimeout))); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("bounding an upload: %w", err)
	}
	body := http.MaxBytesReader(w, r.Body, media.MaxInbound)
	message, err := s.receiveFile(ctx, Written{Token: token, Guest: session.Guest, ClientID: u.id, FileName: u.name}, body)
	// A browser hears an answer for sure only once it has sent all.
	_, _ = io.Copy(io.Discard, body)
	if err != nil {
		return nil, err
	}
	return &ackFrame{Type: typeAck, ID: u.id, Message: message}, nil
}

// receiveFile gives the message that a file is in; nil when that was stored before and has expired.
func (s *Server) receiveFile(ctx context.Context, w Written, body io.Reader) (*uuid.UUID, error) {
	head := make([]byte, media.Head)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("reading a guest's file: %w", err)
	}
	head = head[:n]
	kind, ok := media.TypeOf(head)
	if !ok {
		return nil, &refusal{http.StatusUnprocessableEntity, codeType, "send pictures, sounds, films, PDF, plain text or a vCard; the bytes count, not the name"}
	}
	at, err := s.store.Expect(ctx, w)
	switch {
	case errors.Is(err, ErrEnded):
		return nil, ended()
	case err != nil:
		return nil, err
	case at.Message == uuid.UUID{}:
		return nil, nil //nolint:nilnil // what has expired is not there, and that is no failure
	case at.File.State == stateStored:
		return &at.Message, nil
	case at.File.State != statePending:
		return nil, gone()
	}
	err = s.store.Keep(ctx, at.File.ID, kind, head, body)
	var final *provider.MediaError
	if errors.As(err, &final) { // it was erased, or given up, meanwhile
		return nil, gone()
	}
	return &at.Message, err
}

func gone() error {
	return &refusal{http.StatusGone, codeGone, "the file is not waited for any more; send it as a message of its own"}
}

// download gives a file of the thread to who bears its session's token. One of another's, one that has expired and none are all the
// same here.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(w, r) {
		return
	}
	token, err := s.tokenOf(r)
	if err != nil {
		s.refuseFile(w, "a file was not given", err)
		return
	}
	leave, err := s.down.take(token, blockOf(httpserve.ClientIP(r)))
	if err != nil {
		s.refuseFile(w, "a file was not given", err)
		return
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), fileTimeout)
	defer cancel()
	f, body, err := s.find(ctx, r, token)
	if err != nil {
		s.refuseFile(w, "a file was not given", err)
		return
	}
	defer body.Close()
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(fileTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.refuseFile(w, "a file was not given", fmt.Errorf("bounding a download: %w", err))
		return
	}
	f.State = stateStored
	h := w.Header()
	h.Set("Content-Type", f.MediaType)
	h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.saved()}))
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	if _, err := io.CopyN(w, body, f.Size); err != nil {
		s.log.Info("a download broke off", "attachment", f.ID.String())
		panic(http.ErrAbortHandler) // the answer has begun: cutting it off is all that can be said
	}
}

func (s *Server) find(ctx context.Context, r *http.Request, token Hash) (File, io.ReadCloser, error) {
	none := &refusal{http.StatusNotFound, codeNoFile, "there is no such file in this chat, or its time is over"}
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return File{}, nil, none
	}
	f, body, err := s.store.OpenFile(ctx, token, id)
	if errors.Is(err, ErrNoFile) {
		err = none
	}
	return f, body, err
}
