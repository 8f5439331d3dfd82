// Package external asks a database that is not the operator's own whether it may be
// used, and removes from it what a tenant had there.
package external

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// timeout bounds one question, connecting included.
const timeout = 30 * time.Second

// Command is `instance database`. What is in the way is told as an outcome, and is a failure too: the Job's end alone says
// whether all is well, when its pod has long gone.
func Command(ctx context.Context, log *slog.Logger, erase bool) error {
	claim := os.Getenv(contract.EnvDatabaseClaim)
	var result contract.DatabaseResult
	if erase {
		result = Erase(ctx, log, store.Config{}, claim)
	} else {
		result = Check(ctx, log, store.Config{}, claim)
	}
	log.Info("database", "class", result.Class, "version", result.Version, "schemas", result.Schemas, "roles", result.Roles)
	err := termination.Report(contract.Result{Database: &result}, nil)
	if err == nil && result.Class != "" {
		err = errors.New(result.Message)
	}
	return err
}

// Check asks the server that config reaches, by the login that is to bring the schema about, and changes nothing.
func Check(ctx context.Context, log *slog.Logger, config store.Config, claim string) contract.DatabaseResult {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pool, result := open(ctx, log, config)
	if pool == nil {
		return result
	}
	defer pool.Close()
	f, err := ask(ctx, pool)
	if err != nil {
		return failed(err)
	}
	return judge(f, claim)
}

// open connects; without a pool the result says why.
func open(ctx context.Context, log *slog.Logger, config store.Config) (*pgxpool.Pool, contract.DatabaseResult) {
	config.Unguarded, config.MaxConns = true, 1
	pool, err := store.OpenConfig(ctx, log, config)
	if err != nil {
		return nil, contract.DatabaseResult{Class: contract.DatabaseFailed, Message: err.Error()}
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, failed(err)
	}
	return pool, contract.DatabaseResult{}
}

// facts are what a server says of itself and of the login.
type facts struct {
	version    int
	createRole bool   // the login may make roles
	owner      bool   // it has the rights of the database's owner
	ours       bool   // there are roles of ours
	mark       string // whose they are
}

func ask(ctx context.Context, pool *pgxpool.Pool) (facts, error) {
	var f facts
	err := pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int,
		(SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user),
		(SELECT pg_has_role(current_user, datdba, 'USAGE') FROM pg_database WHERE datname = current_database()),
		EXISTS (SELECT FROM pg_roles WHERE rolname LIKE 'sb\_%'),
		coalesce((SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1), '')`, contract.OwnerRole).
		Scan(&f.version, &f.createRole, &f.owner, &f.ours, &f.mark)
	if err != nil {
		return f, fmt.Errorf("asking the database what it is: %w", err)
	}
	return f, nil
}

// judge says whether a server may be used for a tenant.
func judge(f facts, claim string) contract.DatabaseResult {
	r := contract.DatabaseResult{Version: f.version}
	switch {
	case f.version < contract.MinPostgres:
		r.Class = contract.DatabaseTooOld
		r.Message = fmt.Sprintf("the server is PostgreSQL %d and must be %d or newer: have it upgraded", f.version/10000, contract.MinPostgres/10000)
	case !f.createRole:
		r.Class = contract.DatabaseRights
		r.Message = "the login may not make roles, and each component needs one with least grants: ALTER ROLE … CREATEROLE"
	case !f.owner:
		r.Class = contract.DatabaseRights
		r.Message = "the login is not the database's owner, and so can't close it to everybody else: ALTER DATABASE … OWNER TO …"
	case f.ours && f.mark != migrate.Mark(claim):
		r.Class, r.Message = contract.DatabaseTaken, migrate.Taken(f.mark)
	}
	return r
}
