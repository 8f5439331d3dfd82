package standin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"
	"unicode/utf8"
)

const (
	maxText     = 4096 // characters
	maxCallback = 512
)

var digits = regexp.MustCompile(`^[1-9][0-9]{4,14}$`)

// request is what is sent, with all the members that a text may have.
type request struct {
	Product   string `json:"messaging_product"`
	Recipient string `json:"recipient_type"`
	To        string `json:"to"`
	Type      string `json:"type"`
	Text      *struct {
		Body       string `json:"body"`
		PreviewURL bool   `json:"preview_url"`
	} `json:"text"`
	Image    *sentFile `json:"image"`
	Video    *sentFile `json:"video"`
	Audio    *sentFile `json:"audio"`
	Document *sentFile `json:"document"`
	Template *template `json:"template"`
	Callback string    `json:"biz_opaque_callback_data"`
}

// file is the one that a message is of; nil for none.
func (q request) file() *sentFile {
	return map[string]*sentFile{"image": q.Image, "video": q.Video, "audio": q.Audio, "document": q.Document}[q.Type]
}

// wrong says what is wrong with a request, "" for nothing.
func (q request) wrong() string {
	switch {
	case q.Product != "whatsapp":
		return "The parameter messaging_product is required"
	case q.Recipient != "" && q.Recipient != "individual":
		return "Param recipient_type must be individual"
	case !digits.MatchString(q.To):
		return "The parameter to is required"
	case q.file() != nil:
		if utf8.RuneCountInString(q.file().Caption) > 1024 || q.Type == "audio" && q.file().Caption != "" {
			return "Param caption is too long, or not allowed"
		}
	case q.Type == "template" && q.Template != nil:
	case q.Type != "text" || q.Text == nil || q.Text.Body == "":
		return "The parameter text['body'] is required"
	case q.Text != nil && utf8.RuneCountInString(q.Text.Body) > maxText:
		return "Param text['body'] must be at most 4096 characters long"
	case len(q.Callback) > maxCallback:
		return "Param biz_opaque_callback_data must be at most 512 characters long"
	}
	return ""
}

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	n, ok := s.number(w, r)
	if !ok {
		s.note("", http.StatusUnauthorized, 190)
		return
	}
	var q request
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	decoder.DisallowUnknownFields()
	wrong := "The body must be JSON"
	if err := decoder.Decode(&q); err == nil && r.Header.Get("Content-Type") == "application/json" {
		wrong = q.wrong()
	}
	if wrong != "" {
		s.note(q.To, http.StatusBadRequest, 100)
		fail(w, http.StatusBadRequest, 100, wrong)
		return
	}
	if q.Template != nil {
		if code, says := s.wrong(*q.Template); code != 0 {
			s.note(q.To, http.StatusBadRequest, code)
			fail(w, http.StatusBadRequest, code, says)
			return
		}
	}
	if f := q.file(); f != nil && s.Upload(f.ID).Type == "" {
		s.note(q.To, http.StatusBadRequest, 131053)
		fail(w, http.StatusBadRequest, 131053, "Media upload error")
		return
	}
	fault := s.takeFault(q.To)
	if fault == nil || fault.Accept {
		m := s.accept(n, q)
		if fault == nil {
			s.note(q.To, http.StatusOK, 0)
			answer(w, http.StatusOK, Object{
				"messaging_product": "whatsapp", "contacts": []Object{{"input": q.To, "wa_id": q.To}}, "messages": []Object{{"id": m.ID}},
			})
			return
		}
	}
	switch fault.Answer {
	case "hang":
		s.note(q.To, 0, 0)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case "drop":
		s.note(q.To, 0, 0)
		panic(http.ErrAbortHandler) // net/http cuts the connection
	}
	s.note(q.To, fault.Status, fault.Code)
	if fault.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(fault.RetryAfter))
	}
	if fault.Code == 0 {
		http.Error(w, http.StatusText(fault.Status), fault.Status)
		return
	}
	fail(w, fault.Status, fault.Code, "a fault set by the test")
}

func (s *Server) note(to string, status, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, &Attempt{To: to, Status: status, Code: code, At: time.Now()})
}

// accept takes a message, and lets its statuses follow.
func (s *Server) accept(n Number, q request) Message {
	s.mu.Lock()
	m := Message{ID: NewID(), From: n.PhoneNumberID, To: q.To, Type: q.Type, Template: q.Template, Callback: q.Callback, At: time.Now()}
	if q.Text != nil {
		m.Body = q.Text.Body
	}
	if f := q.file(); f != nil {
		m.File, m.Body, m.FileName = f.ID, f.Caption, f.Name
	}
	s.messages = append(s.messages, m)
	outcome, set := s.outcomes[q.To]
	s.mu.Unlock()
	if !set {
		outcome.Statuses = []string{"sent", "delivered", "read"}
	}
	if n.WebhookURL != "" && len(outcome.Statuses) > 0 {
		s.calls.Go(func() { s.report(n, m, outcome) })
	}
	return m
}

// report sends the statuses of a message, each by a webhook of its own.
func (s *Server) report(n Number, m Message, o Outcome) {
	for _, status := range o.Statuses {
		body := n.Payload(n.Value(nil, []Object{statusOf(m, status, time.Now().Unix(), o.Code)}))
		code, err := Post(s.ctx, n, body, Sign(n.AppSecret, body))
		if err != nil {
			code = 0
		}
		s.mu.Lock()
		s.webhooks = append(s.webhooks, Webhook{ID: m.ID, To: m.To, Status: status, Answer: code})
		s.mu.Unlock()
	}
}

// Write has a guest write a text, by a signed webhook. It fails when that is not
// acknowledged.
func (s *Server) Write(in Inbound) error {
	s.mu.Lock()
	n, known := s.numbers[in.PhoneNumberID]
	s.mu.Unlock()
	if !known || n.WebhookURL == "" || !digits.MatchString(in.From) {
		return errors.New("an inbound text needs the phoneNumberID of a number with a webhookURL, and from in digits")
	}
	body := n.Payload(n.Value([]Object{Text(NewID(), in.From, in.Body)}, nil))
	status, err := Post(s.ctx, n, body, Sign(n.AppSecret, body))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the webhook was answered %d", status)
	}
	return err
}

// Post delivers a webhook and gives the HTTP status that it is answered.
func Post(ctx context.Context, n Number, body []byte, signature string) (int, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(n.CA)) {
		return 0, fmt.Errorf("the number's ca holds no certificate")
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, n.Address)
		},
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("making a webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hub-Signature-256", signature)
	response, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("posting a webhook: %w", err)
	}
	_ = response.Body.Close()
	return response.StatusCode, nil
}
