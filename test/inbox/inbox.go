// Package inbox is a client of a tenant's staff API, as a staff member's program would be.
package inbox

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
	"net/url"
	"time"
)

// Inbox talks to one tenant's staff API.
type Inbox struct {
	origin string
	token  string
	client *http.Client
}

// Conversation is a thread with one guest on one channel.
type Conversation struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	OptOut  string `json:"optOut"` // none, requested or optedOut
	Contact *struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"contact"`
	LastMessage *struct {
		Direction string  `json:"direction"`
		Status    string  `json:"status"`
		Preview   *string `json:"preview"`
	} `json:"lastMessage"`
}

// Message is one message of a thread.
type Message struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	Direction string    `json:"direction"`
	Origin    string    `json:"origin"`
	Status    string    `json:"status"`
	ErrorCode *string   `json:"errorCode"`
	Body      *string   `json:"body"`
}

// Problem is an answer that is not a success (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string { return fmt.Sprintf("%d: %s (%s)", p.Status, p.Detail, p.Type) }

// StatusOf gives the HTTP status of an error that is a Problem, else 0.
func StatusOf(err error) int {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// New makes a client of the API at origin (https://HOST), whose server must prove itself by
// the authority in caPEM. Connections go through dial.
func New(origin string, caPEM []byte, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*Inbox, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caPEM) {
		return nil, errors.New("reading the authority of the staff API: no certificate in it")
	}
	return &Inbox{origin: origin, client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}}, nil
}

// SignIn makes a session.
func (b *Inbox) SignIn(ctx context.Context, email, password string) error {
	var session struct {
		Token string `json:"token"`
	}
	err := b.do(ctx, http.MethodPost, "/api/v1/sessions", "", map[string]string{"email": email, "password": password}, &session)
	if err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	if session.Token == "" {
		return errors.New("signing in: the session has no token")
	}
	b.token = session.Token
	return nil
}

// Token of the session.
func (b *Inbox) Token() string { return b.token }

// UseToken takes a session's token from elsewhere.
func (b *Inbox) UseToken(token string) { b.token = token }

// Conversations gives all threads, the newest first.
func (b *Inbox) Conversations(ctx context.Context) ([]Conversation, error) {
	var all []Conversation
	cursor := ""
	for {
		var page struct {
			Conversations []Conversation `json:"conversations"`
			NextCursor    *string        `json:"nextCursor"`
		}
		path := "/api/v1/conversations"
		if cursor != "" {
			path += "?cursor=" + url.QueryEscape(cursor)
		}
		if err := b.do(ctx, http.MethodGet, path, "", nil, &page); err != nil {
			return nil, fmt.Errorf("listing conversations: %w", err)
		}
		all = append(all, page.Conversations...)
		if page.NextCursor == nil {
			return all, nil
		}
		cursor = *page.NextCursor
	}
}

// Messages gives the newest messages of a thread, the newest first.
func (b *Inbox) Messages(ctx context.Context, conversation string) ([]Message, error) {
	var page struct {
		Messages []Message `json:"messages"`
	}
	if err := b.do(ctx, http.MethodGet, "/api/v1/conversations/"+conversation+"/messages", "", nil, &page); err != nil {
		return nil, fmt.Errorf("reading a conversation: %w", err)
	}
	return page.Messages, nil
}

// Reply writes to the guest; key makes a repetition harmless.
func (b *Inbox) Reply(ctx context.Context, conversation, body, key string) (Message, error) {
	var m Message
	err := b.do(ctx, http.MethodPost, "/api/v1/conversations/"+conversation+"/messages", key, map[string]string{"body": body}, &m)
	if err != nil {
		return m, fmt.Errorf("replying: %w", err)
	}
	return m, nil
}

// ReplyAllTheSame writes to a guest who seems to have asked for no more messages.
func (b *Inbox) ReplyAllTheSame(ctx context.Context, conversation, body string) (Message, error) {
	var m Message
	in := map[string]any{"body": body, "despiteOptOutRequest": true}
	if err := b.do(ctx, http.MethodPost, "/api/v1/conversations/"+conversation+"/messages", "", in, &m); err != nil {
		return m, fmt.Errorf("replying: %w", err)
	}
	return m, nil
}

// Conversation gives one thread.
func (b *Inbox) Conversation(ctx context.Context, id string) (Conversation, error) {
	var v Conversation
	if err := b.do(ctx, http.MethodGet, "/api/v1/conversations/"+id, "", nil, &v); err != nil {
		return v, fmt.Errorf("reading a conversation: %w", err)
	}
	return v, nil
}

// Consent is what became of an opt-out or opt-in by staff.
type Consent struct {
	OptOut    string `json:"optOut"`
	Changed   bool   `json:"changed"`
	Confirmed bool   `json:"confirmed"`
}

// OptOut notes that an address is not to be written to, as when its bearer phones.
func (b *Inbox) OptOut(ctx context.Context, kind, address string) (Consent, error) {
	var done Consent
	if err := b.do(ctx, http.MethodPost, "/api/v1/opt-outs", "", map[string]string{"kind": kind, "address": address}, &done); err != nil {
		return done, fmt.Errorf("opting out: %w", err)
	}
	return done, nil
}

// DismissRequest lets messages go on to who was misunderstood.
func (b *Inbox) DismissRequest(ctx context.Context, conversation string) error {
	in := map[string]string{"decision": "dismiss", "reason": "misunderstood"}
	if err := b.do(ctx, http.MethodPost, "/api/v1/conversations/"+conversation+"/opt-out-request", "", in, nil); err != nil {
		return fmt.Errorf("dismissing a request: %w", err)
	}
	return nil
}

// Become invites somebody of a role, and goes on as them: the invitation is accepted, and they sign in.
func (b *Inbox) Become(ctx context.Context, email, role, password string) error {
	var made struct {
		Token string `json:"token"`
	}
	if err := b.do(ctx, http.MethodPost, "/api/v1/invitations", "", map[string]string{"email": email, "name": "", "role": role}, &made); err != nil {
		return fmt.Errorf("inviting: %w", err)
	}
	b.token = ""
	if err := b.do(ctx, http.MethodPost, "/api/v1/accepted-invitations", "", map[string]string{"token": made.Token, "name": "", "password": password}, nil); err != nil {
		return fmt.Errorf("accepting an invitation: %w", err)
	}
	return b.SignIn(ctx, email, password)
}

// PrivacyRequest is what a person asked for by law.
type PrivacyRequest struct {
	ID          *string    `json:"id"`
	Name        *string    `json:"name"`
	Type        string     `json:"type"`
	State       string     `json:"state"`
	DueAt       time.Time  `json:"dueAt"`
	CompletedAt *time.Time `json:"completedAt"`
	Done        []struct {
		Category string `json:"category"`
		Rows     int64  `json:"rows"`
	} `json:"done"`
}

// FileErasure files that a guest's contact is to be erased.
func (b *Inbox) FileErasure(ctx context.Context, contact string, received time.Time) (PrivacyRequest, error) {
	var made PrivacyRequest
	in := map[string]any{"type": "Erasure", "receivedAt": received.UTC(), "verified": "fromAddress", "contact": contact}
	if err := b.do(ctx, http.MethodPost, "/api/v1/privacy/requests", "", in, &made); err != nil {
		return made, fmt.Errorf("filing a request: %w", err)
	}
	return made, nil
}

// PrivacyRequests gives all, the most urgent first.
func (b *Inbox) PrivacyRequests(ctx context.Context) ([]PrivacyRequest, error) {
	var list struct {
		Requests []PrivacyRequest `json:"requests"`
	}
	if err := b.do(ctx, http.MethodGet, "/api/v1/privacy/requests", "", nil, &list); err != nil {
		return nil, fmt.Errorf("listing requests: %w", err)
	}
	return list.Requests, nil
}

// Status gives the status of a message of a thread.
func (b *Inbox) Status(ctx context.Context, conversation, message string) (string, error) {
	messages, err := b.Messages(ctx, conversation)
	if err != nil {
		return "", err
	}
	for _, m := range messages {
		if m.ID == message {
			return m.Status, nil
		}
	}
	return "", errors.New("the conversation has no message " + message)
}

func (b *Inbox) do(ctx context.Context, method, path, key string, in, out any) error {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encoding a request: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, b.origin+path, body)
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if b.token != "" {
		request.Header.Set("Authorization", "Bearer "+b.token)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<22))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if response.StatusCode >= 300 {
		p := &Problem{}
		if err := json.Unmarshal(answer, p); err != nil {
			return fmt.Errorf("status %d with a body that is no problem document: %w", response.StatusCode, err)
		}
		p.Status = response.StatusCode
		return p
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}
