package objectstore

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/trust"
)

// stall is how long a connection may pass on nothing at all before it is given up: streams are
// of any length, and a store that hangs must not hang a run.
const stall = time.Minute

func transport(caBundle string) (http.RoundTripper, error) {
	roots, err := trust.Authorities(caBundle)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &impatient{Conn: c}, nil
		},
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: askTimeout,
		IdleConnTimeout:       30 * time.Second,
		MaxConnsPerHost:       4,
		DisableCompression:    true, // what is stored is ciphertext
	}, nil
}

// impatient gives up when a single read or write takes too long.
type impatient struct{ net.Conn }

func (c *impatient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *impatient) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
