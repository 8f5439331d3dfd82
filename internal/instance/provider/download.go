package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/trust"
)

// maxRedirects of one download.
const maxRedirects = 3

// Downloads fetches files from where a provider keeps them, and from nowhere else: by HTTPS, from the host of its API or one of a
// few, none of which may be an address of a private network unless it is the API's own. Where a redirect leads counts as
// what was asked first.
type Downloads struct {
	base  *url.URL
	hosts []Host
	http  *http.Client
}

// Host is one that files are on beside the API's own.
type Host struct {
	Name   string // fbcdn.net, or .fbcdn.net for all below it
	Prefix string // of paths; "" for any
}

// NewDownloads makes one for the origin of a provider's API. caBundle is as for NewHTTP.
func NewDownloads(origin, caBundle string, hosts ...Host) (*Downloads, error) {
	base, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("reading the channel's apiBaseURL: %w", err)
	}
	roots, err := trust.Authorities(caBundle)
	if err != nil {
		return nil, fmt.Errorf("reading the channel's caBundle: %w", err)
	}
	d := &Downloads{base: base, hosts: hosts}
	d.http = &http.Client{
		// No timeout: whoever reads has one.
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: d.dial,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: 5 * time.Second,
			ResponseHeaderTimeout: requestTimeout, IdleConnTimeout: time.Second, MaxConnsPerHost: 4,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return d, nil
}

// allowed says whether an address is one where the provider keeps files.
func (d *Downloads) allowed(u *url.URL) bool {
	if u.Scheme != "https" || u.Opaque != "" || u.User != nil {
		return false
	}
	if d.IsAPI(u) {
		return true
	}
	if port := u.Port(); port != "" && port != "443" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	for _, h := range d.hosts {
		if host == h.Name || strings.HasPrefix(h.Name, ".") && strings.HasSuffix(host, h.Name) {
			return strings.HasPrefix(u.Path, h.Prefix)
		}
	}
	return false
}

// IsAPI says whether an address is on the host of the API itself.
func (d *Downloads) IsAPI(u *url.URL) bool {
	return u.Scheme == d.base.Scheme && strings.EqualFold(u.Host, d.base.Host)
}

// Get opens what is at an address. authorise may add credentials to each request, by where it goes. Errors are as Fetcher says, and
// name no address.
func (d *Downloads) Get(ctx context.Context, address string, authorise func(*http.Request) error) (io.ReadCloser, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, &MediaError{media.WrongAddress}
	}
	for range maxRedirects + 1 {
		if !d.allowed(at) {
			return nil, &MediaError{media.WrongAddress}
		}
		response, err := d.once(ctx, at, authorise)
		if err != nil {
			return nil, err
		}
		switch response.StatusCode {
		case http.StatusOK:
			if response.ContentLength > media.MaxInbound {
				return nil, errors.Join(&MediaError{media.TooLarge}, response.Body.Close())
			}
			return response.Body, nil
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			next, err := at.Parse(response.Header.Get("Location"))
			_ = response.Body.Close() // nothing of it is read
			if err != nil || response.Header.Get("Location") == "" {
				return nil, &MediaError{media.WrongAddress}
			}
			at = next
		default:
			_ = response.Body.Close() // nothing of it is read
			return nil, unfetched(response.StatusCode)
		}
	}
	return nil, &MediaError{media.WrongAddress}
}

func (d *Downloads) once(ctx context.Context, at *url.URL, authorise func(*http.Request) error) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, &MediaError{media.WrongAddress}
	}
	if authorise != nil {
		if err := authorise(request); err != nil {
			return nil, err
		}
	}
	response, err := d.http.Do(request) //nolint:gosec // allowed has said yes to this host
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the address
		}
		if errors.Is(err, errPrivate) {
			return nil, &MediaError{media.WrongAddress}
		}
		return nil, fmt.Errorf("fetching a file from the provider: %w", err)
	}
	return response, nil
}

// unfetched says what a status means: what is missing won't come; other failures may pass.
func unfetched(status int) error {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return &MediaError{media.Gone}
	}
	return &StatusError{status}
}

// StatusError is an answer that has no file in it, and may have one later.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("fetching a file from the provider: it answered HTTP %d", e.Status)
}

var errPrivate = errors.New("the host is in a private network")

// dial connects to the API's host and a proxy wherever they are, and to all others only at public addresses: looked at when the
// connection is made, so that a name can't be one thing at first and another then.
func (d *Downloads) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if !strings.EqualFold(address, hostPort(d.base)) && !d.isProxy(ctx, address) {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !isPublic(at.Addr()) {
				return errPrivate
			}
			return nil
		}
	}
	return dialer.DialContext(ctx, network, address)
}

func (d *Downloads) isProxy(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base.String(), nil)
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(request)
	return err == nil && proxy != nil && strings.EqualFold(address, hostPort(proxy))
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// special are the networks beside those that net/netip tells of that are not the public Internet: shared, documentation,
// benchmarks, reserved; and those by which an IPv4 address is written as an IPv6 one.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
}

func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	for _, network := range special {
		if network.Contains(a) {
			return false
		}
	}
	return a.IsGlobalUnicast() && !a.IsPrivate()
}
