package external

import (
	"context"
	"log/slog"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// Erase removes a tenant's schemas and roles from the server that config reaches, and looks again. What it can't know of
// are the provider's own copies.
func Erase(ctx context.Context, log *slog.Logger, config store.Config, claim string) contract.DatabaseResult {
	pool, result := open(ctx, log, config)
	if pool == nil {
		return result
	}
	defer pool.Close()
	f, err := ask(ctx, pool)
	if err != nil {
		return failed(err)
	}
	if f.ours && f.mark != migrate.Mark(claim) {
		return contract.DatabaseResult{Version: f.version, Class: contract.DatabaseTaken, Message: migrate.Taken(f.mark)}
	}
	schemas, roles, err := migrate.Erase(ctx, log, pool)
	if err != nil {
		log.Warn("the database was not emptied", "error", err.Error())
		result = failed(err)
	}
	result.Version, result.Schemas, result.Roles = f.version, schemas, roles
	return result
}
