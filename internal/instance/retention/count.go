package retention

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// CountCommand is `instance count`: how much there is of every category, in the
// termination message. It asks a database in quarantine too: what is there, is there.
func CountCommand(ctx context.Context, log *slog.Logger) error {
	pool, err := store.OpenConfig(ctx, log, store.Config{Unguarded: true, MaxConns: 1})
	if err != nil {
		return termination.Report(contract.Result{}, err)
	}
	defer pool.Close()
	result, err := Count(ctx, pool)
	return termination.Report(contract.Result{Count: &result}, err)
}

// Count counts the rows of every category, expired ones too. The pool's role is a member of sb_retain.
func Count(ctx context.Context, pool *pgxpool.Pool) (contract.CountResult, error) {
	var result contract.CountResult
	for _, category := range contract.Categories() {
		c := contract.CategoryCount{Category: category}
		if err := pool.QueryRow(ctx, "SELECT sb.retention_total($1)", category).Scan(&c.Rows); err != nil {
			return contract.CountResult{}, fmt.Errorf("counting %s: %w", category, err)
		}
		result.Counts = append(result.Counts, c)
	}
	return result, nil
}
