// Package s3test gives tests a real S3-compatible store, that of test/standin/s3: not ours, and
// strict about signatures, regions and checksums. It listens on loopback, over TLS, and keeps its
// objects as files, so that a test can look at what is there without the client it tests. It
// ends with the test, and with the test binary however that ends.
package s3test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Location is where every store of this package says that it is, unless told otherwise.
const Location = "eu-central-1"

// startTimeout bounds the start of a server on a machine that does much else.
const startTimeout = 60 * time.Second

// Server is a store. Its zero value is not of use: see Start.
type Server struct {
	location, secret, dir string
	port                  int
	versions              bool
	ca                    []byte
	stop                  func() error // nil while it does not run
}

// Option changes a store.
type Option func(*Server)

// In says where the store is.
func In(location string) Option { return func(s *Server) { s.location = location } }

// Versioned lets buckets keep versions, if they are told to.
func Versioned(s *Server) { s.versions = true }

// accessKeyID is that of the store's only account.
const accessKeyID = "s3testaccount"

// Start gives a store of the test's own.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := &Server{location: Location, secret: rand.Text(), dir: t.TempDir()}
	for _, o := range options {
		o(s)
	}
	cert := httptest.NewTLSServer(nil) // for its certificate alone, which is of 127.0.0.1
	defer cert.Close()
	key, err := x509.MarshalPKCS8PrivateKey(cert.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	s.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate().Raw})
	write(t, filepath.Join(s.dir, "cert.pem"), s.ca)
	write(t, filepath.Join(s.dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	for _, dir := range []string{"buckets", "meta", "versions"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Up(t)
	t.Cleanup(func() { s.Down(t) })
	return s
}

// script runs the server until its standard input is closed, which the kernel does even when the
// test binary is killed.
const script = `
"$@" </dev/null &
pid=$!
cat >/dev/null
kill -KILL "$pid"
wait "$pid"
`

// Up starts the store again, with all that it had.
func (s *Server) Up(t testing.TB) {
	t.Helper()
	if s.stop != nil {
		return
	}
	program, err := program()
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{
		"--port", fmt.Sprintf("127.0.0.1:%d", s.port), "--access", accessKeyID, "--secret", s.secret, "--region", s.location,
		"--cert", filepath.Join(s.dir, "cert.pem"), "--key", filepath.Join(s.dir, "key.pem"), "--quiet", "posix", "--sidecar", filepath.Join(s.dir, "meta"),
	}
	if s.versions {
		arguments = append(arguments, "--versioning-dir", filepath.Join(s.dir, "versions"))
	}
	server := exec.Command("/bin/sh", append([]string{"-c", script, "s3test", program}, append(arguments, filepath.Join(s.dir, "buckets"))...)...)
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	s.stop = sync.OnceValue(func() error {
		_ = stdin.Close()
		var killed *exec.ExitError
		if err := server.Wait(); err != nil && !errors.As(err, &killed) {
			return err
		}
		return nil
	})
	if err := s.wait(t.Context()); err != nil {
		t.Fatal(errors.Join(err, s.stop(), errors.New(log.String())))
	}
}

// Down stops the store: nobody can reach it until Up.
func (s *Server) Down(t testing.TB) {
	t.Helper()
	if s.stop == nil {
		return
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	s.stop = nil
}

// wait returns when the store takes connections.
func (s *Server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the S3-compatible store did not start: %w", err)
		case <-tick.C:
		}
	}
}

// program builds the store, or finds it in Go's build cache.
var program = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/switchboard-operator/switchboard").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	build := exec.Command("go", "tool", "-n", "versitygw")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as for its image, so that it is built once
	build.Dir = filepath.Join(strings.TrimSpace(string(root)), "test", "standin", "s3")
	var errs bytes.Buffer
	build.Stderr = &errs
	out, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("building the S3-compatible store in %s: %w\n%s", build.Dir, err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
})

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Place is a bucket of the store as the operator tells an instance of it. The bucket is made when
// it is not there yet.
func (s *Server) Place(t testing.TB, bucket, prefix string) contract.ObjectStore {
	t.Helper()
	s.make(t, bucket)
	return contract.ObjectStore{
		Name: "judge", Endpoint: fmt.Sprintf("https://127.0.0.1:%d", s.port), Location: s.location,
		Bucket: bucket, Prefix: prefix, CABundle: string(s.ca),
	}
}

// Credentials lays out credentials as contract.DirObjectStore.
func (s *Server) Credentials(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, contract.FileAccessKeyID), []byte(accessKeyID+"\n"))
	write(t, filepath.Join(dir, contract.FileSecretAccessKey), []byte(s.secret))
	return dir
}

// Objects gives what is in a bucket, read from the store's disk: key to content. Parts of uploads
// that never ended are told under keys that begin with a dot.
func (s *Server) Objects(t testing.TB, bucket string) map[string]string {
	t.Helper()
	objects := map[string]string{}
	root := os.DirFS(filepath.Join(s.dir, "buckets", bucket))
	err := walk(root, func(path string, content io.Reader) error {
		b, err := io.ReadAll(content)
		objects[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}
