package main

import (
	"context"
	"flag"
	"log/slog"

	"github.com/switchboard-operator/switchboard/internal/instance/move"
)

var standbyCommand = command{
	name:  "standby",
	short: "copy a server that runs into a volume, as a standby that follows it",
	long: `
The first step of moving a tenant to another region. The server of PGHOST is copied while it serves, by PostgreSQL's
replication protocol (15 or newer); what it writes meanwhile is kept by a slot. Killed at any instant, run it again. The
outcome is a line of JSON in the termination message.
` + databaseHelp + `                               (here a role with REPLICATION)
  SWITCHBOARD_DATA_DIR         the volume, when not /var/lib/postgresql/data
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance standby
`,
	flags: alone(move.StandbyCommand),
}

var cutoverCommand = command{
	name:  "cutover",
	short: "hand the database over to its standby, when both are the same",
	long: `
The second step of moving a tenant. Everybody but superusers is kept from the database of PGHOST; when the standby has all of
it, both are compared table by table, by counts and digests, and the standby stands on its own. When anything fails before
that, the database takes everybody in again. Killed at any instant, run it again. The outcome is a line of JSON in the
termination message.
` + databaseHelp + `                               (here the superuser's)
  SWITCHBOARD_TARGET           the standby's host; its certificate is that of PGHOST
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_TARGET=postgres-us-east.tenant-hotel-berlin.svc SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance cutover
`,
	flags: alone(move.CutOverCommand),
}

var reopenCommand = command{
	name:  "reopen",
	short: "take a cut-over back: the database takes everybody in again",
	long: `
The standby must not run any more. The slot that kept what it had not read is removed.
` + databaseHelp + `                               (here the superuser's)
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance reopen
`,
	flags: alone(move.ReopenCommand),
}

// alone runs a command that takes neither flags nor arguments.
func alone(do func(context.Context, *slog.Logger) error) func(*flag.FlagSet) func(context.Context, streams) error {
	return func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return do(ctx, s.log)
		}
	}
}
