package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/replay"
)

var replayCommand = command{
	name:  "replay",
	short: "bring a database that was put back up to what has happened since",
	long: `
Erasures, opt-outs and changes of consent since the backup are carried out again, by keyed hashes; sessions of staff end,
and messages that were on their way out become unknown. All of it is one transaction, with a receipt that follows the
newest one that is known. The outcome is a line of JSON in the termination message.
` + databaseHelp + `  SWITCHBOARD_TENANT           the tenant's name, for example hotel-berlin
  SWITCHBOARD_REPLAY_DIR       where replay.json.gz is when not in /var/run/switchboard/replay
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_REPLAY_DIR=. SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance replay
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return replay.Command(ctx, s.log)
		}
	},
}
