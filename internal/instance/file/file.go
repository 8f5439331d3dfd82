// Package file keeps attachments' bytes: in the database, or in the tenant's object store.
//
// Bytes in a store are encrypted by age, each file to a key of its own that stands in its row
// and nowhere else. A bucket that leaks holds nothing that can be read; and a file can't be
// read any more from the instant on that its row is gone, whether the store can be reached or
// not. (What the store then still holds is counted until it is gone: see Remove.)
//
// Database and store share no transaction. Bytes are stored before their row commits and removed after
// the row is gone; sb.file_removal (migrations/00001_core.sql) remembers what is still to be removed, and Compare finds what
// an upload without a commit has left.
package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
)

// Prefix is that of the keys of files in a store. What follows is random and says nothing.
const Prefix = "files/"

// MaxSize bounds a file, in bytes (migrations/00001_core.sql).
const MaxSize = 100 << 20

// Keep keeps a file, once however often it comes, and gives its id. Without a store (nil) the
// bytes go into the database. It is part of the caller's transaction, whose role may call
// sb.add_file, sb.find_file and sb.add_stored_file: when that does not commit, nothing was kept.
func Keep(ctx context.Context, tx pgx.Tx, store *objectstore.Store, mediaType string, content []byte) (id uuid.UUID, err error) {
	if len(content) > MaxSize {
		return id, fmt.Errorf("keeping a file: it has %d bytes, at most %d are taken", len(content), MaxSize)
	}
	if store == nil {
		if err := tx.QueryRow(ctx, "SELECT sb.add_file($1, $2)", mediaType, content).Scan(&id); err != nil {
			return id, fmt.Errorf("keeping a file: %w", err)
		}
		return id, nil
	}
	sum := sha256.Sum256(content)
	var known *uuid.UUID
	if err := tx.QueryRow(ctx, "SELECT sb.find_file($1)", sum[:]).Scan(&known); err != nil {
		return id, fmt.Errorf("looking for the file: %w", err)
	}
	if known != nil {
		return *known, nil
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return id, fmt.Errorf("making the file's key: %w", err)
	}
	object := Prefix + uuid.NewString()
	if err := put(ctx, store, object, key.Recipient(), content); err != nil {
		return id, fmt.Errorf("keeping a file: %w", err)
	}
	var kept bool
	if err := tx.QueryRow(ctx, "SELECT id, kept FROM sb.add_stored_file($1, $2, $3, $4, $5)", mediaType, sum[:], len(content), object, key.String()).
		Scan(&id, &kept); err != nil {
		return id, fmt.Errorf("keeping a file: %w", err)
	}
	if !kept {
		// Another was first. What can't be removed now, Compare finds.
		_, _ = store.Remove(ctx, []string{object})
	}
	return id, nil
}

func put(ctx context.Context, store *objectstore.Store, object string, to age.Recipient, content []byte) error {
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	_, err = store.Put(ctx, object, &b, int64(b.Len()))
	return err
}

// ErrMissing says that the store does not have an object that a file's row names: it was removed after the
// backup from which this database was put back.
var ErrMissing = errors.New("the store does not have the file any more")

// ErrNoStore says that a file is in an object store and this tenant's is not configured here.
var ErrNoStore = errors.New("the file is in an object store, and none is configured: give the Tenant its objectStore back")

// Open reads a file that is an object, by what its row says. It fails with ErrMissing when the
// store says that there is none. The end of what is read proves that it is whole.
func Open(ctx context.Context, store *objectstore.Store, object, key string) (io.ReadCloser, error) {
	if store == nil {
		return nil, ErrNoStore
	}
	identity, err := age.ParseX25519Identity(key)
	if err != nil {
		return nil, errors.New("opening a file: its row has no key")
	}
	body, err := store.Get(ctx, object)
	if objectstore.Absent(err) {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, fmt.Errorf("opening a file: %w", err)
	}
	plain, err := age.Decrypt(body, identity)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening a file: the store gave back other bytes than were stored: %w", err), body.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, body}, nil
}
