package external_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/external"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

var quiet = slog.New(slog.DiscardHandler)

const claim = "eu-central/hotel-berlin"

func customer(t *testing.T, d *pgtest.Database) store.Config {
	t.Helper()
	return d.ByPassword(t, pgtest.ProviderLogin, pgtest.Password)
}

// input is what a tenant asks for of a provider's server, which can't be backed up by replication.
func input(claim string) migrate.Input {
	in := pgtest.Input()
	in.Claim = claim
	logins := in.Logins
	in.Logins = nil
	for _, l := range logins {
		if l.Role != contract.LoginRole(contract.ComponentBackup, 1) {
			in.Logins = append(in.Logins, l)
		}
	}
	return in
}

func TestWhatAServerIsRefusedFor(t *testing.T) {
	d := pgtest.StartProvider(t)
	other := pgtest.StartProvider(t)
	check := func(c store.Config) contract.DatabaseResult { return external.Check(t.Context(), quiet, c, claim) }
	if r := check(customer(t, d)); r.Class != "" || r.Message != "" || r.Version < contract.MinPostgres {
		t.Fatalf("a good one: %+v", r)
	}
	changed := func(change func(*store.Config)) store.Config {
		c := customer(t, d)
		change(&c)
		return c
	}
	for about, c := range map[string]struct {
		config store.Config
		class  string
		says   string
	}{
		"another authority": {changed(func(c *store.Config) {
			ca, err := os.ReadFile(filepath.Join(customer(t, other).Dir, contract.FileCA))
			if err := errors.Join(err, os.WriteFile(filepath.Join(c.Dir, contract.FileCA), ca, 0o600)); err != nil {
				t.Fatal(err)
			}
		}), contract.DatabaseUntrusted, "authority in ca.crt"},
		"another host name":    {changed(func(c *store.Config) { c.Host, c.Port = "127.0.0.2", forward(t, c.Port) }), contract.DatabaseUntrusted, "another host name"},
		"a server without TLS": {changed(func(c *store.Config) { c.Port = withoutTLS(t) }), contract.DatabaseUntrusted, "offers no TLS"},
		"a wrong password":     {d.ByPassword(t, pgtest.ProviderLogin, "guessed"), contract.DatabaseRefused, "28P01"},
		"an unknown login":     {d.ByPassword(t, "nobody", pgtest.Password), contract.DatabaseRefused, "28P01"},
		"an unknown database":  {changed(func(c *store.Config) { c.Database = "elsewhere" }), contract.DatabaseRefused, "dbname"},
		"nobody there":         {changed(func(c *store.Config) { c.Port = nobody(t) }), contract.DatabaseUnreachable, "nobody answers"},
		"a host without one":   {changed(func(c *store.Config) { c.Host = "db.invalid" }), contract.DatabaseUnreachable, "nobody answers"},
	} {
		t.Run(about, func(t *testing.T) {
			r := check(c.config)
			if r.Class != c.class || !strings.Contains(r.Message, c.says) {
				t.Errorf("%+v, want %s with %q", r, c.class, c.says)
			}
			tellsNothing(t, r)
		})
	}
	t.Run("where it is stands beside the login", func(t *testing.T) {
		if r := check(d.Mounted(t, customer(t, d))); r.Class != "" {
			t.Errorf("%+v", r)
		}
		c := d.Mounted(t, customer(t, d))
		if err := os.WriteFile(filepath.Join(c.Dir, contract.FilePort), []byte("70000"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := check(c); r.Class != contract.DatabaseFailed || !strings.Contains(r.Message, "is no port") {
			t.Errorf("a port that is none: %+v", r)
		}
	})
	t.Run("too few rights", func(t *testing.T) {
		d.Server.Exec(t, "ALTER ROLE "+pgtest.ProviderLogin+" NOCREATEROLE")
		if r := check(customer(t, d)); r.Class != contract.DatabaseRights || !strings.Contains(r.Message, "CREATEROLE") {
			t.Errorf("without CREATEROLE: %+v", r)
		}
		d.Server.Exec(t, "ALTER ROLE "+pgtest.ProviderLogin+" CREATEROLE; ALTER DATABASE "+d.Name+" OWNER TO postgres")
		if r := check(customer(t, d)); r.Class != contract.DatabaseRights || !strings.Contains(r.Message, "owner") {
			t.Errorf("without the database: %+v", r)
		}
	})
}

// tellsNothing of the login, its password or the host: the message goes to a Tenant's status.
func tellsNothing(t *testing.T, r contract.DatabaseResult) {
	t.Helper()
	for _, word := range []string{pgtest.ProviderLogin, pgtest.Password, "guessed", "nobody\"", "localhost", "127.0.0", "db.invalid", "elsewhere"} {
		if strings.Contains(r.Message, word) {
			t.Errorf("the message tells %q: %s", word, r.Message)
		}
	}
}

func TestATenantOnAProvidersServer(t *testing.T) {
	d := pgtest.StartProvider(t)
	if _, err := migrate.Run(t.Context(), quiet, customer(t, d), input(claim)); err != nil {
		t.Fatal(err)
	}
	open := func(t *testing.T, role string) *pgxpool.Pool {
		t.Helper()
		pool, err := store.OpenConfig(t.Context(), quiet, d.ByPassword(t, role, pgtest.Password))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool
	}
	serve := open(t, contract.LoginRole(contract.ComponentServe, 1))
	if _, err := serve.Exec(t.Context(), "SELECT count(*) FROM sb.conversation"); err != nil {
		t.Errorf("serve: %v", err)
	}
	t.Run("each role has its own rights alone", func(t *testing.T) {
		connector := open(t, contract.LoginRole(contract.ComponentConnector(pgtest.Channel), 1))
		for _, forbidden := range []string{
			"SELECT count(*) FROM sb.message", "SELECT count(*) FROM sb.staff", "SELECT count(*) FROM queue_spa.river_job", "CREATE TABLE public.mine ()",
		} {
			if _, err := connector.Exec(t.Context(), forbidden); err == nil || !strings.Contains(err.Error(), "42501") {
				t.Errorf("%s: want it refused, got %v", forbidden, err)
			}
		}
	})
	t.Run("a second run changes nothing, and rotation drops what was", func(t *testing.T) {
		in := input(claim)
		in.Logins = append(in.Logins, migrate.Login{Role: contract.LoginRole(contract.ComponentServe, 2), Password: pgtest.Password})
		if _, err := migrate.Run(t.Context(), quiet, customer(t, d), in); err != nil {
			t.Fatal(err)
		}
		in.Logins = nil
		for _, l := range input(claim).Logins {
			if l.Role == contract.LoginRole(contract.ComponentServe, 1) {
				l.Role = contract.LoginRole(contract.ComponentServe, 2)
			}
			in.Logins = append(in.Logins, l)
		}
		in.Setup.Channels = in.Setup.Channels[:1] // one channel goes with its queue and group
		in.Logins = without(in.Logins, contract.LoginRole(contract.ComponentConnector(pgtest.OtherChannel), 1))
		if _, err := migrate.Run(t.Context(), quiet, customer(t, d), in); err != nil {
			t.Fatal(err)
		}
		if _, err := serve.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Error("the old login's session goes on")
		}
		if err := store.Ready(t.Context(), open(t, contract.LoginRole(contract.ComponentServe, 2))); err != nil {
			t.Errorf("the new login: %v", err)
		}
	})
	t.Run("another tenant is refused", func(t *testing.T) {
		if r := external.Check(t.Context(), quiet, customer(t, d), claim); r.Class != "" {
			t.Errorf("its own: %+v", r)
		}
		if r := external.Check(t.Context(), quiet, customer(t, d), "eu-central/hotel-hamburg"); r.Class != contract.DatabaseTaken || !strings.Contains(r.Message, claim) {
			t.Errorf("another's: %+v", r)
		}
		if _, err := migrate.Run(t.Context(), quiet, customer(t, d), input("eu-central/hotel-hamburg")); err == nil || !strings.Contains(err.Error(), claim) {
			t.Errorf("another's migration: %v", err)
		}
		if r := external.Erase(t.Context(), quiet, customer(t, d), "eu-central/hotel-hamburg"); r.Class != contract.DatabaseTaken || r.Schemas+r.Roles != 0 {
			t.Errorf("another's erasure: %+v", r)
		}
	})
	t.Run("erased, and nothing is left", func(t *testing.T) {
		r := external.Erase(t.Context(), quiet, customer(t, d), claim)
		if r.Class != "" || r.Schemas < 3 || r.Roles < 10 {
			t.Fatalf("%+v", r)
		}
		left := ""
		owner := open(t, pgtest.ProviderLogin)
		if err := owner.QueryRow(t.Context(), `SELECT coalesce((SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolname LIKE 'sb\_%'), '') ||
			coalesce((SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'public')), '')`).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left != "" {
			t.Errorf("left: %s", left)
		}
		if again := external.Erase(t.Context(), quiet, customer(t, d), claim); again.Class != "" || again.Schemas+again.Roles != 0 {
			t.Errorf("once more: %+v", again)
		}
		if _, err := migrate.Run(t.Context(), quiet, customer(t, d), input("eu-central/hotel-hamburg")); err != nil {
			t.Errorf("the next tenant: %v", err)
		}
	})
}

// TestTheCommandTellsTheOperator by its end and in words.
func TestTheCommandTellsTheOperator(t *testing.T) {
	d := pgtest.StartProvider(t)
	log := filepath.Join(t.TempDir(), "termination")
	t.Setenv(contract.EnvTerminationLog, log)
	t.Setenv(contract.EnvDatabaseClaim, claim)
	t.Setenv("PGHOST", "")
	call := func(c store.Config, erase bool) (contract.DatabaseResult, error) {
		t.Helper()
		t.Setenv(store.EnvDatabaseDir, c.Dir)
		failed := external.Command(t.Context(), quiet, erase)
		content, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		told, err := contract.DecodeResult(string(content))
		if err != nil || told.Database == nil {
			t.Fatalf("told %s, %v", content, err)
		}
		return *told.Database, failed
	}
	if r, err := call(d.Mounted(t, customer(t, d)), false); err != nil || r.Class != "" {
		t.Errorf("a good one: %+v, %v", r, err)
	}
	if r, err := call(d.Mounted(t, d.ByPassword(t, pgtest.ProviderLogin, "guessed")), false); err == nil || r.Class != contract.DatabaseRefused {
		t.Errorf("a wrong password: %+v, %v", r, err)
	}
	if r, err := call(d.Mounted(t, customer(t, d)), true); err != nil || r.Class != "" {
		t.Errorf("erased: %+v, %v", r, err)
	}
}

func without(logins []migrate.Login, role string) []migrate.Login {
	var left []migrate.Login
	for _, l := range logins {
		if l.Role != role {
			left = append(left, l)
		}
	}
	return left
}
