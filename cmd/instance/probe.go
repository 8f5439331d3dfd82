package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/probe"
)

var probeCommand = command{
	name:  "probe",
	short: "find out what the network lets through",
	long: `
Connects to what must answer, and then to what must not, and sends nothing to either: the tenant's own database, and the
API server, other tenants and what the Region forbids. The outcome is a line of JSON in the termination message.

Environment:
  SWITCHBOARD_PROBE            what is tried, as JSON
  SWITCHBOARD_NODE             the node that the outcome is told of
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_PROBE='{"open":[{"name":"database","address":"postgres.tenant-hotel-berlin.svc:5432"}],
    "closed":[{"name":"forbidden-metadata","address":"169.254.169.254:80"}]}' instance probe
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return probe.Command(ctx, s.log, probe.Default)
		}
	},
}
