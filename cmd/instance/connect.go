package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/connect"
)

var connectCommand = command{
	name:  "connect",
	short: "connect one channel to its provider",
	long: `
Takes the provider's webhooks (messages of guests, status of what was sent), and sends the replies that its queue
holds. A webhook is acknowledged once what it says is durable. A channel by SMPP has none: it dials its message centre.
` + databaseHelp + `                               (here the login role of this channel's connector)
  SWITCHBOARD_PUBLIC_URL       the origin that providers reach, for example https://hotel-berlin.example
  SWITCHBOARD_CHANNEL          the channel as JSON:
                               {"name":"front-desk","type":"TwilioSMS","twilioSMS":{"accountSID":"AC…",
                                "from":"+4930901820","apiBaseURL":"https://api.twilio.com"}}
  SWITCHBOARD_KEYS_DIR         where the tenant's keys for hashes are when not in /var/run/switchboard/keys: address-hash-1
  SWITCHBOARD_CHANNEL_DIR      where the channel's credentials are when not in /var/run/switchboard/channel: authToken, or of
                               WhatsApp and Messenger accessToken, appSecret and verifyToken, or of Telegram botToken and
                               secretToken, or of SMPP password
` + serverHelp + `
Example:
  PGHOST=localhost SWITCHBOARD_CHANNEL="$(cat channel.json)" SWITCHBOARD_PUBLIC_URL=https://hotel-berlin.example instance connect
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return connect.Command(ctx, s.log)
		}
	},
}
