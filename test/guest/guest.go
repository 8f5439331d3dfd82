// Package guest plays the provider's side of a Twilio channel: it posts signed
// webhooks as Twilio documents them. What it signs is first judged by twilio-go's
// own validator, so that a wrong signature here can't meet a wrong check there.
package guest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	twilio "github.com/twilio/twilio-go/client"
)

// Line is one number of a client, as the provider knows it.
type Line struct {
	PublicURL  string // https://HOST, the origin of the webhooks
	Channel    string
	AccountSID string
	AuthToken  string
	Number     string // E.164: the client's side

	client *http.Client
}

// NewLine makes a Line whose connections go through dial and whose server must
// prove itself by the authority in caPEM under the host of publicURL.
func NewLine(publicURL, channel, accountSID, authToken, number string, caPEM []byte,
	dial func(ctx context.Context, network, address string) (net.Conn, error),
) (*Line, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caPEM) {
		return nil, errors.New("reading the authority of channel " + channel + ": no certificate in it")
	}
	return &Line{
		PublicURL: publicURL, Channel: channel, AccountSID: accountSID, AuthToken: authToken, Number: number,
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
			DialContext: dial, MaxIdleConnsPerHost: 64,
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		}},
	}, nil
}

// InboundURL is where messages go; StatusURL where delivery statuses go.
func (l *Line) InboundURL() string { return l.PublicURL + "/webhooks/" + l.Channel + "/twilio/inbound" }

// StatusURL is where delivery statuses go.
func (l *Line) StatusURL() string { return l.PublicURL + "/webhooks/" + l.Channel + "/twilio/status" }

// NewSID makes a message's id as the provider would: SM and 32 hexadecimal digits.
func NewSID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return "SM" + hex.EncodeToString(b)
}

// Message gives the form of an inbound text message.
func (l *Line) Message(sid, from, body string) url.Values {
	return url.Values{
		"MessageSid": {sid}, "SmsSid": {sid}, "SmsMessageSid": {sid}, "AccountSid": {l.AccountSID},
		"From": {from}, "To": {l.Number}, "Body": {body}, "NumMedia": {"0"}, "NumSegments": {"1"},
		"SmsStatus": {"received"}, "ApiVersion": {"2010-04-01"}, "FromCountry": {"DE"},
	}
}

// Sign gives the X-Twilio-Signature of a form posted to target: the base64 of
// HMAC-SHA1 over the URL and every key and value, sorted by key.
func Sign(authToken, target string, form url.Values) (string, error) {
	keys := make([]string, 0, len(form))
	for k := range form {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	mac := hmac.New(sha1.New, []byte(authToken))
	mac.Write([]byte(target))
	params := make(map[string]string, len(form))
	for _, k := range keys {
		mac.Write([]byte(k + form.Get(k)))
		params[k] = form.Get(k)
	}
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	judge := twilio.NewRequestValidator(authToken)
	if !judge.Validate(target, params, signature) {
		return "", errors.New("signing a webhook: twilio-go's validator refuses the signature")
	}
	return signature, nil
}

// Write sends an inbound message, correctly signed, and gives the HTTP status.
func (l *Line) Write(ctx context.Context, sid, from, body string) (int, error) {
	status, _, err := l.PostSigned(ctx, l.InboundURL(), l.Message(sid, from, body))
	return status, err
}

// PostSigned posts a form with its right signature and gives status and body.
func (l *Line) PostSigned(ctx context.Context, target string, form url.Values) (int, string, error) {
	signature, err := Sign(l.AuthToken, target, form)
	if err != nil {
		return 0, "", err
	}
	return l.Post(ctx, target, []byte(form.Encode()), signature)
}

// Post posts bytes as a form, with the signature given (none when empty).
func (l *Line) Post(ctx context.Context, target string, body []byte, signature string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(string(body)))
	if err != nil {
		return 0, "", fmt.Errorf("making a webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if signature != "" {
		request.Header.Set("X-Twilio-Signature", signature)
	}
	response, err := l.client.Do(request)
	if err != nil {
		return 0, "", fmt.Errorf("posting a webhook to channel %s: %w", l.Channel, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return response.StatusCode, "", fmt.Errorf("reading the answer of channel %s: %w", l.Channel, err)
	}
	return response.StatusCode, string(answer), nil
}
