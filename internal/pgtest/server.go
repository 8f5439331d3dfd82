// Package pgtest gives tests a real PostgreSQL, reached as in production: over
// TLS, with a client certificate and a password for every role. The server is
// started by the first test that asks for it and ends with the test binary,
// however that ends.
//
// It migrates as production does, and so imports migrate and queue: their tests,
// and those of what they import, use it from an external package (queue_test).
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Password is that of every role that pgtest makes.
const Password = "pgtest-password-of-every-role"

// startTimeout bounds the start of a server on a machine that does much else.
const startTimeout = 60 * time.Second

// Server is a running PostgreSQL server.
type Server struct {
	Port int
	dir  string // pgdata, certificates, log
	ca   *authority
	hba  string    // who is let in, and how
	stop io.Closer // closing it stops the server and removes dir

	template sync.Once
	failed   error
	count    int
	mu       sync.Mutex

	admin sync.Mutex
	conn  *pgx.Conn // of exec
}

var shared = sync.OnceValues(func() (*Server, error) { return start(hba) })

// Start gives the server that the tests of one binary share.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// StartOwn gives a server of the test's own, for tests that change roles: roles
// are shared by all databases of a server.
func StartOwn(t testing.TB) *Server {
	t.Helper()
	return startOwn(t, hba)
}

func startOwn(t testing.TB, hba string) *Server {
	t.Helper()
	s, err := start(hba)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop.Close(); err != nil {
			t.Errorf("stopping PostgreSQL: %v", err)
		}
	})
	return s
}

// script runs the server until its standard input is closed, which the kernel
// does even when the test binary is killed, and then removes its directory.
const script = `
cd "$1" || exit 1
"$2/postgres" -D "$1/data" >>"$1/log" 2>&1 </dev/null &
pid=$!
cat >/dev/null
kill -INT "$pid"
wait "$pid"
rm -rf "$1"
`

const hba = `local all all reject
hostssl all all all scram-sha-256 clientcert=verify-full
hostssl replication +sb_backup all scram-sha-256 clientcert=verify-full
`

func start(hba string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	attr, uid, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	s := &Server{Port: port, dir: dir, ca: ca, hba: hba}
	if err := s.write(uid); err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", contract.AdminRole,
		"--pwfile", filepath.Join(dir, "password"), "--auth=scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making a PostgreSQL cluster: %w\n%s", err, out)
	}
	if err := s.configure(); err != nil {
		return nil, err
	}
	return s, s.launch(bin, attr)
}

// launch starts the server and waits until it takes connections.
func (s *Server) launch(bin string, attr *syscall.SysProcAttr) error {
	dir := s.dir
	server := exec.Command("/bin/sh", "-c", script, "pgtest", dir, bin)
	server.SysProcAttr, server.Dir = attr, dir
	stdin, err := server.StdinPipe()
	if err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	if err := server.Start(); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	s.stop = closer(func() error {
		return errors.Join(stdin.Close(), server.Wait())
	})
	if err := s.wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return errors.Join(fmt.Errorf("starting PostgreSQL: %w\n%s", err, log), s.stop.Close())
	}
	return nil
}

// StartOn starts a server on a data directory that was copied from this one's. It takes
// the directory over, and ends with the test.
func (s *Server) StartOn(t testing.TB, data string) *Server {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	attr, uid, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	other := &Server{Port: port, dir: dir, ca: s.ca, hba: s.hba}
	if err := other.write(uid); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", data, filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("taking over the data: %v\n%s", err, out)
	}
	if err := other.configure(); err != nil {
		t.Fatal(err)
	}
	if uid >= 0 {
		if out, err := exec.Command("chown", "-R", strconv.Itoa(uid), filepath.Join(dir, "data")).CombinedOutput(); err != nil {
			t.Fatalf("taking over the data: %v\n%s", err, out)
		}
	}
	if err := other.launch(bin, attr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.stop.Close() })
	return other
}

// At is a database of that name on another server, which was copied from this one's.
func (d *Database) At(s *Server) *Database { return &Database{Name: d.Name, Server: s} }

type closer func() error

func (c closer) Close() error { return c() }

// write lays out what initdb and the server read.
func (s *Server) write(uid int) error {
	cert, key, err := s.ca.issue("localhost", true)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"password": []byte(Password), "server.crt": cert, "server.key": key, "ca.crt": s.ca.pem,
	} {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return fmt.Errorf("starting PostgreSQL: %w", err)
		}
		if uid >= 0 {
			if err := os.Chown(path, uid, -1); err != nil {
				return fmt.Errorf("starting PostgreSQL: %w", err)
			}
		}
	}
	if uid >= 0 {
		if err := os.Chown(s.dir, uid, -1); err != nil {
			return fmt.Errorf("starting PostgreSQL: %w", err)
		}
	}
	return nil
}

func (s *Server) configure() error {
	settings := fmt.Sprintf(`
listen_addresses = '127.0.0.1'
port = %d
unix_socket_directories = ''
ssl = on
ssl_cert_file = '%[2]s/server.crt'
ssl_key_file = '%[2]s/server.key'
ssl_ca_file = '%[2]s/ca.crt'
max_connections = 200
shared_buffers = 32MB
fsync = off
`, s.Port, s.dir)
	f, err := os.OpenFile(filepath.Join(s.dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configuring PostgreSQL: %w", err)
	}
	_, err = f.WriteString(settings)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("configuring PostgreSQL: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "data", "pg_hba.conf"), []byte(s.hba), 0o600); err != nil {
		return fmt.Errorf("configuring PostgreSQL: %w", err)
	}
	return nil
}

// wait returns when the server takes connections.
func (s *Server) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := s.connectAdmin(ctx, "postgres")
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}

// binaries finds the directory of PostgreSQL's programs: of PATH, else the newest
// that Debian installed.
func binaries() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	best, newest := "", 0
	for _, path := range found {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && version > newest {
			best, newest = filepath.Dir(path), version
		}
	}
	if best == "" {
		return "", errors.New("PostgreSQL is not installed, and these tests need it: apt-get install postgresql")
	}
	return best, nil
}

// unprivileged gives another user to run the server as, which refuses to run as
// root; a uid of -1 means the caller itself.
func unprivileged() (*syscall.SysProcAttr, int, error) {
	if os.Getuid() != 0 {
		return nil, -1, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.Atoi(u.Uid)
		gid, gerr := strconv.Atoi(u.Gid)
		if uerr != nil || gerr != nil {
			continue
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, uid, nil
	}
	return nil, 0, errors.New("PostgreSQL can't run as root, and there is no user postgres or nobody to run it as: run the tests as another user")
}

func freePort() (int, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Log gives what the server has logged so far.
func (s *Server) Log(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}
