package migrate_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

var quiet = slog.New(slog.DiscardHandler)

func run(t *testing.T, d *pgtest.Database, in migrate.Input) int64 {
	t.Helper()
	result, err := migrate.Run(t.Context(), quiet, d.Config(t, contract.AdminRole), in)
	if err != nil {
		t.Fatal(err)
	}
	return result.SchemaVersion
}

// logIn returns why a role can't log in and read what its component reads, or nil.
func logIn(t *testing.T, d *pgtest.Database, role, statement string) error {
	t.Helper()
	_, err := d.Pool(t, role).Exec(t.Context(), statement)
	return err
}

func texts(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) string {
	t.Helper()
	var text *string
	if err := pool.QueryRow(context.Background(), sql, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if text == nil {
		return ""
	}
	return *text
}

const asServe = "SELECT count(*) FROM sb.conversation"

func TestTheLifeOfATenantsDatabase(t *testing.T) {
	d := pgtest.StartOwn(t).Empty(t)
	admin := d.Admin(t)
	in := pgtest.Input()
	version := run(t, d, in)
	if version < 4 {
		t.Errorf("schema version %d, want 4 or more", version)
	}
	roles := func() string {
		return texts(t, admin, `SELECT string_agg(rolname, ' ' ORDER BY rolname COLLATE "C") FROM pg_roles WHERE rolname LIKE 'sb\_%'`)
	}
	const atFirst = "sb_adopt sb_adopt_v1 sb_backup sb_backup_v1 sb_connector sb_connector_front_desk sb_connector_front_desk_v1 sb_connector_spa sb_connector_spa_v1 sb_export sb_export_v1 sb_owner sb_replay sb_replay_v1 sb_retain sb_retain_v1 sb_serve sb_serve_v1 sb_subject sb_subject_v1 sb_webhooks sb_webhooks_v1"
	if got := roles(); got != atFirst {
		t.Fatalf("roles %s", got)
	}

	t.Run("a second run changes nothing", func(t *testing.T) {
		if again := run(t, d, in); again != version || roles() != atFirst {
			t.Errorf("version %d then %d, roles %s", version, again, roles())
		}
		if n := texts(t, admin, "SELECT count(*)::text FROM sb.staff"); n != "1" {
			t.Errorf("%s staff accounts, want 1", n)
		}
	})

	t.Run("nothing belongs to a superuser", func(t *testing.T) {
		if got := texts(t, admin, `SELECT string_agg(c.relname, ' ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE (n.nspname IN ('sb', 'migration') OR n.nspname LIKE 'queue\_%') AND c.relowner <> 'sb_owner'::regrole`); got != "" {
			t.Errorf("not owned by sb_owner: %s", got)
		}
	})

	t.Run("partitions reach twelve months ahead", func(t *testing.T) {
		missing := texts(t, admin, `SELECT string_agg(name, ' ') FROM (
			SELECT t || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n), '_YYYY_MM') AS name
			FROM generate_series(0, 12) AS n, unnest(ARRAY['message', 'message_body', 'access_log']) AS t) AS wanted
			WHERE to_regclass('sb.' || name) IS NULL`)
		if missing != "" {
			t.Errorf("missing: %s", missing)
		}
	})

	t.Run("a rotated credential is refused and its sessions end", func(t *testing.T) {
		old := contract.LoginRole(contract.ComponentServe, 1)
		open := d.Pool(t, old)
		conn, err := open.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		both := in
		both.Logins = append([]migrate.Login{{Role: contract.LoginRole(contract.ComponentServe, 2), Password: pgtest.Password}}, in.Logins...)
		run(t, d, both)
		for _, v := range []int{1, 2} {
			if err := logIn(t, d, contract.LoginRole(contract.ComponentServe, v), asServe); err != nil {
				t.Errorf("version %d while both count: %v", v, err)
			}
		}
		next := in
		next.Logins = nil
		for _, l := range both.Logins {
			if l.Role != old {
				next.Logins = append(next.Logins, l)
			}
		}
		run(t, d, next)
		if err := logIn(t, d, old, asServe); err == nil {
			t.Error("the old login still works")
		}
		if _, err := conn.Exec(t.Context(), asServe); err == nil {
			t.Error("a session of the old login goes on")
		}
		if err := logIn(t, d, contract.LoginRole(contract.ComponentServe, 2), asServe); err != nil {
			t.Errorf("the new login: %v", err)
		}
		in = next
	})

	t.Run("a changed password counts and the one before does not", func(t *testing.T) {
		role := contract.LoginRole(contract.ComponentRetain, 1)
		changed := in
		changed.Logins = nil
		for _, l := range in.Logins {
			if l.Role == role {
				l.Password = "quite-another-password"
			}
			changed.Logins = append(changed.Logins, l)
		}
		run(t, d, changed)
		if err := logIn(t, d, role, "SELECT 1"); err == nil {
			t.Error("the old password still works")
		}
		run(t, d, in)
		if err := logIn(t, d, role, "SELECT 1"); err != nil {
			t.Errorf("the password put back: %v", err)
		}
	})

	t.Run("a channel comes", func(t *testing.T) {
		more := in
		more.Setup.Channels = append([]contract.SetupChannel{{Name: "late-bar", Type: contract.ChannelTypeTwilioSMS}}, in.Setup.Channels...)
		role := contract.LoginRole(contract.ComponentConnector("late-bar"), 1)
		more.Logins = append([]migrate.Login{{Role: role, Password: pgtest.Password}}, in.Logins...)
		run(t, d, more)
		if err := logIn(t, d, role, "SELECT count(*) FROM queue_late_bar.river_job"); err != nil {
			t.Errorf("its connector and its queue: %v", err)
		}
		for _, forbidden := range []string{
			"SELECT count(*) FROM queue_front_desk.river_job", "SELECT count(*) FROM sb.message", "SELECT count(*) FROM sb.contact",
			"SELECT count(*) FROM sb.staff", "CREATE TABLE queue_late_bar.mine ()", "DROP TABLE queue_late_bar.river_job",
		} {
			if err := logIn(t, d, role, forbidden); err == nil || !strings.Contains(err.Error(), "42501") && !strings.Contains(err.Error(), "must be owner") {
				t.Errorf("%s: want it refused, got %v", forbidden, err)
			}
		}
	})

	t.Run("a channel goes, its messages stay", func(t *testing.T) {
		if _, err := admin.Exec(t.Context(), `INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
			VALUES (gen_random_uuid(), now(), gen_random_uuid(), 'late-bar', 'in', 'guest', 'received')`); err != nil {
			t.Fatal(err)
		}
		run(t, d, in)
		if got := texts(t, admin, `SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolname LIKE '%late%'`); got != "" {
			t.Errorf("roles left: %s", got)
		}
		if got := texts(t, admin, `SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE nspname LIKE '%late%'`); got != "" {
			t.Errorf("schemas left: %s", got)
		}
		if got := texts(t, admin, `SELECT string_agg(name, ' ' ORDER BY name) FROM sb.channel`); got != "front-desk spa" {
			t.Errorf("channels: %s", got)
		}
		if n := texts(t, admin, "SELECT count(*)::text FROM sb.message WHERE channel = 'late-bar'"); n != "1" {
			t.Errorf("%s messages of the channel, want 1", n)
		}
	})

	t.Run("limits are replaced as a whole", func(t *testing.T) {
		first := in
		first.Setup.Retention = []contract.Retention{policy("standard", 365), policy("strict", 30)}
		run(t, d, first)
		second := in
		second.Setup.Retention = []contract.Retention{policy("standard", 90)}
		run(t, d, second)
		if got := texts(t, admin, "SELECT string_agg(policy || ' ' || category || ' ' || retain_days, ', ') FROM sb.retention_limit"); got != "standard Messages 90" {
			t.Errorf("limits: %s", got)
		}
	})
}

func policy(name string, days int32) contract.Retention {
	rules := []contract.RetentionRule{{Category: contract.CategoryMessages, RetainDays: days, Action: contract.ActionDelete}}
	return contract.Retention{
		Policy: name, Generation: 1, Digest: contract.Digest(rules), Rules: rules, Mode: contract.ModeEnforce, MaxPercent: 50,
	}
}

func TestMigrationsAtOnceWaitForEachOther(t *testing.T) {
	d := pgtest.StartOwn(t).Empty(t)
	errs := make([]error, 4)
	var wg sync.WaitGroup
	config := d.Config(t, contract.AdminRole)
	for i := range errs {
		wg.Go(func() { _, errs[i] = migrate.Run(t.Context(), quiet, config, pgtest.Input()) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("migration %d: %v", i, err)
		}
	}
	if err := logIn(t, d, contract.LoginRole(contract.ComponentServe, 1), asServe); err != nil {
		t.Error(err)
	}
}

func TestPasswordsDoNotReachTheServersLog(t *testing.T) {
	server := pgtest.StartOwn(t)
	d := server.Empty(t)
	if _, err := d.Admin(t).Exec(t.Context(), "ALTER SYSTEM SET log_statement = 'all'"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Admin(t).Exec(t.Context(), "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	run(t, d, pgtest.Input())
	log := string(server.Log(t))
	if !strings.Contains(log, "ALTER ROLE") {
		t.Fatal("the server does not log statements: this test would show nothing")
	}
	if strings.Contains(log, pgtest.Password) {
		t.Error("a password stands in the server's log")
	}
}
