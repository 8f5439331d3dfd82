package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/access"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

var accessCommand = command{
	name:  "access",
	short: "tell who among the staff looked at what",
	long: `
Reads the access log, which the server writes and nobody else reads, and writes what has not expired to standard output
as JSON Lines, newest first. That it was asked is logged too. A guest's addresses are read from standard input, one in a line
after its kind, so that they stand in no list of processes:

  phone +4915112345678
  email guest@example.com
` + databaseHelp + `  SWITCHBOARD_KEYS_DIR         the keys for hashes, for --person; /var/run/switchboard/keys when unset

Examples:
  echo "phone +4915112345678" | instance access --person
  instance access --staff 0198c1f2-5a6b-7c8d-9e0f-112233445566 --since 2026-11-01T00:00:00Z
`,
	flags: func(set *flag.FlagSet) func(context.Context, streams) error {
		var q access.Question
		withPerson := set.Bool("person", false, "about the guest whose addresses are on standard input")
		set.Func("object", "about the contact or conversation of this `id`", func(s string) error { return readID(s, &q.Object) })
		set.Func("staff", "by the account of this `id`", func(s string) error { return readID(s, &q.Staff) })
		set.Func("since", "at or after this `time`, as 2026-11-01T00:00:00Z", func(s string) error { return readTime(s, &q.Since) })
		set.Func("until", "before this `time`", func(s string) error { return readTime(s, &q.Until) })
		set.IntVar(&q.Limit, "limit", 1000, "at most so many `entries`")
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			if q.Limit < 1 || q.Limit > access.MaxLimit {
				return fmt.Errorf("%w: --limit must be from 1 to %d", errUsage, access.MaxLimit)
			}
			if *withPerson {
				var err error
				if q.Person, err = person.ReadLines(s.in); err != nil {
					return err
				}
			}
			return access.Command(ctx, s.log, q, s.out)
		}
	},
}

func readID(text string, into **uuid.UUID) error {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return fmt.Errorf("this is no id; write it as 0198c1f2-5a6b-7c8d-9e0f-112233445566")
	}
	*into = &id
	return nil
}

func readTime(text string, into *time.Time) error {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("this is no time; write it as 2026-11-01T00:00:00Z")
	}
	*into = at
	return nil
}
