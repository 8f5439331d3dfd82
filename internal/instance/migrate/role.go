package migrate

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

const (
	// migrationSchema holds goose's table of applied migrations.
	migrationSchema = "migration"
	// connectorGroup holds what all connectors are granted.
	connectorGroup = "sb_connector"
)

// ensureGroups makes the roles that own tables or hold grants, none of which can
// log in, and closes the database to everyone else.
func ensureGroups(ctx context.Context, admin *pgxpool.Pool, in Input) error {
	for _, role := range append([]string{contract.OwnerRole, connectorGroup}, in.groups()...) {
		if err := ensureRole(ctx, admin, role, "NOLOGIN"); err != nil {
			return err
		}
	}
	super, err := superuser(ctx, admin)
	if err != nil {
		return err
	}
	if !super { // who makes schemas for the owner must be able to be it
		if err := run(ctx, admin, "GRANT %I TO CURRENT_USER", contract.OwnerRole); err != nil {
			return err
		}
	}
	for _, c := range in.Setup.Channels {
		if err := run(ctx, admin, "GRANT %I TO %I", connectorGroup, contract.GroupRole(contract.ComponentConnector(c.Name))); err != nil {
			return err
		}
	}
	var database string
	if err := admin.QueryRow(ctx, "SELECT current_database()").Scan(&database); err != nil {
		return fmt.Errorf("asking for the database's name: %w", err)
	}
	for _, s := range []struct {
		statement string
		names     []any
	}{
		{"REVOKE ALL ON DATABASE %I FROM PUBLIC", []any{database}},
		{"REVOKE ALL ON SCHEMA public FROM PUBLIC", nil},
		{"GRANT CREATE ON DATABASE %I TO %I", []any{database, contract.OwnerRole}},
		{"CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I", []any{migrationSchema, contract.OwnerRole}},
	} {
		if err := run(ctx, admin, s.statement, s.names...); err != nil {
			return err
		}
	}
	for _, group := range append(in.groups(), connectorGroup) {
		if err := run(ctx, admin, "GRANT CONNECT ON DATABASE %I TO %I", database, group); err != nil {
			return err
		}
	}
	return nil
}

// ensureLogins makes the login roles listed, each a member of its group, and
// drops the others: whoever holds a credential that was rotated away is cut off.
func ensureLogins(ctx context.Context, log *slog.Logger, admin *pgxpool.Pool, in Input) error {
	super, err := superuser(ctx, admin)
	if err != nil {
		return err
	}
	var wanted []string
	for _, l := range in.Logins {
		wanted = append(wanted, l.Role)
		verifier, err := scramVerifier(l.Password)
		if err != nil {
			return fmt.Errorf("login role %s: %w", l.Role, err)
		}
		group, _ := contract.GroupOfLogin(l.Role)
		attributes := "LOGIN"
		if group == contract.GroupRole(contract.ComponentBackup) {
			attributes = "LOGIN REPLICATION" // of the role itself: attributes are not inherited
		}
		if err := ensureRole(ctx, admin, l.Role, attributes); err != nil {
			return err
		}
		if err := run(ctx, admin, "ALTER ROLE %I PASSWORD %L", l.Role, verifier); err != nil {
			return fmt.Errorf("setting the password of %s: %w", l.Role, err)
		}
		if err := run(ctx, admin, "GRANT %I TO %I", group, l.Role); err != nil {
			return err
		}
	}
	logins, err := names(ctx, admin, `SELECT rolname FROM pg_roles WHERE rolname LIKE 'sb\_%' AND rolcanlogin`)
	if err != nil {
		return err
	}
	for _, login := range logins {
		if slices.Contains(wanted, login) {
			continue
		}
		if err := dropLogin(ctx, admin, login, super); err != nil {
			return err
		}
		log.Info("dropped a login role", "role", login)
	}
	return nil
}

// dropLogin ends a login's sessions and drops it. Who is no superuser takes the login's rights first, to end its sessions;
// one that already has them is like a superuser here.
func dropLogin(ctx context.Context, admin *pgxpool.Pool, login string, super bool) error {
	if !super {
		if err := run(ctx, admin, "GRANT %I TO CURRENT_USER", login); err != nil {
			return err
		}
	}
	if err := run(ctx, admin, "ALTER ROLE %I NOLOGIN", login); err != nil {
		return err
	}
	if _, err := admin.Exec(ctx, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1", login); err != nil {
		return fmt.Errorf("ending the sessions of %s: %w", login, err)
	}
	return run(ctx, admin, "DROP ROLE %I", login)
}

// attributes of a role that must never have changed.
type attributes struct{ Super, Replication, BypassRLS, CreateDB, CreateRole bool }

// ensureRole makes a role, or puts back the attributes of one that exists.
func ensureRole(ctx context.Context, admin *pgxpool.Pool, role, login string) error {
	super, err := superuser(ctx, admin)
	if err != nil {
		return err
	}
	rows, err := admin.Query(ctx, "SELECT rolsuper, rolreplication, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = $1", role)
	if err != nil {
		return fmt.Errorf("looking for role %s: %w", role, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[attributes])
	if err != nil {
		return fmt.Errorf("looking for role %s: %w", role, err)
	}
	verb := "CREATE"
	if len(found) > 0 {
		verb = "ALTER"
	}
	if super {
		if !strings.Contains(login, "REPLICATION") {
			login += " NOREPLICATION"
		}
		return run(ctx, admin, verb+" ROLE %I "+login+" INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS", role)
	}
	// Only a superuser may write down what a role must not be; of a new one it goes without saying.
	if len(found) > 0 && found[0] != (attributes{}) {
		return fmt.Errorf("role %s has attributes that only a superuser can take from it: have it made NOSUPERUSER NOREPLICATION NOBYPASSRLS NOCREATEDB NOCREATEROLE", role)
	}
	return run(ctx, admin, verb+" ROLE %I "+login+" INHERIT", role)
}

// superuser says whether the migration is done by one.
func superuser(ctx context.Context, admin *pgxpool.Pool) (bool, error) {
	var super bool
	if err := admin.QueryRow(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user").Scan(&super); err != nil {
		return false, fmt.Errorf("asking for the migration's own rights: %w", err)
	}
	return super, nil
}

// run executes a statement that takes no parameters: PostgreSQL itself quotes the
// arguments, %I as names and %L as literals.
func run(ctx context.Context, admin *pgxpool.Pool, statement string, args ...any) error {
	quoted := statement
	if len(args) > 0 {
		texts := make([]string, len(args))
		for i, a := range args {
			texts[i] = fmt.Sprint(a)
		}
		if err := admin.QueryRow(ctx, "SELECT format($1, VARIADIC $2::text[])", statement, texts).Scan(&quoted); err != nil {
			return fmt.Errorf("quoting %q: %w", statement, err)
		}
	}
	if _, err := admin.Exec(ctx, quoted); err != nil {
		return fmt.Errorf("executing %q: %w", statement, err)
	}
	return nil
}

func names(ctx context.Context, admin *pgxpool.Pool, query string) ([]string, error) {
	rows, err := admin.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("listing roles and schemas: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("listing roles and schemas: %w", err)
	}
	return found, nil
}
