package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// login is the folder beside the data directory by which a standby logs in to the server that it follows.
const login = "standby"

// loginFiles are what a standby needs of a login's Secret besides its name and password.
func loginFiles() []string {
	return []string{contract.FileTLSCert, contract.FileTLSKey, contract.FileCA}
}

// Source is a server that a standby follows, and the login by which it does.
type Source struct {
	Host               string
	Port               uint16
	Username, Password string
	Dir                string // of the login's certificate, as contract.DirDatabase
}

// Standby copies a server while it serves into a volume, as a data directory that follows the server once it is
// started there. A slot of the server's keeps what is written meanwhile. Killed at any instant, it can be run again; once
// the directory is in its place, running it again changes nothing.
func Standby(ctx context.Context, config store.Config, source Source, volume string) (contract.StandbyResult, error) {
	var result contract.StandbyResult
	if _, err := os.Stat(filepath.Join(volume, current)); err == nil {
		return result, nil
	}
	conn, err := store.Replication(ctx, config)
	if err != nil {
		return result, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if err := makeSlot(ctx, conn); err != nil {
		return result, err
	}
	next := filepath.Join(volume, coming)
	if err := os.RemoveAll(next); err != nil {
		return result, fmt.Errorf("making room: %w", err)
	}
	if err := os.Mkdir(next, 0o700); err != nil {
		return result, fmt.Errorf("making room: %w", err)
	}
	if result.Bytes, err = receive(ctx, conn, next); err != nil {
		return result, err
	}
	if err := follow(volume, source); err != nil {
		return result, err
	}
	if err := os.Rename(next, filepath.Join(volume, current)); err != nil {
		return result, fmt.Errorf("putting the copy in place: %w", err)
	}
	return result, syncDir(volume)
}

// makeSlot makes the slot anew: what one that was left behind keeps is of no use to a new copy.
func makeSlot(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := conn.Exec(ctx, "DROP_REPLICATION_SLOT "+contract.MoveSlot).ReadAll()
	var missing *pgconn.PgError
	if err != nil && (!errors.As(err, &missing) || missing.Code != "42704") { // undefined_object
		return fmt.Errorf("removing the slot of a copy before: %w", err)
	}
	if _, err := conn.Exec(ctx, "CREATE_REPLICATION_SLOT "+contract.MoveSlot+" PHYSICAL (RESERVE_WAL)").ReadAll(); err != nil {
		return fmt.Errorf("holding what is written meanwhile: %w", err)
	}
	return nil
}

// receive unpacks what the server sends, compressed, into a directory.
func receive(ctx context.Context, conn *pgconn.PgConn, into string) (int64, error) {
	root, err := os.OpenRoot(into) // nothing is written outside of it, whatever the archive names
	if err != nil {
		return 0, fmt.Errorf("making room: %w", err)
	}
	defer func() { _ = root.Close() }()
	from, to := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		s := &stream{to: to}
		_, err := conn.CopyTo(ctx, s, "BASE_BACKUP (LABEL 'switchboard', CHECKPOINT 'fast', WAL false, MANIFEST 'no', COMPRESSION 'gzip')")
		if err == nil && s.archives != 1 {
			err = fmt.Errorf("the server sent %d archives, one was expected", s.archives)
		}
		sent <- errors.Join(err, to.CloseWithError(err))
	}()
	size, err := untar(ctx, root, from)
	_ = from.CloseWithError(err) // so that the server stops sending
	if err := errors.Join(<-sent, err); err != nil {
		return 0, fmt.Errorf("copying the database: %w", err)
	}
	return size, syncDir(into)
}

func untar(ctx context.Context, root *os.Root, from io.Reader) (size int64, err error) {
	unzipped, err := gzip.NewReader(from)
	if err != nil {
		return 0, fmt.Errorf("unpacking: %w", err)
	}
	archive := tar.NewReader(unzipped)
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("unpacking: %w", err)
		}
		if err := entry(root, header, archive); err != nil {
			return 0, err
		}
		size += header.Size
	}
	for _, rest := range []io.Reader{unzipped, from} {
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return 0, fmt.Errorf("unpacking: %w", err)
		}
	}
	return size, nil
}

// follow has the copied server follow its source: a login beside the data directory, and where to ask.
func follow(volume string, source Source) error {
	dir := filepath.Join(volume, login)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keeping the login of the standby: %w", err)
	}
	for _, name := range loginFiles() {
		content, err := os.ReadFile(filepath.Join(source.Dir, name))
		if err != nil {
			return fmt.Errorf("reading the login of the standby: %w", err)
		}
		if err := keep(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	conninfo := []string{"application_name=" + login, "sslmode=verify-full"}
	for _, pair := range [][2]string{
		{"host", source.Host}, {"port", fmt.Sprint(source.Port)}, {"user", source.Username}, {"password", source.Password},
		{"sslcert", filepath.Join(dir, contract.FileTLSCert)}, {"sslkey", filepath.Join(dir, contract.FileTLSKey)},
		{"sslrootcert", filepath.Join(dir, contract.FileCA)},
	} {
		conninfo = append(conninfo, pair[0]+"="+quote(pair[1], `\'`))
	}
	auto := filepath.Join(volume, coming, "postgresql.auto.conf")
	settings, err := os.ReadFile(auto)
	if err != nil {
		return fmt.Errorf("reading the settings of the copy: %w", err)
	}
	settings = fmt.Appendf(bytes.TrimRight(settings, "\n"), "\nprimary_conninfo = %s\nprimary_slot_name = %s\n",
		quote(strings.Join(conninfo, " "), "''"), quote(contract.MoveSlot, "''"))
	return errors.Join(keep(auto, settings), keep(filepath.Join(volume, coming, "standby.signal"), nil))
}

// quote puts a value in quotes; escaped stands for a quote in it.
func quote(value, escaped string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(value, `\`, `\\`), "'", escaped) + "'"
}

func keep(path string, content []byte) error {
	return write(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// LoginFiles are the files in a volume by which a standby logged in: they are emptied when it stands on its own.
func LoginFiles(volume string) []string {
	var all []string
	for _, name := range loginFiles() {
		all = append(all, filepath.Join(volume, login, name))
	}
	return all
}
