package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/retention"
)

var verifyCommand = command{
	name:  "verify",
	short: "check the chain of retention receipts",
	long: `
Reads the receipts from the database, or from a file that --export wrote, which needs no database, and checks that
each is whole and chained to the one before. With --anchor it also checks that a receipt known from elsewhere, such
as a RetentionPolicy's status, stands in the chain: a chain that was cut or put back in time does not hold it.
Exit code 1 when anything is wrong.
` + databaseHelp + `                               (not needed with --file)

Examples:
  instance verify --export > receipts.jsonl
  instance verify --file receipts.jsonl --anchor 12:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
`,
	flags: func(set *flag.FlagSet) func(context.Context, streams) error {
		var o retention.VerifyOptions
		set.StringVar(&o.File, "file", "", "read receipts from `FILE`, or - for standard input, instead of the database")
		set.StringVar(&o.Anchor, "anchor", "", "newest receipt known elsewhere, as `SEQUENCE:DIGEST`")
		set.StringVar(&o.Output, "output", "text", "`text` or json")
		set.BoolVar(&o.Export, "export", false, "write the receipts as JSON Lines instead of checking them")
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return retention.VerifyCommand(ctx, s.log, o, s.in, s.out)
		}
	},
}
