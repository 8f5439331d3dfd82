package openid

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
	"regexp"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/reach"
	"github.com/switchboard-operator/switchboard/internal/instance/trust"
)

const (
	// requestTimeout bounds one request to the provider.
	requestTimeout = 4 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 256 << 10
)

var (
	errElsewhere = errors.New("it names an address that is not by https on the issuer's port")
	errRedirects = errors.New("it answers with another address, and none is followed")
	errTooLarge  = errors.New("it answers with too much")
)

// newClient speaks to the provider alone: by https, at the issuer's port, and in the networks of its sub-processor.
func newClient(c contract.StaffOIDC) (*http.Client, error) {
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Scheme != "https" || issuer.Host == "" || issuer.User != nil || issuer.RawQuery != "" || issuer.Fragment != "" {
		return nil, errors.New("its issuer is no address by https without user, query and fragment")
	}
	networks, err := reach.Parse(c.CIDRs, c.Except)
	if err != nil {
		return nil, err
	}
	roots, err := trust.Authorities(c.CABundle)
	if err != nil {
		return nil, fmt.Errorf("reading its caBundle: %w", err)
	}
	transport := &http.Transport{
		// No proxy: it would look names up, and connect, where nothing here sees to what.
		DialContext:         (&net.Dialer{Timeout: requestTimeout, ControlContext: networks.Control}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: requestTimeout, IdleConnTimeout: time.Minute, MaxConnsPerHost: 4, MaxIdleConns: 2, MaxResponseHeaderBytes: 16 << 10,
	}
	return &http.Client{
		Timeout: requestTimeout, Transport: bounded{transport, portOf(issuer)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirects },
	}, nil
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return "443"
}

// bounded reads no more of an answer than it may have, and refuses addresses that a discovery document should not have named.
type bounded struct {
	next http.RoundTripper
	port string
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || portOf(r.URL) != b.port {
		return nil, errElsewhere
	}
	response, err := b.next.RoundTrip(r)
	if err == nil {
		response.Body = &limited{response.Body, maxAnswer}
	}
	return response, err
}

type limited struct {
	io.ReadCloser
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.ReadCloser.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// reason says why there was no answer that counts, in words of ours: those of libraries have what the provider answered in them.
func reason(err error) string {
	var untrusted *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var issuer *oidc.IssuerMismatchError
	switch {
	case errors.Is(err, reach.ErrForbidden):
		return "a name leads to an address that is not in the networks of its sub-processor in the Region's register"
	case errors.As(err, &untrusted), errors.As(err, &unknown):
		return "its certificate is not one of a trusted authority for its name"
	case errors.As(err, &issuer):
		return "it names another issuer than spec.staffOIDC.issuer"
	case errors.Is(err, errElsewhere):
		return errElsewhere.Error()
	case errors.Is(err, errRedirects):
		return errRedirects.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "it does not answer in time"
	}
	return "it can't be reached, or does not answer as it should"
}

// errorCode is what error codes of OAuth look like, of which RFC 6749 lets others be made.
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

func codeOf(s string) string {
	if errorCode.MatchString(s) {
		return s
	}
	return "an error"
}

func exchangeFailed(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: the code: %s", ErrUnavailable, reason(err))
	}
	if answer.ErrorCode == "invalid_grant" { // used, too old, or another attempt's
		return fmt.Errorf("%w: it does not take the code", ErrUntrusted)
	}
	return fmt.Errorf("%w: it does not take the code: %s", ErrUnavailable, codeOf(answer.ErrorCode))
}

func verifyFailed(err error) error {
	var expired *oidc.TokenExpiredError
	if errors.As(err, &expired) {
		return fmt.Errorf("%w: the ID token has expired; see the clocks of both", ErrUntrusted)
	}
	var netErr net.Error
	if errors.As(err, &netErr) {
		return fmt.Errorf("%w: its keys: %s", ErrUnavailable, reason(err))
	}
	return fmt.Errorf("%w: the ID token's signature, issuer or audience is not right", ErrUntrusted)
}
