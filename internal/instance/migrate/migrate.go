// Package migrate brings a tenant's database to what its Tenant, Channels and
// policies say: roles, schema, queues, limits, partitions and the first staff
// account. It is idempotent, and safe when two run at once.
package migrate

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// lockKey serialises migrations of one database: "switch" in ASCII.
const lockKey = 0x737769746368

// Command runs one migration from the environment, as the database's superuser (of a
// server that is not the operator's own: as a login that owns the database and may make
// roles), and tells its outcome in the termination message.
func Command(ctx context.Context, log *slog.Logger) error {
	migrated, err := command(ctx, log)
	return termination.Report(contract.Result{Migration: &migrated}, err)
}

func command(ctx context.Context, log *slog.Logger) (contract.MigrationResult, error) {
	in, err := ReadInput()
	if err != nil {
		return contract.MigrationResult{}, fmt.Errorf("migrating: %w", err)
	}
	return Run(ctx, log, store.Config{}, in)
}

// Run migrates the database that config reaches as a superuser, or as its owner who may make roles.
func Run(ctx context.Context, log *slog.Logger, config store.Config, in Input) (result contract.MigrationResult, err error) {
	if result, err = bringAbout(ctx, log, config, in); err != nil {
		return contract.MigrationResult{}, fmt.Errorf("migrating: %w", err)
	}
	return result, nil
}

func bringAbout(ctx context.Context, log *slog.Logger, config store.Config, in Input) (result contract.MigrationResult, err error) {
	for _, err := range in.Unreadable {
		log.Warn("a person can't be read; the hold keeps the addresses that it was put in force with", "error", err)
	}
	if err := in.validate(); err != nil {
		return result, err
	}
	config.MaxConns = 2     // one holds the lock
	config.Unguarded = true // holds come first when a database that was put back is replayed
	admin, err := store.OpenConfig(ctx, log, config)
	if err != nil {
		return result, err
	}
	defer admin.Close()
	unlock, err := Lock(ctx, admin)
	if err != nil {
		return result, err
	}
	defer unlock()

	if err := claimServer(ctx, admin, in.Claim); err != nil {
		return result, err
	}
	if err := ensureGroups(ctx, admin, in); err != nil {
		return result, err
	}
	config.RuntimeParams = map[string]string{"role": contract.OwnerRole}
	owner, err := store.OpenConfig(ctx, log, config)
	if err != nil {
		return result, err
	}
	defer owner.Close()
	result.SchemaVersion, err = migrateSchema(ctx, log, owner)
	if err != nil {
		return result, err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"queues", func(ctx context.Context) error { return ensureQueues(ctx, admin, owner, in.Setup.Channels) }},
		{"channels", func(ctx context.Context) error { return replaceChannels(ctx, owner, in.Setup.Channels) }},
		{"webhooks", func(ctx context.Context) error { return replaceWebhooks(ctx, owner, in.Setup.Webhooks) }},
		{"send window", func(ctx context.Context) error { return replaceSendWindow(ctx, owner, in.Setup.SendWindow) }},
		{"privacy notice", func(ctx context.Context) error { return replacePrivacyNotice(ctx, owner, in.Setup.PrivacyNotice) }},
		{"holds and limits", func(ctx context.Context) (err error) {
			result.Holds, err = ReplaceRules(ctx, owner, in)
			return err
		}},
		{"partitions", func(ctx context.Context) error { return ensurePartitions(ctx, owner) }},
		{"first staff account", func(ctx context.Context) error { return ensureStaff(ctx, owner, in.Staff) }},
		// Last: who logs in finds everything in place.
		{"login roles", func(ctx context.Context) error { return ensureLogins(ctx, log, admin, in) }},
		{"removed channels", func(ctx context.Context) error { return dropChannels(ctx, log, admin, in) }},
	} {
		if err := step.do(ctx); err != nil {
			return result, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if result.Lacks = in.Lacks; len(in.Lacks) > 0 {
		log.Warn("this image does not know all that is asked for, and has left it out; it comes with another image", "lacks", in.Lacks)
	}
	log.Info("migrated", "schemaVersion", result.SchemaVersion, "holds", len(in.Setup.Holds), "channels", len(in.Setup.Channels), "policies", len(in.Setup.Retention), "logins", len(in.Logins))
	return result, nil
}

// Lock waits for other migrations of this database, and keeps them out until it is given back.
func Lock(ctx context.Context, admin *pgxpool.Pool) (func(), error) {
	conn, err := admin.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database to migrate it: %w", err)
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lockKey)); err != nil {
		conn.Release()
		return nil, fmt.Errorf("waiting for another migration: %w", err)
	}
	return func() {
		// Closing the session gives the lock back even when ctx has ended.
		_ = conn.Conn().Close(context.WithoutCancel(ctx))
		conn.Release()
	}, nil
}
