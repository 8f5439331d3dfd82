package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/adopt"
	"github.com/switchboard-operator/switchboard/internal/instance/export"
)

var exportCommand = command{
	name:  "export",
	short: "take the tenant out as one encrypted archive",
	long: `
Writes all that has not expired or is held, as of one instant, into an archive that only its recipient can read:
docs/export.md has its form. With --to, the archive goes to standard output, and what is on standard input into its
resources.yaml; the digest is in the log, on standard error. Without, it is uploaded to an object store, read back, and
the outcome is a line of JSON in the termination message.
` + databaseHelp + `                               (here the login role of export)
  SWITCHBOARD_TENANT           the tenant's name, for example hotel-berlin
  SWITCHBOARD_KEYS_DIR         where the tenant's keys for hashes are when not in /var/run/switchboard/keys
  SWITCHBOARD_EXPORT           without --to: recipient, store and object as JSON; credentials in /var/run/switchboard/object-store
  SWITCHBOARD_RESOURCES_DIR    without --to: where resources.yaml is when not in /var/run/switchboard/resources
  SWITCHBOARD_TERMINATION_LOG  without --to: where the outcome is written; /dev/termination-log when unset

Example:
  instance export --to age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudzmv8s9skgpha < /dev/null > hotel-berlin.tar.gz.age
`,
	flags: func(set *flag.FlagSet) func(context.Context, streams) error {
		to := set.String("to", "", "write to standard output, encrypted to this age `recipient`")
		standBy := set.Bool("stand-by", false, "do nothing until ended: another process exports beside this one")
		return func(ctx context.Context, s streams) error {
			switch err := noArguments(s); {
			case err != nil:
				return err
			case *standBy:
				<-ctx.Done()
				return nil
			case *to != "":
				return export.Stream(ctx, s.log, *to, s.in, s.out)
			}
			return export.Command(ctx, s.log)
		}
	},
}

var adoptCommand = command{
	name:  "adopt",
	short: "bring an archive of a tenant into this one, which holds nothing yet",
	long: `
Reads an age identity from the first line of standard input, and then the archive that instance export wrote. Nothing
changes unless the archive is whole, its receipts are, its holds are in force here and no limit here is longer than
before. What has expired by now is left out and counted. The outcome is a line of JSON on standard output.
` + databaseHelp + `                               (here the login role of adopt)
  SWITCHBOARD_TENANT           the tenant's name here, for example hotel-berlin
  SWITCHBOARD_KEYS_DIR         where the tenant's keys for hashes are when not in /var/run/switchboard/keys: those of the archive

Example:
  (grep AGE-SECRET-KEY key.txt; cat hotel-berlin.tar.gz.age) | instance adopt
`,
	flags: func(set *flag.FlagSet) func(context.Context, streams) error {
		digest := set.String("digest", "", "refuse an archive of another `SHA-256` (hex)")
		check := set.Bool("check", false, "look whether this tenant holds nothing yet, and read nothing")
		standBy := set.Bool("stand-by", false, "do nothing until ended: another process adopts beside this one")
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			if *standBy {
				<-ctx.Done()
				return nil
			}
			return adopt.Command(ctx, s.log, *digest, *check, s.in, s.out)
		}
	},
}
