package migrate

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
)

// ensureQueues makes a schema with River's tables for each channel: the channel's
// connector works it, serve may only add to it.
func ensureQueues(ctx context.Context, admin, owner *pgxpool.Pool, channels []contract.SetupChannel) error {
	for _, c := range channels {
		schema := contract.QueueSchema(c.Name)
		if err := run(ctx, admin, "CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I", schema, contract.OwnerRole); err != nil {
			return err
		}
		if err := queue.Migrate(ctx, owner, schema); err != nil {
			return err
		}
		connector := contract.GroupRole(contract.ComponentConnector(c.Name))
		serve := contract.GroupRole(contract.ComponentServe)
		for _, grant := range []struct{ statement, role string }{
			{"GRANT USAGE ON SCHEMA %I TO %I", connector},
			{"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO %I", connector},
			{"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I", connector},
			{"GRANT USAGE ON SCHEMA %I TO %I", serve},
			// River's insert returns the row, and on a conflict writes kind to itself for that.
			{"GRANT SELECT, INSERT, UPDATE (kind) ON %I.river_job TO %I", serve},
			{"GRANT USAGE ON SEQUENCE %I.river_job_id_seq TO %I", serve},
		} {
			if err := run(ctx, owner, grant.statement, schema, grant.role); err != nil {
				return fmt.Errorf("queue of channel %s: %w", c.Name, err)
			}
		}
	}
	return nil
}

// dropChannels removes the queue and the group of every channel that is not
// listed any more. Its messages stay, under retention.
func dropChannels(ctx context.Context, log *slog.Logger, admin *pgxpool.Pool, in Input) error {
	var schemas []string
	for _, c := range in.Setup.Channels {
		schemas = append(schemas, contract.QueueSchema(c.Name))
	}
	found, err := names(ctx, admin, `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'queue\_%'`)
	if err != nil {
		return err
	}
	for _, schema := range found {
		if slices.Contains(schemas, schema) {
			continue
		}
		if err := run(ctx, admin, "DROP SCHEMA %I CASCADE", schema); err != nil {
			return err
		}
		log.Info("dropped a queue", "schema", schema)
	}
	super, err := superuser(ctx, admin)
	if err != nil {
		return err
	}
	groups, err := names(ctx, admin, `SELECT rolname FROM pg_roles WHERE rolname LIKE 'sb\_connector\_%' AND NOT rolcanlogin`)
	if err != nil {
		return err
	}
	for _, group := range groups {
		if slices.Contains(in.groups(), group) {
			continue
		}
		if !super {
			if err := run(ctx, admin, "GRANT %I TO CURRENT_USER", group); err != nil {
				return err
			}
		}
		if err := run(ctx, admin, "DROP OWNED BY %I", group); err != nil {
			return err
		}
		if err := run(ctx, admin, "DROP ROLE %I", group); err != nil {
			return err
		}
		log.Info("dropped a group role", "role", group)
	}
	return nil
}
