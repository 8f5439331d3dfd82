package provider

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/trust"
)

const (
	// requestTimeout bounds one request to a provider's API.
	requestTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes: a page of 50 long messages fits.
	maxAnswer = 1 << 20
	// maxRetryAfter bounds how long a Retry-After is obeyed.
	maxRetryAfter = 5 * time.Minute
)

// NewHTTP makes a client for a provider's API, which proves itself by one of the
// authorities in caBundle (PEM), or by a public one when that is empty.
func NewHTTP(caBundle string) (*http.Client, error) {
	roots, err := trust.Authorities(caBundle)
	if err != nil {
		return nil, fmt.Errorf("reading the channel's caBundle: %w", err)
	}
	return &http.Client{
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
	}, nil
}

// Do sends a request and reads the answer. Its errors name neither the URL nor what is
// in it, as either may hold a guest's number.
func Do(client *http.Client, request *http.Request) (status int, header http.Header, answer []byte, err error) {
	response, err := client.Do(request) //nolint:gosec // the origin is the Channel's, which providers check as CheckOrigin says
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return 0, nil, nil, fmt.Errorf("asking the provider's API: %w", err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer)); err != nil {
		return 0, nil, nil, fmt.Errorf("reading the answer of the provider's API: %w", err)
	}
	return response.StatusCode, response.Header, answer, nil
}

// RetryAfter reads the header of that name: seconds or a date (RFC 9110, section 10.2.3).
func RetryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return min(time.Duration(min(seconds, 86400))*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}
