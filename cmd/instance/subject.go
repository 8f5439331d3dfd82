package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/subject"
)

var subjectCommand = command{
	name:  "subject",
	short: "carry out what one person asked for, and write the receipt",
	long: `
One request of a person: erasure, access, rectification or an end to messages. It is carried out in one transaction
with its receipt, and what a hold keeps is refused. The outcome is a line of JSON in the termination message.
` + databaseHelp + `  SWITCHBOARD_TENANT           the tenant's name, for example hotel-berlin
  SWITCHBOARD_REQUEST          the request as JSON:
                               {"name":"request-2026-41","uid":"…","type":"Erasure","receivedAt":"2026-11-20T09:00:00Z"}
  SWITCHBOARD_SUBJECT_DIR      files phone, whatsapp, messenger, telegram, webchat, email: an address on each line; for a
                               Rectification also newName, newPhone; /var/run/switchboard/subject when unset
  SWITCHBOARD_KEYS_DIR         the keys for hashes; /var/run/switchboard/keys when unset
  SWITCHBOARD_DOWNLOAD_DIR     for Access: a file token; /var/run/switchboard/download when unset
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_REQUEST="$(cat request.json)" SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance subject
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return subject.Command(ctx, s.log)
		}
	},
}
