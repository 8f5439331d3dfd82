package main

import (
	"context"
	"flag"

	"github.com/switchboard-operator/switchboard/internal/instance/backup"
)

var backupCommand = command{
	name:  "backup",
	short: "copy the database into an encrypted file, and remove old copies",
	long: `
Takes a physical backup by PostgreSQL's replication protocol (15 or newer), compressed by the server and encrypted by age
on its way into the file. Copies whose time is over are removed, even when a new one fails. The outcome is a line of
JSON in the termination message.
` + databaseHelp + `                               (here a role with REPLICATION)
  SWITCHBOARD_KEEP_DAYS        how many days of 24 hours a copy is kept
  SWITCHBOARD_OBJECT_STORE     the object store that they are in, as JSON; unset: they are in the directory
  SWITCHBOARD_BACKUPS_DIR      where they are when not in /var/lib/switchboard/backups
  SWITCHBOARD_BACKUP_KEY_DIR   where recipient, an age public key, is when not in /var/run/switchboard/backup-key
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_KEEP_DAYS=7 SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance backup
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return backup.Command(ctx, s.log)
		}
	},
}

var restoreCommand = command{
	name:  "restore",
	short: "put a backup in the place of the database's data",
	long: `
The database's server must not run. The backup is decrypted and unpacked beside the present data, and takes its place only
when it was whole. Killed at any instant, run it again. The outcome is a line of JSON in the termination message.

Environment:
  SWITCHBOARD_BACKUP           a file's name, or latest
  SWITCHBOARD_OBJECT_STORE     the object store that they are in, as JSON; unset: they are in the directory
  SWITCHBOARD_BACKUPS_DIR      where they are when not in /var/lib/switchboard/backups
  SWITCHBOARD_BACKUP_KEY_DIR   where identity, an age private key, is when not in /var/run/switchboard/backup-key
  SWITCHBOARD_DATA_DIR         the database's volume, with pgdata in it, when not /var/lib/postgresql/data
  SWITCHBOARD_TERMINATION_LOG  where the outcome is written; /dev/termination-log when unset

Example:
  SWITCHBOARD_BACKUP=latest SWITCHBOARD_TERMINATION_LOG=/dev/stdout instance restore
`,
	flags: func(*flag.FlagSet) func(context.Context, streams) error {
		return func(ctx context.Context, s streams) error {
			if err := noArguments(s); err != nil {
				return err
			}
			return backup.RestoreCommand(ctx, s.log)
		}
	},
}
