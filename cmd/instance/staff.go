package main

import (
	"context"
	"flag"
	"os"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/instance/web"
)

var staffCommand = command{
	name:  "staff",
	short: "let a supervisor in who is locked out",
	long: `
For a supervisor whom no other can help: who has lost password or second factor, or whose account was closed. The account is
opened; its password, second factor and sessions are taken away; and a link is written to standard output, by which whoever has it
chooses another password: once, within four hours. The access log has a line of it. The supervisor's e-mail address is read from
standard input, so that it stands in no list of processes.
` + databaseHelp + `  SWITCHBOARD_PUBLIC_URL       the origin of the page, for the link, for example https://hotel-berlin.example

Example, in a cluster:
  echo manager@hotel.example | kubectl -n tenant-hotel-berlin exec -i deploy/serve -- /instance staff
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return staff.LetInCommand(ctx, s.log, s.in, s.out, os.Getenv(contract.EnvPublicURL)+web.InboxPath)
		}
	},
}
