package standin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// webhookTimeout is how long Twilio waits for an answer.
	webhookTimeout = 15 * time.Second
	maxAnswer      = 64 << 10 // bytes
)

// report plays what becomes of an accepted message.
func (s *Server) report(ctx context.Context, m *Message) {
	s.mu.Lock()
	outcome, set := s.outcomes[m.To]
	s.mu.Unlock()
	if !set {
		outcome.Statuses = []string{"sent", "delivered"}
	}
	for _, status := range outcome.Statuses {
		if !s.pause(ctx) {
			return
		}
		s.mu.Lock()
		m.Status = status
		if status == "sent" {
			m.SentAt = time.Now()
		}
		if status == "failed" || status == "undelivered" {
			m.ErrorCode = outcome.ErrorCode
		}
		now, account := *m, s.accounts[m.Account]
		s.mu.Unlock()
		if now.StatusCallback != "" {
			s.callBack(ctx, now, account, outcome.Retries)
		}
	}
}

// pause waits for the delay between callbacks, and tells whether to go on.
func (s *Server) pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(s.delay):
		return true
	}
}

func (s *Server) callBack(ctx context.Context, m Message, account Account, retries int) {
	form := url.Values{
		"MessageSid": {m.SID}, "SmsSid": {m.SID}, "MessageStatus": {m.Status}, "SmsStatus": {m.Status},
		"AccountSid": {m.Account}, "To": {m.To}, "From": {m.From}, "ApiVersion": {"2010-04-01"},
	}
	if m.ErrorCode != 0 {
		form.Set("ErrorCode", strconv.Itoa(m.ErrorCode))
	}
	if m.MessagingServiceSID != "" {
		form.Set("MessagingServiceSid", m.MessagingServiceSID)
	}
	for try := 1; ; try++ {
		done := Callback{At: time.Now(), SID: m.SID, To: m.To, MessageStatus: m.Status, Try: try}
		u, err := url.Parse(m.StatusCallback)
		if err != nil {
			done.Error = err.Error()
		} else if route, known := s.route(u.Host, u.Path); !known {
			done.Error = "no route leads to the host " + u.Host
			err = errors.New(done.Error)
		} else {
			done.Delivered = deliver(ctx, route, m.StatusCallback, form, account.AuthToken)
		}
		s.mu.Lock()
		if ctx.Err() == nil { // else it is of before a Reset
			s.callbacks = append(s.callbacks, done)
		}
		s.mu.Unlock()
		if err != nil || !done.again(try, retries) || !s.pause(ctx) {
			return
		}
	}
}

// again tells whether another try follows one that ended like this.
func (d Delivered) again(try, retries int) bool {
	if retries == 0 {
		return !d.connected && try == 1
	}
	return (d.Status == 0 || d.Status >= 500) && try <= retries
}

// deliver posts a signed webhook to target, by connecting to the route's address.
func deliver(ctx context.Context, route Route, target string, form url.Values, authToken string) Delivered {
	d := Delivered{SID: form.Get("MessageSid")}
	err := func() error {
		signature, err := Sign(authToken, target, form)
		if err != nil {
			return err
		}
		trust := &tls.Config{MinVersion: tls.VersionTLS12}
		if route.CA != "" {
			trust.RootCAs = x509.NewCertPool()
			if !trust.RootCAs.AppendCertsFromPEM([]byte(route.CA)) {
				return errors.New("the route's ca holds no PEM certificate")
			}
		}
		transport := &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, route.Address)
			}}
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { d.connected = true }, // after the TLS handshake
		})
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
		if err != nil {
			return fmt.Errorf("making a webhook: %w", err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		request.Header.Set("X-Twilio-Signature", signature)
		response, err := (&http.Client{Transport: transport, Timeout: webhookTimeout}).Do(request)
		if err != nil {
			return fmt.Errorf("delivering a webhook: %w", err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("reading the answer to a webhook: %w", err)
		}
		d.Status, d.Body = response.StatusCode, string(body)
		return nil
	}()
	if err != nil {
		d.Error = err.Error()
	}
	return d
}
