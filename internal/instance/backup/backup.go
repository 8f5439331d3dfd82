// Package backup copies a tenant's database into one encrypted file, and puts one back.
//
// A backup is a physical one, by PostgreSQL's own replication protocol: the server sends a
// tar archive of its data directory and of the WAL that makes it consistent, compressed
// by gzip. It goes through age straight into a file, or into the tenant's object store;
// nothing of it is ever on a disk unencrypted. Whoever takes backups has the public key alone.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// fileName is when the backup began, in UTC, and the newest receipt that is in it for sure.
var fileName = regexp.MustCompile(`^([0-9]{8}T[0-9]{6}Z)-([0-9]{12})\.tar\.gz\.age$`)

const timeFormat = "20060102T150405Z"

// Options of a backup.
type Options struct {
	Place
	Recipient string // file of age public keys
	KeepDays  int    // of 24 hours; 1 or more
	Log       *slog.Logger
	Now       func() time.Time
}

// Take removes the backups whose time is over, and takes one. It removes them first, and
// whatever becomes of the new one: how long copies are kept is a promise. config leads to
// the server by a login of sb_backup.
func Take(ctx context.Context, config store.Config, o Options) (contract.BackupResult, error) {
	result := contract.BackupResult{StartedAt: o.Now().UTC().Truncate(time.Second)}
	shelf := o.shelf()
	unlock, err := shelf.lock()
	if err != nil {
		return result, err
	}
	defer unlock()
	removed, expired := expire(ctx, shelf, o)
	result.Removed = removed
	err = errors.Join(expired, take(ctx, config, shelf, o, &result), summarize(ctx, shelf, &result))
	result.FinishedAt = o.Now().UTC().Truncate(time.Second)
	return result, err
}

func take(ctx context.Context, config store.Config, shelf shelf, o Options, result *contract.BackupResult) error {
	recipients, err := recipientsOf(o.Recipient)
	if err != nil {
		return err
	}
	pool, err := store.OpenConfig(ctx, o.Log, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	err = pool.QueryRow(ctx, "SELECT sequence, digest FROM sb.receipt ORDER BY sequence DESC LIMIT 1").Scan(&result.Head.Sequence, &result.Head.Digest)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("reading the chain's head: %w", err)
	}
	conn, err := store.Replication(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	name := fmt.Sprintf("%s-%012d.tar.gz.age", result.StartedAt.Format(timeFormat), result.Head.Sequence)
	result.Bytes, err = shelf.add(ctx, name, func(w io.Writer) error { return copyTo(ctx, conn, w, recipients) })
	if err != nil {
		return err
	}
	result.File = name
	return nil
}

func recipientsOf(file string) ([]age.Recipient, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key of backups: %w", err)
	}
	defer func() { _ = f.Close() }()
	recipients, err := age.ParseRecipients(f)
	if err != nil {
		return nil, fmt.Errorf("reading the key of backups: %w", err)
	}
	return recipients, nil
}

// copyTo has the server send its data to a writer that age encrypts for.
func copyTo(ctx context.Context, conn *pgconn.PgConn, w io.Writer, to []age.Recipient) error {
	encrypted, err := age.Encrypt(w, to...)
	if err != nil {
		return fmt.Errorf("encrypting the backup: %w", err)
	}
	// A slot of this session's holds the WAL that is written meanwhile, however much that is.
	slot := fmt.Sprintf("CREATE_REPLICATION_SLOT backup_%d TEMPORARY PHYSICAL (RESERVE_WAL)", conn.PID())
	if _, err := conn.Exec(ctx, slot).ReadAll(); err != nil {
		return fmt.Errorf("holding what is written meanwhile: %w", err)
	}
	stream := &stream{to: encrypted}
	const command = "BASE_BACKUP (LABEL 'switchboard', CHECKPOINT 'fast', WAL true, MANIFEST 'no', COMPRESSION 'gzip')"
	if _, err := conn.CopyTo(ctx, stream, command); err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	if stream.archives != 1 {
		return fmt.Errorf("copying the database: the server sent %d archives, one was expected", stream.archives)
	}
	if err := encrypted.Close(); err != nil {
		return fmt.Errorf("encrypting the backup: %w", err)
	}
	return nil
}

// stream takes the messages of a BASE_BACKUP apart, one in each Write: n begins an archive,
// d is data of it, p and m tell of progress and manifest (PostgreSQL 15 and newer, "Streaming
// Replication Protocol").
type stream struct {
	to       io.Writer
	archives int
}

func (s *stream) Write(message []byte) (int, error) {
	if len(message) == 0 {
		return 0, nil
	}
	switch message[0] {
	case 'n':
		if s.archives++; s.archives > 1 {
			return 0, errors.New("the server has tablespaces of its own, which are not backed up: move what is in them")
		}
	case 'd':
		if s.archives == 0 {
			return 0, errors.New("the server speaks an older protocol: PostgreSQL 15 or newer is needed")
		}
		if _, err := s.to.Write(message[1:]); err != nil {
			return 0, err
		}
	case 'p', 'm':
	default:
		return 0, fmt.Errorf("the server sent a message of type %q: PostgreSQL 15 or newer is needed", message[0])
	}
	return len(message), nil
}

// expire removes backups whose time is over, and what broken ones left.
func expire(ctx context.Context, shelf shelf, o Options) (removed int, err error) {
	left := shelf.tidy(ctx, o.Now())
	names, err := list(ctx, shelf)
	if err != nil {
		return 0, errors.Join(left, err)
	}
	limit := o.Now().UTC().Add(contract.BackupSlack - time.Duration(o.KeepDays)*24*time.Hour)
	old := slices.DeleteFunc(names, func(name string) bool {
		began, _ := beganAt(name)
		return began.After(limit)
	})
	gone, err := shelf.remove(ctx, old)
	for _, name := range gone {
		o.Log.Info("removed a backup whose time is over", "file", name)
	}
	return len(gone), errors.Join(left, err)
}

func beganAt(name string) (time.Time, bool) {
	m := fileName.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}, false
	}
	began, err := time.Parse(timeFormat, m[1])
	return began, err == nil
}

// List gives the backups in a place, oldest first.
func List(ctx context.Context, p Place) ([]string, error) { return list(ctx, p.shelf()) }

func list(ctx context.Context, shelf shelf) ([]string, error) {
	names, err := shelf.names(ctx) // times sort as they are written
	return slices.DeleteFunc(names, func(name string) bool {
		_, ok := beganAt(name)
		return !ok
	}), err
}

func summarize(ctx context.Context, shelf shelf, result *contract.BackupResult) error {
	names, err := list(ctx, shelf)
	if err != nil {
		return err
	}
	result.Count = len(names)
	if len(names) > 0 {
		began, _ := beganAt(names[0])
		result.Oldest = &began
	}
	return nil
}
