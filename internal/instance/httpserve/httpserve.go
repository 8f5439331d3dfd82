// Package httpserve runs the HTTP servers of an instance pod: HTTPS for the world,
// and probes and metrics in plain HTTP for the kubelet and Prometheus.
package httpserve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// EnvTLSDir names another directory than contract.DirTLS, for running outside of a pod.
const EnvTLSDir = "SWITCHBOARD_TLS_DIR"

// Bounds on a connection. A client that is slower than these is cut off.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
	readyTimeout      = 2 * time.Second
)

// Times of the end: for routes to forget a pod that says it is not ready, and for
// requests under way. Together they stay below a pod's default grace of 30 s.
const (
	defaultDrainDelay = 3 * time.Second
	drainTimeout      = 20 * time.Second
)

// Config says what to serve. Zero fields mean what the comments say.
type Config struct {
	Handler http.Handler
	// Ready says whether requests can be served now; its error is logged, not shown.
	Ready     func(context.Context) error
	Log       *slog.Logger  // slog.Default()
	Addr      string        // ":8443"
	ProbeAddr string        // ":8080"
	TLSDir    string        // EnvTLSDir or contract.DirTLS
	Drain     time.Duration // how long to serve on after saying not ready; 3 s, negative for none
	// VerifyClients asks clients for a certificate of the tenant's authority, ca.crt in
	// TLSDir; one that has none is served all the same.
	VerifyClients bool
	// Started, when set, is told the addresses once both servers listen.
	Started func(https, probe net.Addr)
}

func (c *Config) defaults() {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Addr == "" {
		c.Addr = ":" + strconv.Itoa(contract.PortHTTPS)
	}
	if c.ProbeAddr == "" {
		c.ProbeAddr = ":" + strconv.Itoa(contract.PortProbe)
	}
	if c.TLSDir == "" {
		c.TLSDir = os.Getenv(EnvTLSDir)
	}
	if c.TLSDir == "" {
		c.TLSDir = contract.DirTLS
	}
	if c.Drain == 0 {
		c.Drain = defaultDrainDelay
	}
}

// Run serves until ctx ends, then drains: it says not ready, serves on for
// c.Drain, and waits for the requests under way. It returns nil after a clean end.
func Run(ctx context.Context, c Config) error {
	c.defaults()
	certificate := &certificate{dir: c.TLSDir, log: c.Log}
	if _, err := certificate.get(nil); err != nil {
		return fmt.Errorf("serving HTTPS: %w; mount the serving certificate there", err)
	}
	httpsListener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("serving HTTPS: %w", err)
	}
	probeListener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.ProbeAddr)
	if err != nil {
		return errors.Join(fmt.Errorf("serving probes: %w", err), httpsListener.Close())
	}
	https := newServer(count(c.Handler), c.Log)
	https.TLSConfig = &tls.Config{GetCertificate: certificate.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.VerifyClients {
		if https.TLSConfig.ClientCAs, err = authority(c.TLSDir); err != nil {
			return errors.Join(fmt.Errorf("serving HTTPS: %w", err), httpsListener.Close(), probeListener.Close())
		}
		https.TLSConfig.ClientAuth = tls.VerifyClientCertIfGiven
	}
	probe := newServer(probes(ctx, c), c.Log)
	if c.Started != nil {
		c.Started(httpsListener.Addr(), probeListener.Addr())
	}
	failed := make(chan error, 2)
	go func() { failed <- https.ServeTLS(httpsListener, "", "") }()
	go func() { failed <- probe.Serve(probeListener) }()
	c.Log.Info("serving", "https", httpsListener.Addr().String(), "probe", probeListener.Addr().String())
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serving: %w", err), https.Close(), probe.Close())
	case <-ctx.Done():
	}
	c.Log.Info("draining")
	if c.Drain > 0 {
		<-time.After(c.Drain)
	}
	drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := https.Shutdown(drained); err != nil {
		return errors.Join(fmt.Errorf("draining: %w", err), https.Close(), probe.Close())
	}
	return probe.Close()
}

// RunProbes serves probes and metrics alone, for a component that nobody calls, until ctx ends.
func RunProbes(ctx context.Context, c Config) error {
	c.defaults()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.ProbeAddr)
	if err != nil {
		return fmt.Errorf("serving probes: %w", err)
	}
	probe := newServer(probes(ctx, c), c.Log)
	failed := make(chan error, 1)
	go func() { failed <- probe.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving probes: %w", err)
	case <-ctx.Done():
		return probe.Close()
	}
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// A handshake that fails names the peer's address, which is personal data.
		ErrorLog: slog.NewLogLogger(withoutMessage{log.Handler()}, slog.LevelDebug),
	}
}

// probes answers /healthz, /readyz and /metrics.
func probes(ctx context.Context, c Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() != nil {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		if c.Ready != nil {
			asked, cancel := context.WithTimeout(r.Context(), readyTimeout)
			defer cancel()
			if err := c.Ready(asked); err != nil { //nolint:contextcheck // it is the request's
				c.Log.Warn("not ready", "error", err.Error())
				http.Error(w, "not ready; see the pod's log", http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.Handler())
	return mux
}
