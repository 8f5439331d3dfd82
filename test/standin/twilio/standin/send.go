package standin

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

const (
	maxForm = 1 << 20 // bytes
	maxBody = 1600    // characters
)

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// problem is one of https://www.twilio.com/docs/api/errors.
type problem struct {
	code    int
	message string
}

// send is Twilio's "create a Message resource".
func (s *Server) send(w http.ResponseWriter, r *http.Request, account Account) {
	form, err := readForm(r)
	if err != nil {
		fail(w, http.StatusBadRequest, 20001, err.Error())
		return
	}
	to := form.Get("To")
	attempt := &Attempt{At: time.Now(), Account: account.SID, To: to}
	s.mu.Lock()
	s.attempts = append(s.attempts, attempt)
	s.mu.Unlock()
	record := func(status, code int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		attempt.Status, attempt.Code = status, code
	}
	if p := s.refuses(account, form); p != nil {
		record(http.StatusBadRequest, p.code)
		fail(w, http.StatusBadRequest, p.code, p.message)
		return
	}
	fault := s.takeFault("send", to)
	if fault != nil && !fault.Accept {
		fault.meet(w, r, record)
		return
	}
	m := s.accept(account, form, attempt)
	if fault != nil {
		fault.meet(w, r, record)
		return
	}
	record(http.StatusCreated, 0)
	answer(w, http.StatusCreated, resource(m))
}

// readForm takes what Twilio takes: a URL-encoded form.
func readForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errForm
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	if err != nil {
		return nil, errForm
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errForm
	}
	return form, nil
}

// refuses says why a message would be refused, or nil.
func (s *Server) refuses(account Account, form url.Values) *problem {
	to, from, service, body := form.Get("To"), form.Get("From"), form.Get("MessagingServiceSid"), form.Get("Body")
	callback, err := url.Parse(form.Get("StatusCallback"))
	switch {
	case to == "":
		return &problem{21604, "A 'To' phone number is required."}
	case !e164.MatchString(to):
		return &problem{21211, "Invalid 'To' Phone Number"}
	case from == "" && service == "":
		return &problem{21603, "A 'From' or 'MessagingServiceSid' parameter is required."}
	case from != "" && !e164.MatchString(from):
		return &problem{21212, "Invalid From Number"}
	case from != "" && !slices.Contains(account.Numbers, from) && !slices.Contains(account.Numbers, "*"):
		return &problem{21660, "Mismatch between the 'From' number and the account"}
	case service != "" && !slices.Contains(account.MessagingServices, service):
		return &problem{21701, "The Messaging Service does not exist"}
	case to == from:
		return &problem{21266, "'To' and 'From' number cannot be the same"}
	case body == "" && len(form["MediaUrl"]) == 0:
		return &problem{21602, "Message body is required."}
	case utf8.RuneCountInString(body) > maxBody:
		return &problem{21617, "The concatenated message body exceeds the 1600 character limit"}
	case len(form["MediaUrl"]) > 10:
		return &problem{21623, "Number of media files exceeds allowed limit"}
	case form.Get("StatusCallback") != "" && (err != nil || callback.Host == ""):
		return &problem{21609, "The 'StatusCallback' URL is not a valid URL."}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sender := range []string{from, service} {
		if s.blocked[OptOut{Account: account.SID, From: sender, To: to}] {
			return &problem{21610, "Attempt to send to unsubscribed recipient"}
		}
	}
	return nil
}

func (s *Server) accept(account Account, form url.Values, attempt *Attempt) Message {
	m := &Message{
		SID: newSID("SM"), Account: account.SID, To: form.Get("To"), From: form.Get("From"),
		MessagingServiceSID: form.Get("MessagingServiceSid"), Body: form.Get("Body"),
		StatusCallback: form.Get("StatusCallback"), MediaURLs: form["MediaUrl"], Status: "queued", At: time.Now(),
	}
	if m.From == "" {
		m.Status = "accepted" // the service has yet to choose a sender
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
	attempt.SID = m.SID
	ctx := s.ctx
	s.calls.Go(func() { s.report(ctx, m) })
	return *m
}
