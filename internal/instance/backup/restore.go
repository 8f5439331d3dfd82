package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Latest asks for the newest backup.
const Latest = "latest"

// Names in the volume of a database.
const (
	current = "pgdata"     // the data directory
	coming  = "pgdata.new" // what is being unpacked
	former  = "pgdata.old" // what it replaces, for a moment
)

// Restore puts a backup in the place of the data directory in volume, whose server does not
// run. The file is read to its end, and so proven whole, before anything is replaced. Killed at
// any instant it can be run again, and one of both directories is whole.
func Restore(ctx context.Context, from Place, file, volume string, identities ...age.Identity) (contract.RestoreResult, error) {
	if err := finish(volume); err != nil { // first: whatever is asked for now, the data must be in its place
		return contract.RestoreResult{}, fmt.Errorf("ending a restore that was killed: %w", err)
	}
	shelf := from.shelf()
	name, err := choose(ctx, shelf, file)
	if err != nil {
		return contract.RestoreResult{}, err
	}
	if err := unpack(ctx, shelf, name, filepath.Join(volume, coming), identities); err != nil {
		return contract.RestoreResult{}, errors.Join(fmt.Errorf("backup %s: %w; the database is as it was", name, err), os.RemoveAll(filepath.Join(volume, coming)))
	}
	if err := sameVersion(volume); err != nil {
		return contract.RestoreResult{}, errors.Join(fmt.Errorf("backup %s: %w; the database is as it was", name, err), os.RemoveAll(filepath.Join(volume, coming)))
	}
	if err := replace(volume); err != nil {
		return contract.RestoreResult{}, err
	}
	return contract.RestoreResult{File: name}, nil
}

// choose finds the backup that is asked for.
func choose(ctx context.Context, shelf shelf, file string) (string, error) {
	names, err := list(ctx, shelf)
	switch {
	case err != nil:
		return "", err
	case len(names) == 0:
		return "", errors.New("there is no backup")
	case file == Latest:
		return names[len(names)-1], nil
	case !slices.Contains(names, file):
		newest := names[max(0, len(names)-10):]
		return "", fmt.Errorf("there is no backup of that name; the newest are %s", strings.Join(newest, ", "))
	}
	return file, nil
}

// finish ends what a restore that was killed has left: nothing was replaced, or all of it.
func finish(volume string) error {
	data, old := filepath.Join(volume, current), filepath.Join(volume, former)
	_, isOld := os.Stat(old)
	_, isThere := os.Stat(data)
	switch {
	case isOld == nil && isThere == nil:
		return os.RemoveAll(old)
	case isOld == nil:
		return os.Rename(old, data)
	}
	return nil
}

// sameVersion refuses data of another major version of PostgreSQL, which would not start.
func sameVersion(volume string) error {
	versionIn := func(dir string) (string, error) {
		b, err := os.ReadFile(filepath.Join(volume, dir, "PG_VERSION"))
		return strings.TrimSpace(string(b)), err
	}
	present, err := versionIn(current)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is nothing yet to agree with
	}
	if err != nil {
		return fmt.Errorf("reading the version of the present data: %w", err)
	}
	kept, err := versionIn(coming)
	if err != nil {
		return fmt.Errorf("reading its version: %w", err)
	}
	if kept != present {
		return fmt.Errorf("it is of PostgreSQL %s, and the database of %s: set the image back to %s, restore, then upgrade", kept, present, kept)
	}
	return nil
}

func replace(volume string) error {
	data, old, next := filepath.Join(volume, current), filepath.Join(volume, former), filepath.Join(volume, coming)
	if _, err := os.Stat(data); err == nil {
		if err := os.Rename(data, old); err != nil {
			return fmt.Errorf("setting the present data aside: %w", err)
		}
	}
	if err := os.Rename(next, data); err != nil {
		return fmt.Errorf("putting the backup in place: %w", err)
	}
	if err := syncDir(volume); err != nil {
		return err
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("removing the former data: %w", err)
	}
	return nil
}

// unpack decrypts a backup into a directory that it makes.
func unpack(ctx context.Context, shelf shelf, file, into string, identities []age.Identity) error {
	if err := os.RemoveAll(into); err != nil {
		return fmt.Errorf("making room: %w", err)
	}
	if err := os.Mkdir(into, 0o700); err != nil {
		return fmt.Errorf("making room: %w", err)
	}
	root, err := os.OpenRoot(into) // nothing is written outside of it, whatever the archive names
	if err != nil {
		return fmt.Errorf("making room: %w", err)
	}
	defer func() { _ = root.Close() }()
	f, err := shelf.open(ctx, file)
	if err != nil {
		return fmt.Errorf("opening it: %w", err)
	}
	defer func() { _ = f.Close() }()
	plain, err := age.Decrypt(f, identities...)
	if err != nil {
		return fmt.Errorf("it can't be decrypted with this tenant's key: %w", err)
	}
	unzipped, err := gzip.NewReader(plain)
	if err != nil {
		return fmt.Errorf("it is no backup: %w", err)
	}
	archive := tar.NewReader(unzipped)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("it is damaged: %w", err)
		}
		if err := entry(root, header, archive); err != nil {
			return err
		}
	}
	for _, rest := range []io.Reader{unzipped, plain} { // what is behind the archive is authenticated too
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return fmt.Errorf("it is damaged: %w", err)
		}
	}
	if _, err := root.Stat("PG_VERSION"); err != nil {
		return errors.New("it holds no database")
	}
	return syncDir(into)
}

func entry(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.Clean(header.Name)
	switch header.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(name, 0o700); err != nil {
			return fmt.Errorf("making directory %s: %w", name, err)
		}
		return nil
	case tar.TypeReg:
	default:
		return fmt.Errorf("%s is neither a file nor a directory: tablespaces of its own are not put back", name)
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("making file %s: %w", name, err)
	}
	_, err = io.Copy(f, content) //nolint:gosec // as large as the database was, on a volume of its own
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("it is damaged, or there is no room: file %s: %w", name, err)
	}
	return nil
}
