package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

const (
	// maxUploads bounds the files that are in memory at once, each of media.MaxOutbound bytes at most.
	maxUploads = 2
	// uploadTimeout bounds the sending of one.
	uploadTimeout = time.Minute
	// maxCaption is how many characters may go with a file: what WhatsApp and Telegram take.
	maxCaption = 1024
)

// upload is a file that staff send with a reply.
type upload struct {
	name, mediaType string
	content         []byte
}

// form is a reply as multipart/form-data.
type form struct {
	message []byte // JSON
	file    *upload
	err     error
}

type formKey struct{}

// uploading reads a form before its transaction begins, of whoever is signed in: a body may take a while, and a transaction
// should not.
func (s *Server) uploading(next http.HandlerFunc) http.HandlerFunc {
	slots := make(chan struct{}, maxUploads)
	return func(w http.ResponseWriter, r *http.Request) {
		kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "multipart/form-data" || !s.signedIn(r) {
			next(w, r) // which says what is wrong
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			p := fail(http.StatusServiceUnavailable, typeUnavailable, "Too many files are being sent at once; try again in a few seconds.")
			p.retryAfter = retryWhenDatabase
			p.write(w)
			return
		}
		until := time.Now().Add(uploadTimeout)
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(until) // where it can't be set, the server's own bounds count
		_ = control.SetWriteDeadline(until.Add(requestTimeout))
		f := readForm(multipart.NewReader(http.MaxBytesReader(w, r.Body, media.MaxOutbound+2*maxBody), parameters["boundary"]))
		next(w, r.WithContext(context.WithValue(r.Context(), formKey{}, f)))
	}
}

// signedIn says whether a body is worth reading. Whoever is not is answered without, as is another site's page.
func (s *Server) signedIn(r *http.Request) bool {
	token, byCookie := sessionToken(r)
	if byCookie && crossSite(r) {
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := staff.OfToken(ctx, tx, token)
		return err
	})
	return err == nil
}

// readForm reads the parts message, JSON, and file.
func readForm(parts *multipart.Reader) *form {
	f := &form{}
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			f.err = badForm(err)
			return f
		}
		switch name := part.FormName(); {
		case name == "message" && f.message == nil:
			f.message, err = io.ReadAll(io.LimitReader(part, maxBody+1))
			if err == nil && len(f.message) > maxBody {
				err = &http.MaxBytesError{Limit: maxBody}
			}
		case name == "file" && f.file == nil:
			f.file = &upload{name: media.Name(part.FileName())}
			f.file.content, err = io.ReadAll(io.LimitReader(part, media.MaxOutbound+1))
		default:
			f.err = badRequest("The form has a part that is unknown or comes twice; its parts are message, a JSON object, and file.")
			return f
		}
		if err != nil {
			f.err = badForm(err)
			return f
		}
	}
	f.err = f.check()
	return f
}

func badForm(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLargeFile()
	}
	return badRequest("The form can't be read; send it complete, as multipart/form-data.")
}

func tooLargeFile() error {
	p := fail(http.StatusRequestEntityTooLarge, typeUnspecific, fmt.Sprintf("The file or the form is larger than %d MiB; send less.", media.MaxOutbound>>20))
	p.MaxBytes = media.MaxOutbound
	return p
}

func (f *form) check() error {
	switch {
	case f.file == nil:
		return badRequest("The form has no part file; send a reply without a file as JSON.")
	case len(f.file.content) == 0:
		return badRequest("The file is empty.")
	case len(f.file.content) > media.MaxOutbound:
		return tooLargeFile()
	}
	var ok bool
	if f.file.mediaType, ok = media.TypeOf(f.file.content); !ok {
		return fail(http.StatusUnprocessableEntity, typeFileRefused, "The file's bytes are of a type that is not sent; send pictures, sounds, films, PDF, plain text or a vCard.")
	}
	return nil
}

// readReply reads a reply: JSON, or a form with JSON and a file.
func readReply(c *call, into *postMessageRequest) (*upload, error) {
	f, is := c.http.Context().Value(formKey{}).(*form)
	if !is {
		return nil, decode(c.w, c.http, into)
	}
	if f.err != nil {
		return nil, f.err
	}
	if f.message == nil { // a file without words
		return f.file, nil
	}
	return f.file, decodeObject(bytes.NewReader(f.message), into)
}

// fileChannels are the types of channels that take files, and whether words go with one.
var fileChannels = map[string]bool{
	contract.ChannelTypeTwilioSMS: true, contract.ChannelTypeWhatsApp: true, contract.ChannelTypeTelegram: true, contract.ChannelTypeMessenger: false,
	contract.ChannelTypeWebChat: true,
}

// filesOf tells what a type of channel takes of files: a files….
func filesOf(channelType string) string {
	switch words, takes := fileChannels[channelType]; {
	case !takes:
		return filesNone
	case !words:
		return filesAlone
	}
	return filesWithWords
}

// checkFile says why a file can't go with a reply.
func checkFile(channelType, body string, u *upload) error {
	words, takes := fileChannels[channelType]
	switch {
	case !takes:
		return fail(http.StatusUnprocessableEntity, typeFileRefused, "This channel takes no files.")
	case body != "" && !words:
		return fail(http.StatusUnprocessableEntity, typeFileRefused, "Messenger takes a file without words; send them as a message of their own.")
	}
	size, limit := len(u.content), media.Limit(channelType, u.mediaType)
	if channelType == contract.ChannelTypeTwilioSMS {
		size += len(body) // Twilio counts the message as a whole
	}
	if int64(size) > limit {
		p := fail(http.StatusUnprocessableEntity, typeFileRefused, fmt.Sprintf("This channel takes files of type %s of at most %d bytes, and this one comes to %d; send a smaller one.", u.mediaType, limit, size))
		p.MaxBytes = limit
		return p
	}
	return nil
}

// keepFile keeps a reply's file. It is part of the reply's transaction.
func (s *Server) keepFile(ctx context.Context, tx pgx.Tx, m *message, u *upload) error {
	kept, err := file.Keep(ctx, tx, s.objects, u.mediaType, u.content)
	if err != nil {
		s.log.Error("a file to send can't be kept", "error", err.Error())
		if s.objects == nil {
			return err
		}
		p := fail(http.StatusServiceUnavailable, typeUnavailable, "The file can't be kept at the moment, and nothing was sent; try again in a few seconds.")
		p.retryAfter = retryWhenDatabase
		return p
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making an id: %w", err)
	}
	var hung bool
	if err := tx.QueryRow(ctx, "SELECT sb.attach_reply($1, $2, $3, $4, $5)", m.ID, m.At, id, u.name, kept).Scan(&hung); err != nil || !hung {
		return fmt.Errorf("hanging a file on a reply (%t): %w", hung, err)
	}
	size := int64(len(u.content))
	m.Attachments = append(m.Attachments, attachment{ID: id, Name: u.name, State: "stored", MediaType: &u.mediaType, Size: &size})
	return nil
}
