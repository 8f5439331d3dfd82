package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/retention"
)

var countCommand = command{
	name:  "count",
	short: "count the rows of every category, before a tenant is erased",
	long: `
Counts what there is of every category of data, expired rows too, and reads none of it. The outcome is a line of JSON in
the termination message; the operator writes it into the ErasureCertificate.
` + databaseHelp + `                               (here the login role of retain)
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  PGHOST=localhost SWITCHBOARD_DATABASE_DIR=./retain SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance count
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return retention.CountCommand(ctx, s.log)
		}
	},
}
