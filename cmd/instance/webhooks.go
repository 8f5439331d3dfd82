package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/webhook"
)

var webhooksCommand = command{
	name:  "webhooks",
	short: "tell other systems of messages, receipts and opt-outs",
	long: `
Sends the events that the database holds for each subscription to its address, signed as Standard Webhooks has it, until
they are taken. It answers nobody but probes.
` + databaseHelp + `                               (here the login role of this component)
  SWITCHBOARD_WEBHOOKS         the subscriptions as JSON:
                               [{"name":"pms","url":"https://pms.example/hook","cidrs":["198.51.100.0/24"],"secrets":1}]
  SWITCHBOARD_WEBHOOKS_DIR     where the signing secrets are when not in /var/run/switchboard/webhooks: pms/0, pms/1
  GOMEMLIMIT, GOGC             as for every Go program; GOGC is 30 unless set

It serves /healthz, /readyz and /metrics over HTTP on :8080. /readyz is 200 while the database answers. Credentials and
secrets are read again when they change. SIGTERM: a request under way is finished.

Example:
  PGHOST=localhost SWITCHBOARD_WEBHOOKS="$(cat webhooks.json)" SWITCHBOARD_WEBHOOKS_DIR=./webhooks instance webhooks
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return webhook.Command(ctx, s.log)
		}
	},
}
