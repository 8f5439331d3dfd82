package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/retention"
)

var retainCommand = command{
	name:  "retain",
	short: "delete what one policy says has expired, and write the receipt",
	long: `
One retention run: what is past the policy's limits is deleted, and a receipt of it is chained to those before, in
the same transaction. The outcome is a line of JSON in the termination message.
` + databaseHelp + `  SWITCHBOARD_TENANT           the tenant's name, for example hotel-berlin
  SWITCHBOARD_RETENTION        the policy as JSON:
                               {"policy":"standard","generation":1,"digest":"…","rules":[
                                {"category":"Messages","retainDays":365,"action":"Delete"}]}
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_RETENTION="$(cat policy.json)" SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance retain
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return retention.Command(ctx, s.log)
		}
	},
}
