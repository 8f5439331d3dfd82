package provider

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
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

// Attempt is Do for a request that sends a message. It fails with *NotSentError when no
// connection was made, and with *UnknownError when one was: then the message may have been taken.
func Attempt(client *http.Client, request *http.Request) (status int, header http.Header, answer []byte, err error) {
	var reached atomic.Bool
	traced := httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }})
	status, header, answer, err = Do(client, request.WithContext(traced))
	switch {
	case err != nil && !reached.Load():
		err = &NotSentError{Cause: err}
	case err != nil:
		err = &UnknownError{Cause: err}
	}
	return status, header, answer, err
}

// RetryAfter reads the header of that name: seconds or a date (RFC 9110, section 10.2.3).
func RetryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return Seconds(seconds)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}

// Seconds is how long to wait for a provider that asks for so many seconds.
func Seconds(n int) time.Duration {
	return min(time.Duration(min(max(n, 0), 86400))*time.Second, maxRetryAfter)
}
