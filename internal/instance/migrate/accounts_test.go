package migrate_test

import (
	"io/fs"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestAnUpgradeLocksNobodyOut takes a database back to before there were roles, and upgrades it with the accounts that it then has.
func TestAnUpgradeLocksNobodyOut(t *testing.T) {
	const nobodys = "$argon2id$v=19$m=7168,t=5,p=1$c3dpdGNoYm9hcmQtbm8tMQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	account := func(email, hash, created, rest string) string {
		return "INSERT INTO sb.staff (id, email, password_hash, created_at, last_active_at, disabled_at) VALUES (gen_random_uuid(), '" + email + "@hotel.example', '" + hash + "', now() - interval '" + created + "', " + rest + ")"
	}
	tests := map[string]struct {
		accounts []string
		want     string
	}{
		"the only one":                    {nil, "reception@hotel.example supervisor"},
		"the first of two":                {[]string{account("ada", "x", "1 year", "now(), NULL")}, "ada@hotel.example supervisor, reception@hotel.example agent"},
		"not one that is closed":          {[]string{account("ada", "x", "1 year", "now(), now()")}, "ada@hotel.example agent, reception@hotel.example supervisor"},
		"not one without a password":      {[]string{account("ada", nobodys, "1 year", "now(), NULL")}, "ada@hotel.example agent, reception@hotel.example supervisor"},
		"not one that has expired":        {[]string{account("ada", "x", "1 year", "now() - interval '99 days', NULL")}, "ada@hotel.example agent, reception@hotel.example supervisor"},
		"somebody where none can sign in": {[]string{"DELETE FROM sb.staff", account("ada", nobodys, "1 year", "now(), NULL")}, "ada@hotel.example agent, reception@hotel.example supervisor"},
		"who can't is replaced":           {[]string{"UPDATE sb.staff SET disabled_at = now()"}, "reception@hotel.example supervisor"},
	}
	d := pgtest.StartOwn(t).Empty(t)
	in := pgtest.Input()
	run(t, d, in)
	admin := d.Admin(t)
	files, err := fs.Sub(store.Migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	versions, err := database.NewStore(database.DialectPostgres, "migration.version")
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDBFromPool(admin)
	defer db.Close()
	back, err := goose.NewProvider(goose.DialectCustom, db, files, goose.WithStore(versions), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), "INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ('p', 'StaffAccounts', 90, 1, 'd')"); err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := back.DownTo(t.Context(), 21); err != nil {
				t.Fatal(err)
			}
			for _, statement := range append([]string{"DELETE FROM sb.staff", account("reception", "x", "1 day", "now(), NULL"),
				"INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ('p', 'StaffAccounts', 90, 1, 'd') ON CONFLICT DO NOTHING"}, test.accounts...) {
				if _, err := admin.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			run(t, d, in)
			if got := texts(t, admin, "SELECT string_agg(email || ' ' || role, ', ' ORDER BY email) FROM sb.staff"); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
