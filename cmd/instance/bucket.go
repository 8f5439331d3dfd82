package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/bucket"
)

var bucketCommand = command{
	name:  "bucket",
	short: "check that the object store may be used, or empty it",
	long: `
Asks the tenant's object store where the bucket is and whether it keeps what is deleted, and stores nothing. With --empty
it removes all that the tenant has in it, files, backups and parts of uploads, before a tenant is erased. The outcome is a
line of JSON in the termination message.

Environment:
  SWITCHBOARD_OBJECT_STORE      the store and its bucket, as JSON
  SWITCHBOARD_OBJECT_STORE_DIR  where accessKeyID and secretAccessKey are when not in /var/run/switchboard/object-store
  SWITCHBOARD_TERMINATION_LOG   where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_OBJECT_STORE='{"name":"frankfurt","endpoint":"https://s3.eu-central-1.amazonaws.com",
    "location":"eu-central-1","bucket":"hotels","prefix":"eu-central/hotel-berlin/"}' instance bucket
`,
	flags: func(set *flag.FlagSet) func(context.Context, streams) error {
		empty := set.Bool("empty", false, "remove all that the tenant has in the bucket")
		patience := set.Duration("patience", 0, "how long to try again while the store does not remove all")
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return bucket.Command(ctx, s.log, *empty, *patience)
		}
	},
}
