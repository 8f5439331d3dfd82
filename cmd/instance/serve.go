package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/api"
)

// databaseHelp is what every command that opens the database reads.
const databaseHelp = `
Environment:
  PGHOST, PGPORT, PGDATABASE   the database, for example postgres.tenant-hotel-berlin.svc, 5432, switchboard
  PGSSLMODE                    verify-full; nothing else is accepted
  SWITCHBOARD_DATABASE_DIR     where the credentials are when not in /var/run/switchboard/database:
                               username, password, tls.crt, tls.key, ca.crt
`

// serverHelp is what the servers read beside.
const serverHelp = `  SWITCHBOARD_TLS_DIR          where tls.crt and tls.key are when not in /var/run/switchboard/tls
  GOMEMLIMIT, GOGC             as for every Go program; GOGC is 30 unless set

It serves HTTPS on :8443, and /healthz, /readyz and /metrics over HTTP on :8080. /readyz is 200 while the
database answers. Credentials and certificates are read again when they change. SIGTERM drains: not ready at once,
then requests under way are finished, within 25 s.
`

var serveCommand = command{
	name:  "serve",
	short: "serve the staff's page and API",
	long: `
Staff sign in, read conversations and answer guests; by the page /inbox/ or by programs; see GET /api/v1/openapi.yaml.
` + databaseHelp + `  SWITCHBOARD_TENANT           the tenant's name, for example hotel-berlin
` + serverHelp + `
Example:
  PGHOST=localhost SWITCHBOARD_TENANT=hotel-berlin SWITCHBOARD_DATABASE_DIR=./serve SWITCHBOARD_TLS_DIR=./tls instance serve
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return api.Command(ctx, s.log)
		}
	},
}
