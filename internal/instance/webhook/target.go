package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/reach"
	"github.com/switchboard-operator/switchboard/internal/instance/trust"
)

const (
	// requestTimeout bounds one attempt, as Standard Webhooks advises.
	requestTimeout = 15 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes: nothing in it counts.
	maxAnswer = 4 << 10
	// maxSecret bounds a signing secret's file, in bytes.
	maxSecret = 1 << 10
)

// event is what is to be told.
type event struct {
	id       uuid.UUID
	attempts int
	payload  string
}

// outcome is what came of an attempt: "" when the event was taken.
type outcome struct {
	problem    string
	retryAfter time.Duration
}

// target is where a subscription leads.
type target struct {
	hook   contract.Webhook
	dir    string
	client *http.Client
}

func newTarget(hook contract.Webhook, dir string) (*target, error) {
	u, err := url.Parse(hook.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("its url is no address by https without user and fragment")
	}
	t := &target{hook: hook, dir: filepath.Join(dir, hook.Name)}
	networks, err := reach.Parse(hook.CIDRs, hook.Except)
	if err != nil {
		return nil, err
	}
	roots, err := trust.Authorities(hook.CABundle)
	if err != nil {
		return nil, fmt.Errorf("reading its caBundle: %w", err)
	}
	t.client = &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			// No proxy: it would look names up, and connect, where nothing here sees to what.
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, ControlContext: networks.Control}).DialContext,
			TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: time.Minute, MaxConnsPerHost: 1, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return t, nil
}

// post tells the receiver of an event. What it says of it names neither the address nor what is in the payload.
func (t *target) post(ctx context.Context, e event) outcome {
	now := time.Now()
	signatures, err := t.sign(e, now)
	if err != nil {
		return outcome{problem: contract.WebhookUnsigned}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.hook.URL, strings.NewReader(e.payload))
	if err != nil {
		return outcome{problem: contract.WebhookUnreachable}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "switchboard")
	request.Header.Set(standardwebhooks.HeaderWebhookID, "evt_"+e.id.String())
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signatures)
	response, err := t.client.Do(request)
	if err != nil {
		return outcome{problem: problemOf(err)}
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // so that the connection can be used again
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return outcome{}
	case code >= 300 && code < 400:
		return outcome{problem: contract.WebhookRedirects}
	default:
		return outcome{problem: "status-" + strconv.Itoa(code), retryAfter: retryAfter(response.Header.Get("Retry-After"), now)}
	}
}

// sign gives the signatures by all secrets that there are: a receiver knows one of them, whichever, while they change. They are read
// each time, so that a Secret that was changed counts at once.
func (t *target) sign(e event, at time.Time) (string, error) {
	var all []string
	for i := range t.hook.Secrets {
		key, err := readSecret(filepath.Join(t.dir, strconv.Itoa(i)))
		if err != nil {
			return "", err
		}
		signature, err := key.Sign("evt_"+e.id.String(), at, []byte(e.payload))
		if err != nil {
			return "", err
		}
		all = append(all, signature)
	}
	if len(all) == 0 {
		return "", errors.New("there is no secret")
	}
	return strings.Join(all, " "), nil
}

func readSecret(path string) (*standardwebhooks.Webhook, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return nil, err
	}
	if !contract.SigningSecret(b) {
		return nil, errors.New("it is no signing secret")
	}
	return standardwebhooks.NewWebhook(strings.TrimSpace(string(b)))
}

// problemOf says in a word why there was no answer.
func problemOf(err error) string {
	var untrusted *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, reach.ErrForbidden):
		return contract.WebhookForbidden
	case errors.As(err, &untrusted), errors.As(err, &unknown):
		return contract.WebhookUntrusted
	default:
		return contract.WebhookUnreachable
	}
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter) //nolint:gosec // bounded by 31 bits
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
