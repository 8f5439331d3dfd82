package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// text is a message to send.
type text struct {
	ChatID  int64   `json:"chat_id"`
	Text    string  `json:"text"`
	Preview preview `json:"link_preview_options"`
}

type preview struct {
	Disabled bool `json:"is_disabled"` // true: nobody fetches what a link in it names
}

// answer is what the Bot API says.
type answer struct {
	OK          bool            `json:"ok"`
	Result      json.RawMessage `json:"result"`
	ErrorCode   int             `json:"error_code"`
	Description string          `json:"description"`
	Parameters  struct {
		RetryAfter int `json:"retry_after"` // seconds
	} `json:"parameters"`
}

// read reads what a method answered: a status below 300 and ok belong together.
func (a *answer) read(status int, body []byte) (ok bool) {
	if err := json.Unmarshal(body, a); err != nil {
		*a = answer{}
	}
	if a.ErrorCode == 0 && status >= http.StatusBadRequest {
		a.ErrorCode = status
	}
	return a.OK && status == http.StatusOK
}

// request calls a method. Its errors don't hold the address, of which the token is a part.
func (p *Provider) request(ctx context.Context, method string, parameters any) (*http.Request, error) {
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(parameters)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.channel.APIBaseURL+"/bot"+token+"/"+method, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("making a request: the Channel's apiBaseURL can't be called")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	return r, nil
}

// post sends a text or a file.
func (p *Provider) post(ctx context.Context, chat int64, out provider.Outgoing) (int, http.Header, []byte, error) {
	if len(out.Files) > 0 {
		return p.upload(ctx, chat, out)
	}
	r, err := p.request(ctx, "sendMessage", text{ChatID: chat, Text: out.Body, Preview: preview{Disabled: true}})
	if err != nil {
		return 0, nil, nil, &provider.NotSentError{Cause: err}
	}
	return provider.Attempt(p.http, r)
}

// Send gives a text or a file to Telegram, which tells nothing more of it: neither that it was
// delivered nor, when the answer is lost, whether it was taken.
func (p *Provider) Send(ctx context.Context, out provider.Outgoing) (provider.Sent, error) {
	chat, err := strconv.ParseInt(out.To, 10, 64)
	if err != nil { // imported, or given by staff: Telegram delivers to ids alone
		return provider.Sent{}, refused(codeNoChat)
	}
	status, header, body, err := p.post(ctx, chat, out)
	if err != nil {
		return provider.Sent{}, err
	}
	var a answer
	if !a.read(status, body) {
		return provider.Sent{}, failed(status, header, a)
	}
	var m struct {
		ID int64 `json:"message_id"`
	}
	if err := json.Unmarshal(a.Result, &m); err != nil || m.ID <= 0 {
		return provider.Sent{}, &provider.UnknownError{Cause: errors.New("Telegram answered without a message")}
	}
	// Telegram's number is unique in a chat alone, and the chat's is the guest's.
	return provider.Sent{ID: strconv.FormatInt(m.ID, 10) + "." + out.ID.String(), Status: "sent"}, nil
}
