package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// partial ends the name of a file that is being written.
const partial = ".partial"

// volume keeps backups in a directory.
type volume struct{ dir string }

func (v volume) lock() (unlock func(), err error) {
	d, err := os.Open(v.dir)
	if err != nil {
		return nil, fmt.Errorf("opening the backups: %w", err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another backup is under way: wait for it to end: %w", err), d.Close())
	}
	return func() { _ = d.Close() }, nil
}

func (v volume) names(context.Context) ([]string, error) {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return nil, fmt.Errorf("looking for backups: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, nil
}

func (v volume) add(_ context.Context, name string, fill func(io.Writer) error) (int64, error) {
	path := filepath.Join(v.dir, name)
	if err := write(path+partial, fill); err != nil {
		return 0, errors.Join(err, remove(path+partial))
	}
	if err := os.Rename(path+partial, path); err != nil {
		return 0, fmt.Errorf("naming the backup: %w", err)
	}
	if err := syncDir(v.dir); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("looking at the backup: %w", err)
	}
	return info.Size(), nil
}

func write(path string, fill func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("making the backup's file: %w", err)
	}
	defer func() {
		if closed := f.Close(); err == nil && closed != nil {
			err = fmt.Errorf("closing the backup's file: %w", closed)
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return nil
}

func (v volume) open(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(v.dir, name))
}

func (v volume) remove(_ context.Context, names []string) (gone []string, err error) {
	for _, name := range names {
		if failed := remove(filepath.Join(v.dir, name)); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		gone = append(gone, name)
	}
	return gone, err
}

func (v volume) tidy(ctx context.Context, _ time.Time) error {
	names, err := v.names(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if filepath.Ext(name) == partial {
			err = errors.Join(err, remove(filepath.Join(v.dir, name)))
		}
	}
	return err
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a backup: %w", err)
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
