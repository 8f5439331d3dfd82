package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/external"
)

var databaseCommand = command{
	name:  "database",
	short: "check that a database of a provider's may be used, or empty it",
	long: `
Asks a PostgreSQL server that is not the operator's own whether a tenant may use it: whether its certificate is of the
authority in ca.crt and for its host, it is new enough, the login may make roles and owns the database, and no other tenant
has its roles there. It changes nothing. With --erase it removes the tenant's schemas and roles. The outcome is a line of
JSON in the termination message.

Environment:
  PGHOST, PGPORT, PGDATABASE    where the database is
  SWITCHBOARD_DATABASE_CLAIM    REGION/TENANT, by which the server's roles are marked
  SWITCHBOARD_DATABASE_DIR      where username, password, tls.crt, tls.key and ca.crt are when not in
                                /var/run/switchboard/database
  SWITCHBOARD_TERMINATION_LOG   where the outcome is written; /dev/termination-log when unset

Example:
  PGHOST=db.provider.example PGPORT=5432 PGDATABASE=hotel SWITCHBOARD_DATABASE_CLAIM=eu-central/hotel-berlin instance database
`,
	flags: func(set *flag.FlagSet) func(context.Context, streams) error {
		erase := set.Bool("erase", false, "remove the tenant's schemas and roles")
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return external.Command(ctx, s.log, *erase)
		}
	},
}
