package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
)

var migrateCommand = command{
	name:  "migrate",
	short: "bring the database to what the tenant's channels and policies say",
	long: `
Makes roles, schema, one queue per channel, retention limits, the partitions of the next 12 months and the first
staff account; drops the login roles, channels and queues that are not listed any more. Doing it twice, or two at
once, does no harm. The outcome is a line of JSON in the termination message.
` + databaseHelp + `                               (here the database's superuser, postgres)
  SWITCHBOARD_SETUP            channels and policies as JSON:
                               {"channels":[{"name":"front-desk","type":"TwilioSMS"}],"retention":[]}
  SWITCHBOARD_SETUP_MAY_LACK   members of it, with commas between, that are left out and told when this release does not know them;
                               any other that it does not know is refused
  SWITCHBOARD_ROLES_DIR        where login roles are when not in /var/run/switchboard/roles: a directory per role,
                               such as sb_serve_v1, with a file password in it
  SWITCHBOARD_STAFF_DIR        where the first account is when not in /var/run/switchboard/staff: email, password
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_SETUP='{"channels":[],"retention":[]}' SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance migrate
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return migrate.Command(ctx, s.log)
		}
	},
}
