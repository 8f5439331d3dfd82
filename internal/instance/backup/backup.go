// Package backup copies a tenant's database into one encrypted file, and puts one back.
//
// A backup is a physical one, by PostgreSQL's own replication protocol: the server sends a
// tar archive of its data directory and of the WAL that makes it consistent, compressed
// by gzip. It goes through age straight into a file; nothing of it is ever on a disk
// unencrypted. Whoever takes backups has the public key alone.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// fileName is when the backup began, in UTC, and the newest receipt that is in it for sure.
var fileName = regexp.MustCompile(`^([0-9]{8}T[0-9]{6}Z)-([0-9]{12})\.tar\.gz\.age$`)

const (
	timeFormat = "20060102T150405Z"
	partial    = ".partial"
)

// Options of a backup.
type Options struct {
	Dir       string // where backups are
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
	unlock, err := lock(o.Dir)
	if err != nil {
		return result, err
	}
	defer unlock()
	removed, expired := expire(o)
	result.Removed = removed
	err = errors.Join(expired, take(ctx, config, o, &result), summarize(o.Dir, &result))
	result.FinishedAt = o.Now().UTC().Truncate(time.Second)
	return result, err
}

// lock keeps a second backup off, which would take the first one's file for a broken one.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the backups: %w", err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another backup is under way: wait for it to end: %w", err), d.Close())
	}
	return func() { _ = d.Close() }, nil
}

func take(ctx context.Context, config store.Config, o Options, result *contract.BackupResult) error {
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
	path := filepath.Join(o.Dir, name)
	if err := write(ctx, conn, path+partial, recipients); err != nil {
		return errors.Join(err, remove(path+partial))
	}
	if err := os.Rename(path+partial, path); err != nil {
		return fmt.Errorf("naming the backup: %w", err)
	}
	if err := syncDir(o.Dir); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("looking at the backup: %w", err)
	}
	result.File, result.Bytes = name, info.Size()
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

// write has the server send its data into a file that age encrypts.
func write(ctx context.Context, conn *pgconn.PgConn, path string, to []age.Recipient) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("making the backup's file: %w", err)
	}
	defer func() {
		if closed := f.Close(); err == nil && closed != nil {
			err = fmt.Errorf("closing the backup's file: %w", closed)
		}
	}()
	encrypted, err := age.Encrypt(f, to...)
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
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
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
func expire(o Options) (removed int, err error) {
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return 0, fmt.Errorf("looking for backups: %w", err)
	}
	limit := o.Now().UTC().Add(contract.BackupSlack - time.Duration(o.KeepDays)*24*time.Hour)
	for _, e := range entries {
		path := filepath.Join(o.Dir, e.Name())
		if filepath.Ext(e.Name()) == partial {
			err = errors.Join(err, remove(path))
			continue
		}
		began, ok := beganAt(e.Name())
		if !ok || began.After(limit) {
			continue
		}
		if failed := remove(path); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		removed++
		o.Log.Info("removed a backup whose time is over", "file", e.Name())
	}
	return removed, err
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a backup: %w", err)
	}
	return nil
}

func beganAt(name string) (time.Time, bool) {
	m := fileName.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}, false
	}
	began, err := time.Parse(timeFormat, m[1])
	return began, err == nil
}

// List gives the backups in a directory, oldest first.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for backups: %w", err)
	}
	var names []string
	for _, e := range entries {
		if _, ok := beganAt(e.Name()); ok {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names) // times sort as they are written
	return names, nil
}

func summarize(dir string, result *contract.BackupResult) error {
	names, err := List(dir)
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

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keeping what was written: %w", err)
	}
	err = d.Sync()
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("keeping what was written: %w", err)
	}
	return nil
}
