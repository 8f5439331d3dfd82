package twilio

import (
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
	"strconv"
	"strings"
	"time"

	_ "golang.org/x/crypto/x509roots/fallback" // the image has no certificate authorities of its own

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Client sends by Twilio's REST API, version 2010-04-01.
type Client struct {
	config contract.TwilioSMS
	token  func() (string, error)
	http   *http.Client
}

// requestTimeout bounds one call; after it, what became of the call is unknown.
const requestTimeout = 10 * time.Second

// maxAnswer bounds what is read of an answer, in bytes: a page of 100 messages is some 100 KiB.
const maxAnswer = 4 << 20

// NewClient makes a client of a channel's account. token is asked for at every
// call, so that a rotated one counts at once.
func NewClient(config contract.TwilioSMS, token func() (string, error)) (*Client, error) {
	base, err := url.Parse(config.APIBaseURL)
	if err != nil || base.Scheme != "https" || base.Host == "" {
		return nil, errors.New("reading the channel: apiBaseURL must be an https URL such as https://api.twilio.com")
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if config.CABundle != "" {
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM([]byte(config.CABundle)) {
			return nil, errors.New("reading the channel: caBundle holds no PEM certificate")
		}
	}
	return &Client{config: config, token: token, http: &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			TLSClientConfig:     trust,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     90 * time.Second,
			ForceAttemptHTTP2:   true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Outcome is what is known after a call to send.
type Outcome int

const (
	// Accepted: Twilio has the message.
	Accepted Outcome = iota
	// NotSent: Twilio certainly does not have it; trying again is safe.
	NotSent
	// Rejected: Twilio refused it for good.
	Rejected
	// Unknown: Twilio may have it; ask before sending again.
	Unknown
)

// Sent is the result of a call to send. Its fields hold nothing personal.
type Sent struct {
	Outcome    Outcome
	SID        string        // Accepted
	Code       string        // Rejected: Twilio's error code, or the HTTP status
	RetryAfter time.Duration // NotSent: how long Twilio asks to wait, 0 when it does not
	Reason     string        // not Accepted: one sentence
}

// Send posts one message.
func (c *Client) Send(ctx context.Context, to, body, statusCallback string) Sent {
	form := url.Values{"To": {to}, "Body": {body}, "StatusCallback": {statusCallback}}
	if c.config.MessagingServiceSID != "" {
		form.Set("MessagingServiceSid", c.config.MessagingServiceSID)
	} else {
		form.Set("From", c.config.From)
	}
	status, header, answer, err := c.call(ctx, http.MethodPost, c.messages(), strings.NewReader(form.Encode()))
	switch {
	case notConnected(err):
		return Sent{Outcome: NotSent, Reason: "the provider can't be reached"}
	case errors.Is(err, errToken):
		return Sent{Outcome: NotSent, Reason: err.Error()}
	case err != nil:
		return Sent{Outcome: Unknown, Reason: "the provider did not answer"}
	case status == http.StatusCreated || status == http.StatusOK:
		var m struct {
			SID string `json:"sid"`
		}
		if json.Unmarshal(answer, &m) != nil || !messageSID.MatchString(m.SID) {
			return Sent{Outcome: Unknown, Reason: "the provider's answer names no message"}
		}
		return Sent{Outcome: Accepted, SID: m.SID}
	case status == http.StatusTooManyRequests:
		return Sent{Outcome: NotSent, RetryAfter: retryAfter(header), Reason: "the provider is limiting the rate (429)"}
	case status >= 500:
		return Sent{Outcome: Unknown, Reason: "the provider failed with status " + strconv.Itoa(status)}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return Sent{Outcome: NotSent, RetryAfter: time.Minute, Reason: "the provider refuses the account's credentials: check the channel's Secret"}
	default:
		var e struct {
			Code int `json:"code"` // https://www.twilio.com/docs/api/errors
		}
		code := strconv.Itoa(status)
		if json.Unmarshal(answer, &e) == nil && e.Code != 0 {
			code = strconv.Itoa(e.Code)
		}
		return Sent{Outcome: Rejected, Code: code, Reason: "the provider refused the message with code " + code}
	}
}

// message is one row of Twilio's list.
type message struct {
	SID         string `json:"sid"`
	Body        string `json:"body"`
	Direction   string `json:"direction"`
	DateCreated string `json:"date_created"` // RFC 2822
}

// clockSkew is how far Twilio's clock may be behind ours.
const clockSkew = time.Minute

// maxPages bounds a search, at 100 messages a page.
const maxPages = 5

// Find gives the ids of outbound messages to an address with that body, accepted
// since an instant, oldest first. An error means that nothing is known.
func (c *Client) Find(ctx context.Context, to, body string, since time.Time) ([]string, error) {
	query := url.Values{"To": {to}, "PageSize": {"100"}}
	if c.config.MessagingServiceSID == "" {
		query.Set("From", c.config.From)
	}
	target := c.messages() + "?" + query.Encode()
	var found []string
	for range maxPages {
		status, _, answer, err := c.call(ctx, http.MethodGet, target, nil)
		if err != nil {
			return nil, errors.New("asking the provider for a message: no answer")
		}
		if status != http.StatusOK {
			return nil, fmt.Errorf("asking the provider for a message: status %d", status)
		}
		var page struct {
			Messages    []message `json:"messages"`
			NextPageURI string    `json:"next_page_uri"`
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			return nil, errors.New("asking the provider for a message: its answer is no list of messages")
		}
		past := false
		for _, m := range page.Messages { // newest first
			created, err := time.Parse(time.RFC1123Z, m.DateCreated)
			if err != nil {
				return nil, errors.New("asking the provider for a message: a date_created is not in RFC 2822")
			}
			if past = created.Before(since.Add(-clockSkew)); past {
				break
			}
			if m.Body == body && strings.HasPrefix(m.Direction, "outbound") && messageSID.MatchString(m.SID) {
				found = append([]string{m.SID}, found...)
			}
		}
		if past || page.NextPageURI == "" {
			return found, nil
		}
		if !strings.HasPrefix(page.NextPageURI, "/") {
			return nil, errors.New("asking the provider for a message: next_page_uri leaves the provider")
		}
		target = strings.TrimSuffix(c.config.APIBaseURL, "/") + page.NextPageURI
	}
	return nil, fmt.Errorf("asking the provider for a message: more than %d pages since the attempt", maxPages)
}

func (c *Client) messages() string {
	return strings.TrimSuffix(c.config.APIBaseURL, "/") + "/2010-04-01/Accounts/" + url.PathEscape(c.config.AccountSID) + "/Messages.json"
}

var errToken = errors.New("reading the account's credentials failed: check the channel's Secret")

func (c *Client) call(ctx context.Context, method, target string, body io.Reader) (int, http.Header, []byte, error) {
	token, err := c.token()
	if err != nil {
		return 0, nil, nil, errToken
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("preparing a request to the provider: %w", err)
	}
	request.SetBasicAuth(c.config.AccountSID, token)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, nil, err // never shown: it may bear an address
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, response.Header, answer, err
}

// notConnected says that a call failed before anything was sent.
func notConnected(err error) bool {
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "dial" {
		return true
	}
	var untrusted *tls.CertificateVerificationError
	return errors.As(err, &untrusted)
}

// retryAfter reads the header in seconds, at most a minute.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Minute)
}
