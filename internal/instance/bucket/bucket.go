// Package bucket checks a tenant's bucket, and empties it when the tenant is erased.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// Command is `instance bucket`. What the store says is an outcome, not a failure. A store that does not
// let itself be emptied is tried again until patience is over.
func Command(ctx context.Context, log *slog.Logger, empty bool, patience time.Duration) error {
	store, err := objectstore.FromEnvironment()
	if err == nil && store == nil {
		err = fmt.Errorf("checking the bucket: %s is not set; it holds the store as JSON", contract.EnvObjectStore)
	}
	if err != nil {
		return termination.Report(contract.Result{}, err)
	}
	result := contract.BucketResult{}
	if empty {
		result.Removed, err = insist(ctx, log, store, patience)
	} else {
		err = store.Verify(ctx)
	}
	if err != nil {
		result.Class, result.Message = objectstore.Class(err), err.Error()
	}
	log.Info("bucket", "store", store.Name(), "class", result.Class, "removed", result.Removed)
	return termination.Report(contract.Result{Bucket: &result}, nil)
}

// insist empties, again and again. removed counts all of it.
func insist(ctx context.Context, log *slog.Logger, store *objectstore.Store, patience time.Duration) (removed int64, err error) {
	over := time.Now().Add(patience)
	for {
		n, err := Empty(ctx, store)
		removed += n
		if err == nil || !time.Now().Before(over) {
			return removed, err
		}
		log.Warn("the object store is not empty yet", "class", objectstore.Class(err), "removed", removed)
		again := time.NewTimer(patience / 100)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return removed, err
		}
	}
}

// errMore says that objects came while others were removed.
var errMore = errors.New("objects came while others were removed")

// Empty removes all objects of the tenant, and the parts of uploads that never ended, and
// looks again: nil says that the store has listed none any more. removed counts what it has confirmed.
func Empty(ctx context.Context, store *objectstore.Store) (removed int64, err error) {
	for range 3 { // a last upload may end meanwhile
		n, err := once(ctx, store)
		removed += n
		if err != nil {
			return removed, err
		}
		if n == 0 {
			return removed, nil
		}
	}
	return removed, errMore
}

func once(ctx context.Context, store *objectstore.Store) (removed int64, err error) {
	abandoned, err := store.Abandon(ctx, "", time.Now().Add(24*time.Hour)) // all, by any clock
	if err != nil {
		return 0, err
	}
	removed = int64(abandoned)
	keys := make([]string, 0, objectstore.MaxBatch)
	flush := func() error {
		if len(keys) == 0 {
			return nil
		}
		gone, err := store.Remove(ctx, keys)
		removed += int64(len(gone))
		keys = keys[:0]
		return err
	}
	for o, err := range store.List(ctx, "") {
		if err != nil {
			return removed, err
		}
		if keys = append(keys, o.Key); len(keys) == objectstore.MaxBatch {
			if err := flush(); err != nil {
				return removed, err
			}
		}
	}
	return removed, flush()
}
