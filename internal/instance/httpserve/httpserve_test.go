package httpserve_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
)

// pod is a running server.
type pod struct {
	https, probe string
	stop         context.CancelFunc
	ended        chan error
	log          *safeBuffer
}

func start(t *testing.T, c httpserve.Config) *pod {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p := &pod{stop: stop, ended: make(chan error, 1), log: &safeBuffer{}}
	started := make(chan struct{})
	c.Addr, c.ProbeAddr = "127.0.0.1:0", "127.0.0.1:0"
	c.Log = slog.New(slog.NewJSONHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.Started = func(https, probe net.Addr) {
		p.https, p.probe = https.String(), probe.String()
		close(started)
	}
	go func() { p.ended <- httpserve.Run(ctx, c) }()
	select {
	case <-started:
	case err := <-p.ended:
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return p
}

func (p *pod) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := http.Get("http://" + p.probe + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

// writeCertificate writes a self-signed pair for localhost with the serial number.
func writeCertificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, contract.FileTLSKey), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	write(t, filepath.Join(dir, contract.FileTLSCert), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	at := time.Now().Add(time.Duration(serial) * time.Second) // two writes may fall into one tick of the file system
	if err := os.Chtimes(filepath.Join(dir, contract.FileTLSCert), at, at); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *pod) serial(t *testing.T) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", p.https, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test looks at the certificate itself
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestACertificateIsReadAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	p := start(t, httpserve.Config{Handler: http.NotFoundHandler(), TLSDir: dir})
	if got := p.serial(t); got != 1 {
		t.Errorf("certificate %d, want 1", got)
	}
	writeCertificate(t, dir, 2)
	if got := p.serial(t); got != 2 {
		t.Errorf("certificate %d after the rotation, want 2", got)
	}
	write(t, filepath.Join(dir, contract.FileTLSCert), []byte("half a certifica"))
	if got := p.serial(t); got != 2 {
		t.Errorf("certificate %d while the file is broken, want 2", got)
	}
}

func TestReadinessTellsTheTruth(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	var broken atomic.Bool
	p := start(t, httpserve.Config{Handler: http.NotFoundHandler(), TLSDir: dir, Ready: func(ctx context.Context) error {
		if broken.Load() {
			return errors.New("the database is away")
		}
		return nil
	}})
	if status, _ := p.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("ready: %d", status)
	}
	broken.Store(true)
	if status, body := p.get(t, "/readyz"); status != http.StatusServiceUnavailable || strings.Contains(body, "database") {
		t.Errorf("not ready: %d %s", status, body)
	}
	if status, _ := p.get(t, "/healthz"); status != http.StatusOK {
		t.Errorf("alive though not ready: %d", status)
	}
	broken.Store(false)
	if status, _ := p.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("ready again: %d", status)
	}
}

func TestRequestsUnderWayAreFinished(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	arrived, release := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /slow/{id}", func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		io.WriteString(w, "finished")
	})
	p := start(t, httpserve.Config{Handler: mux, TLSDir: dir, Drain: 200 * time.Millisecond})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // self-signed
	answered := make(chan string, 1)
	go func() {
		response, err := client.Get("https://" + p.https + "/slow/secret-id")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		b, _ := io.ReadAll(response.Body)
		answered <- string(b)
	}()
	<-arrived
	p.stop()
	if status, body := p.get(t, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
		t.Errorf("while draining: %d %s", status, body)
	}
	select {
	case err := <-p.ended:
		t.Fatalf("ended with a request under way: %v", err)
	case <-time.After(400 * time.Millisecond):
	}
	close(release)
	if got := <-answered; got != "finished" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-p.ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestMetricsCountRoutesAndNotPaths(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /guests/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	p := start(t, httpserve.Config{Handler: mux, TLSDir: dir})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // self-signed
	for _, path := range []string{"/guests/ada-lovelace", "/nobody-knows"} {
		response, err := client.Get("https://" + p.https + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	_, metrics := p.get(t, "/metrics")
	for _, want := range []string{
		`switchboard_http_request_duration_seconds_count{code="418",route="GET /guests/{id}"} 1`,
		`switchboard_http_request_duration_seconds_count{code="404",route="none"} `,
		"process_resident_memory_bytes",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(metrics, "ada-lovelace") || strings.Contains(metrics, "nobody-knows") {
		t.Error("a path stands in the metrics")
	}
}

func TestNoPeerStandsInTheLog(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	p := start(t, httpserve.Config{Handler: http.NotFoundHandler(), TLSDir: dir})
	conn, err := net.Dial("tcp", p.https)
	if err != nil {
		t.Fatal(err)
	}
	peer := conn.LocalAddr().String()
	io.WriteString(conn, "this is no handshake\r\n\r\n")
	io.Copy(io.Discard, conn) // until the server hangs up
	conn.Close()
	p.stop()
	<-p.ended
	if log := p.log.String(); !strings.Contains(log, "a connection failed") || strings.Contains(log, peer) {
		t.Errorf("the log: %s", log)
	}
}

func TestWithoutACertificateTheReasonIsTold(t *testing.T) {
	err := httpserve.Run(t.Context(), httpserve.Config{Handler: http.NotFoundHandler(), TLSDir: t.TempDir(), Addr: "127.0.0.1:0", ProbeAddr: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "mount the serving certificate") {
		t.Errorf("got %v", err)
	}
}

// safeBuffer is a buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
