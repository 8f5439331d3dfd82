package pgtest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// ProviderLogin is the login that a Provider gives its customer: no superuser.
const ProviderLogin = "customer"

// providerHBA lets logins in by password alone, over TLS: a provider knows nothing of the tenant's authority.
const providerHBA = `local all all reject
hostssl all postgres all scram-sha-256 clientcert=verify-full
hostssl all all all scram-sha-256
`

// StartProvider starts a server such as providers of PostgreSQL offer, with a database of the customer's, whose login may
// make roles and owns it.
func StartProvider(t testing.TB) *Database {
	t.Helper()
	s := startOwn(t, providerHBA)
	s.exec(t, "CREATE ROLE "+ProviderLogin+" LOGIN CREATEROLE PASSWORD '"+Password+"'")
	d := s.Empty(t)
	s.exec(t, "ALTER DATABASE "+d.Name+" OWNER TO "+ProviderLogin)
	return d
}

// Exec has the server's superuser do something, as a provider does.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	s.exec(t, statement)
}

// ByPassword says how to reach the database as a role that the server knows by its password alone.
func (d *Database) ByPassword(t testing.TB, role, password string) store.Config {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		contract.FileUsername: []byte(role), contract.FilePassword: []byte(password), contract.FileCA: d.Server.ca.pem,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return store.Config{Dir: dir, Host: "localhost", Port: uint16(d.Server.Port), Database: d.Name, Unguarded: true}
}

// Mounted writes where the database is beside the credentials of a Config, as a pod has it, and takes it out of the Config.
func (d *Database) Mounted(t testing.TB, c store.Config) store.Config {
	t.Helper()
	for name, content := range map[string]string{contract.FileHost: c.Host, contract.FilePort: strconv.Itoa(int(c.Port)), contract.FileDatabase: c.Database} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.Host, c.Port, c.Database = "", 0, ""
	return c
}
