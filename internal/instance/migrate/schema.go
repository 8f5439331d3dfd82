package migrate

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// monthsAhead is how many months after this one have their partitions made, so
// that a tenant lives on for a year when nothing migrates it.
const monthsAhead = 12

// migrateSchema runs the migrations not yet applied, as the owner of all tables.
func migrateSchema(ctx context.Context, log *slog.Logger, owner *pgxpool.Pool) (int64, error) {
	files, err := fs.Sub(store.Migrations, "migrations")
	if err != nil {
		return 0, fmt.Errorf("reading the migrations: %w", err)
	}
	db := stdlib.OpenDBFromPool(owner)
	defer db.Close()
	versions, err := database.NewStore(database.DialectPostgres, migrationSchema+".version")
	if err != nil {
		return 0, fmt.Errorf("reading the schema's version: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectCustom, db, files,
		goose.WithStore(versions), goose.WithDisableGlobalRegistry(true), goose.WithSlog(log))
	if err != nil {
		return 0, fmt.Errorf("reading the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("applying the migrations: %w", err)
	}
	version, err := provider.GetDBVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the schema's version: %w", err)
	}
	return version, nil
}

func replaceChannels(ctx context.Context, owner *pgxpool.Pool, channels []contract.SetupChannel) error {
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		names := make([]string, 0, len(channels))
		for _, c := range channels {
			names = append(names, c.Name)
			if _, err := tx.Exec(ctx, `INSERT INTO sb.channel (name, type) VALUES ($1, $2)
				ON CONFLICT (name) DO UPDATE SET type = EXCLUDED.type`, c.Name, c.Type); err != nil {
				return fmt.Errorf("storing channel %s: %w", c.Name, err)
			}
		}
		if _, err := tx.Exec(ctx, "DELETE FROM sb.channel WHERE NOT name = ANY($1)", names); err != nil {
			return fmt.Errorf("removing channels: %w", err)
		}
		return nil
	})
}

// replaceLimits puts the policies in force, within a transaction: no reader sees a
// moment without them.
func replaceLimits(ctx context.Context, tx pgx.Tx, policies []contract.Retention) error {
	if _, err := tx.Exec(ctx, "DELETE FROM sb.retention_limit"); err != nil {
		return fmt.Errorf("removing the limits: %w", err)
	}
	for _, p := range policies {
		for _, r := range p.Rules {
			if _, err := tx.Exec(ctx, `INSERT INTO sb.retention_limit (policy, category, retain_days, action, enforced, generation, digest)
				VALUES ($1, $2, $3, $4, $5, $6, $7)`,
				p.Policy, r.Category, r.RetainDays, r.Action, p.Mode == contract.ModeEnforce, p.Generation, p.Digest); err != nil {
				return fmt.Errorf("storing the limits of policy %s: %w", p.Policy, err)
			}
		}
	}
	return nil
}

func ensurePartitions(ctx context.Context, owner *pgxpool.Pool) error {
	if _, err := owner.Exec(ctx, `SELECT sb.ensure_partition(date_trunc('month', now()) + make_interval(months => n))
		FROM generate_series(0, $1::int) AS n`, monthsAhead); err != nil {
		return fmt.Errorf("making the monthly partitions: %w", err)
	}
	return nil
}

// ensureStaff makes the first account, a supervisor, when there is nobody who can sign in and manage the others. One of the
// same address that can't is replaced.
func ensureStaff(ctx context.Context, owner *pgxpool.Pool, first *Staff) error {
	var exists bool
	if err := owner.QueryRow(ctx, "SELECT EXISTS (SELECT FROM sb.staff_supervisors())").Scan(&exists); err != nil {
		return fmt.Errorf("looking for a supervisor: %w", err)
	}
	if exists {
		return nil
	}
	if first == nil {
		return fmt.Errorf("nobody could sign in and manage accounts: mount the Secret staff-bootstrap with %s and %s at %s", contract.FileEmail, contract.FilePassword, contract.DirStaff)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	hash, err := staff.HashPassword(ctx, first.Password)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making an id: %w", err)
	}
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM sb.staff WHERE email = $1", first.Email); err != nil {
			return fmt.Errorf("removing the account of this address that can't: %w", err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO sb.staff (id, email, role, password_hash) VALUES ($1, $2, $3, $4)", id, first.Email, staff.Supervisor, hash); err != nil {
			return fmt.Errorf("storing the account: %w", err)
		}
		return nil
	})
}
