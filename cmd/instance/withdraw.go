package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/connect"
)

var withdrawCommand = command{
	name:  "withdraw",
	short: "take a deleted channel's webhook from its provider",
	long: `
Has the provider send nothing to the channel any more, before the channel's credentials go. A webhook that leads elsewhere by
now, as another channel took the account over, is left alone. The outcome is a line of JSON in the termination message.

Environment:
  SWITCHBOARD_CHANNEL          the channel, as JSON
  SWITCHBOARD_PUBLIC_URL       the tenant's origin, below which the webhook is
  SWITCHBOARD_CHANNEL_DIR      where the credentials are when not in /var/run/switchboard/channel
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_PUBLIC_URL=https://messages.hotel-berlin.example SWITCHBOARD_CHANNEL='{"name":"telegram","type":"Telegram",
    "telegram":{"username":"hotel_berlin_bot","apiBaseURL":"https://api.telegram.org"}}' instance withdraw
`,
	flags: func(set *flag.FlagSet) func(context.Context, streams) error {
		patience := set.Duration("patience", 0, "how long to try again while the provider does not answer")
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return connect.WithdrawCommand(ctx, s.log, *patience)
		}
	},
}
