package twilio

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/trust"
)

const (
	// requestTimeout bounds one request to Twilio's API.
	requestTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes: a page of 50 long messages fits.
	maxAnswer = 1 << 20
	// maxRetryAfter bounds how long a Retry-After is obeyed.
	maxRetryAfter = 5 * time.Minute
)

// Client sends messages of one channel.
type Client struct {
	http    *http.Client
	channel contract.TwilioSMS
	token   func() (string, error)
}

// NewClient makes a client. token gives the account's auth token as it is now.
func NewClient(channel contract.TwilioSMS, token func() (string, error)) (*Client, error) {
	roots, err := trust.Authorities(channel.CABundle)
	if err != nil {
		return nil, fmt.Errorf("reading the channel's caBundle: %w", err)
	}
	return &Client{
		channel: channel, token: token,
		http: &http.Client{
			Timeout: requestTimeout,
			Transport: &http.Transport{
				Proxy:               http.ProxyFromEnvironment,
				DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
				TLSHandshakeTimeout: 5 * time.Second,
				IdleConnTimeout:     time.Minute,
				MaxConnsPerHost:     8,
			},
			// Credentials must not follow a redirect to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Outgoing is a message to send.
type Outgoing struct {
	To             string // E.164
	Body           string
	StatusCallback string // where Twilio reports what became of it
}

// Message is a message as Twilio holds it.
type Message struct {
	SID       string
	Status    string // ours; see OurStatus
	ErrorCode string
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

func (r resource) message() Message {
	m := Message{SID: r.SID, Status: OurStatus(r.Status)}
	if r.ErrorCode != nil {
		m.ErrorCode = strconv.Itoa(*r.ErrorCode)
	}
	return m
}

// Send gives a message to Twilio. It fails with *RefusedError, *NotSentError or
// *UnknownError.
func (c *Client) Send(ctx context.Context, out Outgoing) (Message, error) {
	form := url.Values{"To": {out.To}, "Body": {out.Body}, "StatusCallback": {out.StatusCallback}}
	if c.channel.MessagingServiceSID != "" {
		form.Set("MessagingServiceSid", c.channel.MessagingServiceSID)
	} else {
		form.Set("From", c.channel.From)
	}
	var reached atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }})
	request, err := http.NewRequestWithContext(traced, http.MethodPost, c.messages()+".json", strings.NewReader(form.Encode()))
	if err != nil {
		return Message{}, &NotSentError{Cause: fmt.Errorf("making the request: %w", err)}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, header, answer, err := c.do(request)
	switch {
	case err != nil && !reached.Load():
		return Message{}, &NotSentError{Cause: err}
	case err != nil:
		return Message{}, &UnknownError{Cause: err}
	case status == http.StatusTooManyRequests:
		return Message{}, &NotSentError{After: retryAfter(header), Cause: errors.New("Twilio asks for fewer requests (HTTP 429)")}
	case status == http.StatusUnauthorized, status == http.StatusNotFound:
		// A mistake of configuration, not of this message: it waits until that is mended.
		return Message{}, &NotSentError{Cause: fmt.Errorf("Twilio does not accept the channel's account SID and auth token (HTTP %d); correct the Channel or its Secret", status)}
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		var problem struct {
			Code int `json:"code"`
		}
		_ = json.Unmarshal(answer, &problem) // without a code the HTTP status tells
		return Message{}, &RefusedError{HTTPStatus: status, Code: problem.Code}
	case status != http.StatusCreated && status != http.StatusOK:
		return Message{}, &UnknownError{Cause: fmt.Errorf("Twilio answered HTTP %d", status)}
	}
	var r resource
	if err := json.Unmarshal(answer, &r); err != nil || !messageSID.MatchString(r.SID) {
		return Message{}, &UnknownError{Cause: fmt.Errorf("Twilio answered HTTP %d without a message", status)}
	}
	return r.message(), nil
}

// messages is the URL of the account's messages, to be followed by ".json".
func (c *Client) messages() string {
	return strings.TrimSuffix(c.channel.APIBaseURL, "/") + "/2010-04-01/Accounts/" + url.PathEscape(c.channel.AccountSID) + "/Messages"
}

// do sends a request with the account's credentials. Its errors don't name the
// URL, whose query may hold a guest's number.
func (c *Client) do(request *http.Request) (int, http.Header, []byte, error) {
	token, err := c.token()
	if err != nil {
		return 0, nil, nil, err
	}
	request.SetBasicAuth(c.channel.AccountSID, token)
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return 0, nil, nil, fmt.Errorf("asking Twilio's API: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("reading the answer of Twilio's API: %w", err)
	}
	return response.StatusCode, response.Header, answer, nil
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return min(time.Duration(min(seconds, 86400))*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}
