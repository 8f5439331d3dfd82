// Package lock keeps two runs of the program from doing the same thing at once.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Take takes a lock file, waiting for whoever holds it, and returns what gives it back. The file goes with the lock.
func Take(ctx context.Context, file string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the lock: %w", err)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := try(file)
		if err != nil {
			return nil, fmt.Errorf("taking the lock %s: %w", file, err)
		}
		if f != nil {
			return func() {
				// Removed before it is let go of, so that nobody takes a file that is about to vanish.
				// One that stays for whatever reason is taken again as it is.
				_ = os.Remove(file)
				_ = f.Close()
			}, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another run that holds %s: %w", file, ctx.Err())
		case <-tick.C:
		}
	}
}

// try returns the file when it is locked, and nothing when somebody else holds it.
func try(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && current(f, file) {
		return f, nil
	}
	_ = f.Close()
	if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, err
	}
	return nil, nil
}

// current tells whether the file that is open is still the one of that name: the last holder may have removed it meanwhile.
func current(f *os.File, name string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(name)
	return err == nil && os.SameFile(open, named)
}
