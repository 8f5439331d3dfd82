package migrate

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

const markPrefix = "switchboard tenant "

// Mark is the comment of the owner's role on a server that serves a tenant: roles are common to all databases of a
// server, and two tenants would set each other's passwords.
func Mark(claim string) string { return markPrefix + claim }

// Taken says what to do about a server that bears another mark.
func Taken(mark string) string {
	whose := "roles of ours that nobody has marked"
	if tenant, ok := strings.CutPrefix(mark, markPrefix); ok {
		whose = "the roles of tenant " + tenant
	}
	return "the server has " + whose + ": roles are common to all databases of a server, so each tenant needs a server of its own"
}

// claimServer marks the server as this tenant's, or refuses one that is another's. Without a claim it is the operator's own.
func claimServer(ctx context.Context, admin *pgxpool.Pool, claim string) error {
	if claim == "" {
		return nil
	}
	var taken bool
	var mark string
	err := admin.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname LIKE 'sb\_%'),
		coalesce((SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1), '')`, contract.OwnerRole).Scan(&taken, &mark)
	if err != nil {
		return fmt.Errorf("asking whose the server is: %w", err)
	}
	if taken && mark != Mark(claim) {
		return fmt.Errorf("%s", Taken(mark))
	}
	if taken {
		return nil
	}
	// In one transaction: a role without its mark would be taken for somebody else's.
	tx, err := admin.Begin(ctx)
	if err != nil {
		return fmt.Errorf("marking the server: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "CREATE ROLE "+contract.OwnerRole+" NOLOGIN"); err != nil {
		return fmt.Errorf("making role %s: %w", contract.OwnerRole, err)
	}
	var statement string
	if err := tx.QueryRow(ctx, "SELECT format('COMMENT ON ROLE %I IS %L', $1::text, $2::text)", contract.OwnerRole, Mark(claim)).Scan(&statement); err != nil {
		return fmt.Errorf("marking the server: %w", err)
	}
	if _, err := tx.Exec(ctx, statement); err != nil {
		return fmt.Errorf("marking the server: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("marking the server: %w", err)
	}
	return nil
}
