package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
)

// Place is where backups are: a directory, or a tenant's object store where that is set.
type Place struct {
	Dir   string
	Store *objectstore.Store
}

func (p Place) shelf() shelf {
	if p.Store != nil {
		return bucket{p.Store}
	}
	return volume{p.Dir}
}

// shelf keeps backups.
type shelf interface {
	// lock keeps a second backup off, which would take the first one's file for a broken one.
	lock() (unlock func(), err error)
	// names are the files that are there, in their order.
	names(ctx context.Context) ([]string, error)
	// add makes a file of what fill writes, whole or not at all, and gives its size.
	add(ctx context.Context, name string, fill func(io.Writer) error) (int64, error)
	open(ctx context.Context, name string) (io.ReadCloser, error)
	// remove removes files, and gives those that are gone.
	remove(ctx context.Context, names []string) (gone []string, err error)
	// tidy removes what broken backups have left. now is when this one began.
	tidy(ctx context.Context, now time.Time) error
}

// folder is that of backups in an object store.
const folder = "backups/"

// longest is how long a backup may take, and more (the deadline of its Job).
const longest = 7 * time.Hour

// bucket keeps backups in an object store. An upload that has not ended is no object: nothing
// takes it for a backup, and no lock is needed.
type bucket struct{ store *objectstore.Store }

func (bucket) lock() (func(), error) { return func() {}, nil }

func (b bucket) names(ctx context.Context) ([]string, error) {
	var names []string
	for o, err := range b.store.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("looking for backups: %w", err)
		}
		names = append(names, o.Key[len(folder):])
	}
	slices.Sort(names)
	return names, nil
}

func (b bucket) add(ctx context.Context, name string, fill func(io.Writer) error) (int64, error) {
	from, to := io.Pipe()
	filled := make(chan error, 1)
	go func() {
		err := fill(to)
		filled <- err              // before the stream ends: an upload that fails of it finds it here
		_ = to.CloseWithError(err) // nil ends the stream; it never fails
	}()
	size, err := b.store.Put(ctx, folder+name, from, -1)
	select {
	case broken := <-filled:
		if broken != nil {
			return 0, broken
		}
	default: // the store does not take it
		_ = from.CloseWithError(errNotStored)
		if broken := <-filled; broken != nil && err == nil {
			return 0, broken
		}
	}
	if err != nil {
		return 0, fmt.Errorf("storing the backup: %w", err)
	}
	return size, nil
}

// errNotStored ends a backup whose store does not take it.
var errNotStored = errors.New("the object store does not take it")

func (b bucket) open(ctx context.Context, name string) (io.ReadCloser, error) {
	return b.store.Get(ctx, folder+name)
}

func (b bucket) remove(ctx context.Context, names []string) ([]string, error) {
	var gone []string
	for chunk := range slices.Chunk(names, objectstore.MaxBatch) {
		keys := make([]string, len(chunk))
		for i, name := range chunk {
			keys[i] = folder + name
		}
		done, err := b.store.Remove(ctx, keys)
		for _, key := range done {
			gone = append(gone, key[len(folder):])
		}
		if err != nil {
			return gone, fmt.Errorf("removing backups: %w", err)
		}
	}
	return gone, nil
}

func (b bucket) tidy(ctx context.Context, now time.Time) error {
	if _, err := b.store.Abandon(ctx, folder, now.Add(-longest)); err != nil {
		return fmt.Errorf("removing what broken backups have left: %w", err)
	}
	return nil
}
