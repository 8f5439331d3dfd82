package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// Client sends messages of one channel.
type Client struct {
	http    *http.Client
	channel contract.TwilioSMS
	token   func() (string, error)
}

// NewClient makes a client. token gives the account's auth token as it is now.
func NewClient(channel contract.TwilioSMS, token func() (string, error)) (*Client, error) {
	client, err := provider.NewHTTP(channel.CABundle)
	if err != nil {
		return nil, err
	}
	return &Client{channel: channel, token: token, http: client}, nil
}

// Outgoing is a message to send.
type Outgoing struct {
	To             string // E.164
	Body           string
	StatusCallback string // where Twilio reports what became of it
	MediaURLs      []string
}

// resource is the Message resource of
// https://www.twilio.com/docs/messaging/api/message-resource.
type resource struct {
	SID                 string `json:"sid"`
	Status              string `json:"status"`
	ErrorCode           *int   `json:"error_code"`
	Direction           string `json:"direction"`
	Body                string `json:"body"`
	From                string `json:"from"`
	MessagingServiceSID string `json:"messaging_service_sid"`
	DateCreated         string `json:"date_created"` // RFC 2822
}

func (r resource) message() provider.Sent {
	m := provider.Sent{ID: r.SID, Status: OurStatus(r.Status)}
	if r.ErrorCode != nil {
		m.ErrorCode = strconv.Itoa(*r.ErrorCode)
	}
	return m
}

// Send gives a message to Twilio. It fails as provider.Provider says.
func (c *Client) Send(ctx context.Context, out Outgoing) (provider.Sent, error) {
	form := url.Values{"To": {out.To}, "Body": {out.Body}, "StatusCallback": {out.StatusCallback}}
	if len(out.MediaURLs) > 0 {
		form["MediaUrl"] = out.MediaURLs
		if out.Body == "" {
			form.Del("Body")
		}
	}
	if c.channel.MessagingServiceSID != "" {
		form.Set("MessagingServiceSid", c.channel.MessagingServiceSID)
	} else {
		form.Set("From", c.channel.From)
	}
	var reached atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }})
	request, err := http.NewRequestWithContext(traced, http.MethodPost, c.messages()+".json", strings.NewReader(form.Encode()))
	if err != nil {
		return provider.Sent{}, &provider.NotSentError{Cause: fmt.Errorf("making the request: %w", err)}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, header, answer, err := c.do(request)
	switch {
	case err != nil && !reached.Load():
		return provider.Sent{}, &provider.NotSentError{Cause: err}
	case err != nil:
		return provider.Sent{}, &provider.UnknownError{Cause: err}
	case status == http.StatusTooManyRequests:
		return provider.Sent{}, &provider.NotSentError{After: provider.RetryAfter(header), Cause: errors.New("Twilio asks for fewer requests (HTTP 429)")}
	case status == http.StatusUnauthorized, status == http.StatusNotFound:
		// A mistake of configuration, not of this message: it waits until that is mended.
		return provider.Sent{}, &provider.NotSentError{Cause: fmt.Errorf("Twilio does not accept the channel's account SID and auth token (HTTP %d); correct the Channel or its Secret", status)}
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		var problem struct {
			Code int `json:"code"`
		}
		_ = json.Unmarshal(answer, &problem) // without a code the HTTP status tells
		return provider.Sent{}, refused(status, problem.Code)
	case status != http.StatusCreated && status != http.StatusOK:
		return provider.Sent{}, &provider.UnknownError{Cause: fmt.Errorf("Twilio answered HTTP %d", status)}
	}
	var r resource
	if err := json.Unmarshal(answer, &r); err != nil || !messageSID.MatchString(r.SID) {
		return provider.Sent{}, &provider.UnknownError{Cause: fmt.Errorf("Twilio answered HTTP %d without a message", status)}
	}
	return r.message(), nil
}

// messages is the URL of the account's messages, to be followed by ".json".
func (c *Client) messages() string {
	return strings.TrimSuffix(c.channel.APIBaseURL, "/") + "/2010-04-01/Accounts/" + url.PathEscape(c.channel.AccountSID) + "/Messages"
}

// do sends a request with the account's credentials.
func (c *Client) do(request *http.Request) (int, http.Header, []byte, error) {
	token, err := c.token()
	if err != nil {
		return 0, nil, nil, err
	}
	request.SetBasicAuth(c.channel.AccountSID, token)
	request.Header.Set("Accept", "application/json")
	return provider.Do(c.http, request)
}
