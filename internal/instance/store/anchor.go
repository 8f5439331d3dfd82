package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// EnvAnchorDir names another directory than contract.DirAnchor, for tests and for
// running outside of a pod.
const EnvAnchorDir = "SWITCHBOARD_ANCHOR_DIR"

// ErrBehind says that the database was put back in time: nothing is served from it, or
// sent, until what has happened since was replayed.
var ErrBehind = errors.New("the database is in quarantine: an older one was put back, and what has happened since has not been replayed yet; see the Tenant's condition DatabaseCurrent")

// guard gives up connections to a database that lacks what the anchor tells of. A
// database is put back by stopping it: afterwards every connection is a new one.
func guard(dir string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		anchor, err := ReadAnchor(dir)
		if err != nil {
			return err
		}
		var behind bool
		if err := conn.QueryRow(ctx, "SELECT sb.behind($1, $2, $3, $4::text::xid8, $5)", AnchorArgs(anchor)...).Scan(&behind); err != nil {
			return fmt.Errorf("comparing the database with the anchor: %w", err)
		}
		if behind {
			return ErrBehind
		}
		return nil
	}
}

// ReadAnchor reads FileAnchor in dir. Where there is none, nothing is known: the zero Anchor.
func ReadAnchor(dir string) (contract.Anchor, error) {
	var a contract.Anchor
	b, err := os.ReadFile(filepath.Join(dir, contract.FileAnchor))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return a, fmt.Errorf("reading the anchor: %w", err)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("reading the anchor from %s: %w", filepath.Join(dir, contract.FileAnchor), err)
	}
	return a, nil
}

// AnchorArgs are an anchor as the database's functions take it: epoch, sequence, digest, xid, id.
func AnchorArgs(a contract.Anchor) []any {
	return []any{a.Epoch, a.Head.Sequence, a.Head.Digest, strconv.FormatUint(a.Consent.XID, 10), a.Consent.ID}
}
