package subject

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
)

// attached is a file of the person's: in the database, or an object of the store.
type attached struct {
	ID          uuid.UUID
	Size        int64
	Object, Key *string
}

// addFiles adds the attachments' bytes, and gives how many the store does not have any more:
// their names are in missing-files.txt instead. A store that can't be asked fails the request.
func (r *run) addFiles(ctx context.Context, create func(string) (io.Writer, error)) (missing int64, err error) {
	found, _ := r.tx.Query(ctx, "SELECT id, size, object, object_key FROM sb.subject_files($1, $2)", r.kinds, r.hashes)
	all, err := pgx.CollectRows(found, pgx.RowToStructByPos[attached])
	if err != nil {
		return 0, fmt.Errorf("listing the files: %w", err)
	}
	var names string
	for _, f := range all {
		switch err := r.addFile(ctx, create, f); {
		case errors.Is(err, file.ErrMissing):
			missing++
			names += f.name() + "\n"
		case err != nil:
			return 0, err
		}
	}
	if missing == 0 {
		return 0, nil
	}
	w, err := create("missing-files.txt")
	if err != nil {
		return 0, err
	}
	_, err = io.WriteString(w, "These files are no longer there, and so not in this archive:\n"+names)
	return missing, err
}

func (f attached) name() string { return "files/" + f.ID.String() }

func (r *run) addFile(ctx context.Context, create func(string) (io.Writer, error), f attached) error {
	if f.Object == nil {
		w, err := create(f.name())
		if err != nil {
			return err
		}
		return r.addPieces(ctx, w, f)
	}
	content, err := file.Open(ctx, r.person.Objects, *f.Object, *f.Key)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	w, err := create(f.name())
	if err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(content, f.Size+1))
	if err == nil && n != f.Size {
		err = errors.New("it has another size than when it was stored")
	}
	if err != nil {
		return fmt.Errorf("reading a file: %w", err)
	}
	return nil
}

func (r *run) addPieces(ctx context.Context, w io.Writer, f attached) error {
	for at := int64(0); at < f.Size; at += piece {
		var b []byte
		if err := r.tx.QueryRow(ctx, "SELECT sb.subject_file($1, $2, $3, $4, $5)", r.kinds, r.hashes, f.ID, at, piece).Scan(&b); err != nil {
			return fmt.Errorf("reading a file: %w", err)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// settleFiles removes the objects of what the request has erased, after its transaction: the
// request is done whatever the store does, as nobody can read them without their rows, and the
// result tells how many of its files the store still has to remove.
func (r *run) settleFiles(ctx context.Context, pool *pgxpool.Pool) error {
	files := contract.FilesResult{Missing: r.missing}
	pending := func() error {
		if err := pool.QueryRow(ctx, "SELECT files, since FROM sb.removals_pending($1)", r.request.UID).Scan(&files.Pending, &files.Since); err != nil {
			return fmt.Errorf("counting files that are to be removed: %w", err)
		}
		return nil
	}
	if err := pending(); err != nil {
		return err
	}
	if before := files.Pending; before > 0 {
		_, class, err := file.Remove(ctx, pool, r.person.Objects)
		if err != nil {
			return err
		}
		if err := pending(); err != nil {
			return err
		}
		files.Removed = before - files.Pending
		if files.Pending > 0 {
			files.Class = class
		}
	}
	if files != (contract.FilesResult{}) {
		r.result.Files = &files
	}
	return nil
}
