package retention

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
)

// compareObjects finds what uploads that came to nothing have left in the store, and writes it
// down to be removed with the rest. A store that is down stops no deletion.
func (r *run) compareObjects(ctx context.Context) error {
	if r.Objects == nil {
		return nil
	}
	found, err := file.Compare(ctx, r.conn, r.Objects, r.Now())
	r.files.Unknown, r.files.Missing = found.Unknown, found.Missing
	if class := storeClass(err); class != "" {
		r.files.Class, r.files.Missing = class, 0 // part of a count is none
		r.Log.Warn("the object store can't be compared with the database; the next run tries again", "class", class)
		return nil
	}
	return err
}

// storeClass gives the class of an error of the store, empty when it is another's.
func storeClass(err error) string {
	if store, ok := objectstore.Of(err); ok {
		return store.Class
	}
	return ""
}

// removeObjects removes the objects of files that are gone, unless the store could not be reached
// before.
func (r *run) removeObjects(ctx context.Context) error {
	if !r.loose || r.files.Class == contract.StoreUnreachable {
		return nil
	}
	removed, class, err := file.Remove(ctx, r.conn, r.Objects)
	if err != nil {
		return err
	}
	r.loose = false
	r.files.Removed += removed
	if class != "" && r.Objects != nil {
		r.files.Class = class
		r.Log.Warn("the object store does not remove all files; the next run tries again", "class", class)
	}
	return nil
}

// tellFiles adds to the result what became of files in the store.
func (r *run) tellFiles(ctx context.Context, tx pgx.Tx) error {
	files := r.files
	if err := tx.QueryRow(ctx, "SELECT files, since FROM sb.removals_pending(NULL)").Scan(&files.Pending, &files.Since); err != nil {
		return fmt.Errorf("counting files that are to be removed: %w", err)
	}
	if files.Pending > 0 && files.Class == "" && r.Objects == nil {
		files.Class = contract.StoreNone
	}
	if files != (contract.FilesResult{}) {
		r.result.Files = &files
	}
	return nil
}
