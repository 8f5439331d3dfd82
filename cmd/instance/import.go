package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/switchboard-operator/switchboard/internal/instance/importer"
)

var importCommand = command{
	name:  "import",
	short: "bring in a history of messages from another system",
	long: `
Usage: instance import [--check] [FILE]

Reads JSON Lines, one message a line, from FILE or, when that is - or left out, from standard input:

  {"channel":"front-desk","address":"+4930901820","name":"Ada Lovelace","at":"2026-01-31T18:04:05Z",
   "direction":"in","body":"Is my room ready?","providerId":"SM0123"}

(on one line). name and providerId may be left out; direction is "in" (from the guest) or "out"; at must not be in
the future. Lines are stored in batches. What was imported before is recognised, by providerId or else by all that
the message is, and skipped: importing a file again is safe, and so is going on after an interruption. A bad line is
told with its number; nothing after it is stored, but the rest is checked, so that one run tells of all bad lines.

Messages that are past the limits in force are imported too: nobody can read them, and the next retention run deletes
and counts them. Nothing is sent to anyone.

Progress goes to stderr; the summary to stdout: {"read":3,"imported":2,"skippedDuplicates":1}.
` + databaseHelp + `  SWITCHBOARD_KEYS_DIR         where the tenant's keys for hashes are when not in /var/run/switchboard/keys: address-hash-1

Example, in a tenant's cluster:
  kubectl -n tenant-hotel-berlin exec -i deploy/serve -- /instance import --check < history.jsonl
  kubectl -n tenant-hotel-berlin exec -i deploy/serve -- /instance import < history.jsonl
`,
	flags: func(set *flag.FlagSet) func(context.Context, streams) error {
		var o importer.Options
		set.BoolVar(&o.Check, "check", false, "read and check every line, and store none")
		return func(ctx context.Context, s streams) error {
			if len(s.args) > 1 {
				return fmt.Errorf("%w: import takes one file; found %d", errUsage, len(s.args))
			}
			if len(s.args) == 1 {
				o.File = s.args[0]
			}
			return importer.Command(ctx, s.log, o, s.in, s.out, s.err)
		}
	},
}
