package pgtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// What every migrated database has: two channels, and one staff account with Password.
const (
	Channel      = "front-desk"
	OtherChannel = "spa"
	StaffEmail   = "reception@hotel.example"
)

// Database is a database of a test's own.
type Database struct {
	Name   string
	Server *Server
}

// Input is what a test database is migrated to: Channel and OtherChannel, version 1
// of every login role, no limits.
func Input() migrate.Input {
	in := migrate.Input{Staff: &migrate.Staff{Email: StaffEmail, Password: Password}}
	components := []string{contract.ComponentServe, contract.ComponentRetain, contract.ComponentSubject, contract.ComponentReplay, contract.ComponentBackup,
		contract.ComponentExport, contract.ComponentAdopt, contract.ComponentWebhooks}
	for _, name := range []string{Channel, OtherChannel} {
		in.Setup.Channels = append(in.Setup.Channels, contract.SetupChannel{Name: name, Type: contract.ChannelTypeTwilioSMS})
		components = append(components, contract.ComponentConnector(name))
	}
	for _, c := range components {
		in.Logins = append(in.Logins, migrate.Login{Role: contract.LoginRole(c, 1), Password: Password})
	}
	return in
}

// New makes a migrated database on the shared server; it is dropped with the test.
func New(t testing.TB) *Database {
	t.Helper()
	return NewOn(t, Start(t))
}

// NewOn makes a migrated database on a server.
func NewOn(t testing.TB, s *Server) *Database {
	t.Helper()
	s.template.Do(func() {
		template := s.create(t, "template", "template0")
		_, s.failed = migrate.Run(context.Background(), slog.New(slog.DiscardHandler), template.Config(t, contract.AdminRole), Input())
	})
	if s.failed != nil {
		t.Fatalf("migrating the template: %v", s.failed)
	}
	d := s.create(t, s.nextName(), "template")
	// What is granted on a database itself is not copied with a template.
	s.exec(t, "REVOKE ALL ON DATABASE "+d.Name+" FROM PUBLIC")
	s.exec(t, "GRANT CONNECT ON DATABASE "+d.Name+" TO sb_connector, "+strings.Join(groups(), ", "))
	t.Cleanup(func() { s.exec(t, "DROP DATABASE "+d.Name+" WITH (FORCE)") })
	return d
}

// groups lists the roles that may connect, besides the connectors' common one.
func groups() []string {
	var names []string
	for _, l := range Input().Logins {
		group, _ := contract.GroupOfLogin(l.Role)
		names = append(names, group)
	}
	return names
}

// Refuse ends all sessions of the database and lets none in, as when it is down.
func (d *Database) Refuse(t testing.TB) {
	t.Helper()
	d.Server.exec(t, "ALTER DATABASE "+d.Name+" ALLOW_CONNECTIONS false")
	d.Server.exec(t, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '"+d.Name+"'")
}

// Accept takes Refuse back.
func (d *Database) Accept(t testing.TB) {
	t.Helper()
	d.Server.exec(t, "ALTER DATABASE "+d.Name+" ALLOW_CONNECTIONS true")
}

// Copy makes a second database that is as this one is now, as a backup would. It ends
// all sessions first.
func (d *Database) Copy(t testing.TB) *Database {
	t.Helper()
	d.Refuse(t)
	defer d.Accept(t)
	c := d.Server.create(t, d.Server.nextName(), d.Name)
	c.Accept(t)
	d.Server.exec(t, "REVOKE ALL ON DATABASE "+c.Name+" FROM PUBLIC; GRANT CONNECT ON DATABASE "+c.Name+" TO sb_connector, "+strings.Join(groups(), ", "))
	t.Cleanup(func() { d.Server.exec(t, "DROP DATABASE "+c.Name+" WITH (FORCE)") })
	return c
}

// Empty makes a database without anything in it.
func (s *Server) Empty(t testing.TB) *Database {
	t.Helper()
	return s.create(t, s.nextName(), "template0")
}

func (s *Server) nextName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	return "test_" + strconv.Itoa(s.count)
}

func (s *Server) create(t testing.TB, name, template string) *Database {
	t.Helper()
	s.mu.Lock() // a template can be copied by one at a time
	defer s.mu.Unlock()
	s.exec(t, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s STRATEGY FILE_COPY", name, template))
	return &Database{Name: name, Server: s}
}

// exec runs a statement on the server's own database, on a connection that is kept for the next.
func (s *Server) exec(t testing.TB, statement string) {
	t.Helper()
	s.admin.Lock()
	defer s.admin.Unlock()
	ctx := context.Background()
	if s.conn == nil || s.conn.IsClosed() {
		conn, err := s.connectAdmin(ctx, "postgres")
		if err != nil {
			t.Fatalf("connecting to PostgreSQL: %v", err)
		}
		s.conn = conn
	}
	if _, err := s.conn.Exec(ctx, statement); err != nil {
		t.Fatalf("executing %q: %v", statement, err)
	}
}

func (s *Server) connectAdmin(ctx context.Context, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable") // replaced by our own TLS below
	if err != nil {
		return nil, err
	}
	certificate, key, err := s.ca.issue(contract.AdminRole, false)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.ca.cert)
	config.Host, config.Port, config.Database = "localhost", uint16(s.Port), database
	config.User, config.Password = contract.AdminRole, Password
	config.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13}
	config.Fallbacks = nil
	return pgx.ConnectConfig(ctx, config)
}

// Dir writes the credentials of a role as contract.DirDatabase holds them.
func (d *Database) Dir(t testing.TB, role string) string {
	t.Helper()
	dir := t.TempDir()
	d.WriteCredentials(t, dir, role, Password)
	return dir
}

// WriteCredentials writes credentials into an existing directory, as a rotation does.
func (d *Database) WriteCredentials(t testing.TB, dir, role, password string) {
	t.Helper()
	cert, key, err := d.Server.ca.issue(role, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		contract.FileUsername: []byte(role), contract.FilePassword: []byte(password),
		contract.FileTLSCert: cert, contract.FileTLSKey: key, contract.FileCA: d.Server.ca.pem,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Config says how to reach the database as a login role, for example
// contract.LoginRole(contract.ComponentServe, 1), or contract.AdminRole.
func (d *Database) Config(t testing.TB, role string) store.Config {
	t.Helper()
	return store.Config{Dir: d.Dir(t, role), Host: "localhost", Port: uint16(d.Server.Port), Database: d.Name, Unguarded: role == contract.AdminRole}
}

// Setenv sets the environment by which store.Open reaches the database as role.
func (d *Database) Setenv(t testing.TB, role string) {
	t.Helper()
	t.Setenv("PGHOST", "localhost")
	t.Setenv("PGPORT", strconv.Itoa(d.Server.Port))
	t.Setenv("PGDATABASE", d.Name)
	t.Setenv("PGSSLMODE", "verify-full")
	t.Setenv(store.EnvDatabaseDir, d.Dir(t, role))
}

// Pool opens the database as a login role.
func (d *Database) Pool(t testing.TB, role string) *pgxpool.Pool {
	t.Helper()
	pool, err := store.OpenConfig(context.Background(), slog.New(slog.DiscardHandler), d.Config(t, role))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Admin opens the database as its superuser, whom row security does not bind.
func (d *Database) Admin(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return d.Pool(t, contract.AdminRole)
}

// Serve opens the database as `instance serve` does.
func (d *Database) Serve(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return d.Pool(t, contract.LoginRole(contract.ComponentServe, 1))
}

// Connector opens the database as a channel's connector does.
func (d *Database) Connector(t testing.TB, channel string) *pgxpool.Pool {
	t.Helper()
	return d.Pool(t, contract.LoginRole(contract.ComponentConnector(channel), 1))
}

// Retain opens the database as `instance retain` does.
func (d *Database) Retain(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return d.Pool(t, contract.LoginRole(contract.ComponentRetain, 1))
}

// Subject opens the database as `instance subject` does.
func (d *Database) Subject(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return d.Pool(t, contract.LoginRole(contract.ComponentSubject, 1))
}

// Replay opens the database as `instance replay` does.
func (d *Database) Replay(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return d.Pool(t, contract.LoginRole(contract.ComponentReplay, 1))
}

// Export opens the database as `instance export` does.
func (d *Database) Export(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return d.Pool(t, contract.LoginRole(contract.ComponentExport, 1))
}

// Adopt opens the database as `instance adopt` does.
func (d *Database) Adopt(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return d.Pool(t, contract.LoginRole(contract.ComponentAdopt, 1))
}

// Limits puts a policy in force: days to retain by category.
func (d *Database) Limits(t testing.TB, days map[string]int32) contract.Retention {
	t.Helper()
	policy := contract.Retention{Policy: "test", Generation: 1, Mode: contract.ModeEnforce, MaxPercent: 100}
	for _, c := range slices.Sorted(slices.Values(contract.Categories())) {
		if n, ok := days[c]; ok {
			policy.Rules = append(policy.Rules, contract.RetentionRule{Category: c, RetainDays: n, Action: contract.ActionDelete})
		}
	}
	policy.Digest = contract.Digest(policy.Rules)
	admin := d.Admin(t)
	for _, r := range policy.Rules {
		if _, err := admin.Exec(context.Background(), `INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest)
			VALUES ($1, $2, $3, $4, $5)`, policy.Policy, r.Category, r.RetainDays, policy.Generation, policy.Digest); err != nil {
			t.Fatalf("setting limits: %v", err)
		}
	}
	return policy
}
