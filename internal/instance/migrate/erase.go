package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Queries for what a migration made in a database and on its server.
const (
	ourSchemas = `SELECT nspname FROM pg_namespace WHERE nspname IN ('sb', 'migration') OR nspname LIKE 'queue\_%' ORDER BY nspname`
	ourRoles   = `SELECT rolname FROM pg_roles WHERE rolname LIKE 'sb\_%' ORDER BY rolcanlogin DESC, rolname`
)

// Erase removes all that migrations have made, logins first so that nobody writes meanwhile, and looks again. It is for a
// database that is not thrown away with its volume. What was removed counts even when there is an error.
func Erase(ctx context.Context, log *slog.Logger, admin *pgxpool.Pool) (schemas, roles int, err error) {
	super, err := superuser(ctx, admin)
	if err != nil {
		return 0, 0, err
	}
	all, err := names(ctx, admin, ourRoles)
	if err != nil {
		return 0, 0, err
	}
	if !super {
		for _, role := range all {
			if err := run(ctx, admin, "GRANT %I TO CURRENT_USER", role); err != nil {
				return 0, 0, err
			}
		}
	}
	logins, err := names(ctx, admin, `SELECT rolname FROM pg_roles WHERE rolname LIKE 'sb\_%' AND rolcanlogin ORDER BY rolname`)
	if err != nil {
		return 0, 0, err
	}
	for _, login := range logins {
		if err := dropLogin(ctx, admin, login, true); err != nil {
			return 0, roles, err
		}
		roles++
	}
	found, err := names(ctx, admin, ourSchemas)
	if err != nil {
		return 0, roles, err
	}
	for _, schema := range found {
		if err := run(ctx, admin, "DROP SCHEMA %I CASCADE", schema); err != nil {
			return schemas, roles, err
		}
		schemas++
	}
	groups, err := names(ctx, admin, ourRoles)
	if err != nil {
		return schemas, roles, err
	}
	// The owner last: it granted what the others hold.
	slices.SortStableFunc(groups, func(a, b string) int { return last(a) - last(b) })
	for _, group := range groups {
		if err := run(ctx, admin, "DROP OWNED BY %I CASCADE", group); err != nil {
			return schemas, roles, err
		}
	}
	for _, group := range groups {
		if err := run(ctx, admin, "DROP ROLE %I", group); err != nil {
			return schemas, roles, err
		}
		roles++
	}
	log.Info("erased", "schemas", schemas, "roles", roles)
	return schemas, roles, nothingLeft(ctx, admin)
}

func last(role string) int {
	if role == contract.OwnerRole {
		return 1
	}
	return 0
}

func nothingLeft(ctx context.Context, admin *pgxpool.Pool) error {
	var errs []error
	for what, query := range map[string]string{"schemas": ourSchemas, "roles": ourRoles} {
		left, err := names(ctx, admin, query)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%d %s are left", len(left), what)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
