// Package export takes a tenant out as a file that only its recipient can read: one
// snapshot of all that has not expired or is held, with receipts, suppressions, consent,
// holds and the keys that hashes were made with. Nothing of it is on a disk unencrypted, and
// no more of it in memory than a few MiB, however much there is.
package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/archive"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
)

// Options of an export.
type Options struct {
	Tenant    string
	Recipient string             // an age public key: age1…
	Keys      map[int][]byte     // of hashes, by their version
	Resources []byte             // YAML of what the operator has of the tenant; may be empty
	Objects   *objectstore.Store // the tenant's, nil when it has none
	Log       *slog.Logger       // is told of each table
}

// piece is how much of a file is read at once, in bytes.
const piece = 1 << 20

// Run writes an archive. The pool's role is a member of sb_export.
func Run(ctx context.Context, pool *pgxpool.Pool, to io.Writer, o Options) (contract.ExportResult, error) {
	var result contract.ExportResult
	recipient, err := parseRecipient(o.Recipient)
	if err != nil {
		return result, err
	}
	if o.Tenant == "" {
		return result, fmt.Errorf("exporting: the tenant's name is needed; set %s", contract.EnvTenant)
	}
	if _, err := pool.Exec(ctx, "SELECT sb.export_begin()"); err != nil {
		return result, fmt.Errorf("exporting: leaving a line in the access log: %w", err)
	}
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		r := run{tx: tx, o: o, result: &result}
		head, err := r.head(ctx)
		if err != nil {
			return err
		}
		if r.w, err = archive.NewWriter(to, recipient, head); err != nil {
			return err
		}
		return r.do(ctx)
	})
	if err != nil {
		return result, fmt.Errorf("exporting: %w", err)
	}
	result.FinishedAt = time.Now().UTC().Truncate(time.Second)
	return result, nil
}

func parseRecipient(text string) (age.Recipient, error) {
	all, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil || len(all) != 1 {
		return nil, errors.New("the recipient is no age public key; age-keygen prints one (age1…)")
	}
	return all[0], nil
}

// run is one export, within its transaction.
type run struct {
	tx     pgx.Tx
	w      *archive.Writer
	o      Options
	holds  bool // there is one at all
	result *contract.ExportResult
}

// head reads what the archive is about: all of it belongs to one snapshot.
func (r *run) head(ctx context.Context) (archive.Head, error) {
	h := archive.Head{Format: contract.ExportFormat, Tenant: r.o.Tenant, RetainDays: map[string]float64{}}
	err := r.tx.QueryRow(ctx, `SELECT now(), (SELECT max(version_id) FROM migration.version WHERE is_applied), EXISTS (SELECT FROM sb.hold)`).
		Scan(&h.SnapshotAt, &h.SchemaVersion, &r.holds)
	if err != nil {
		return h, fmt.Errorf("reading the schema's version: %w", err)
	}
	h.SnapshotAt = h.SnapshotAt.UTC()
	err = r.tx.QueryRow(ctx, "SELECT sequence, digest FROM sb.receipt ORDER BY sequence DESC LIMIT 1").Scan(&h.Chain.Sequence, &h.Chain.Digest)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return h, fmt.Errorf("reading the chain's head: %w", err)
	}
	rows, _ := r.tx.Query(ctx, `SELECT c, EXTRACT(EPOCH FROM now() - sb.cutoff(c))::double precision / 86400
		FROM unnest($1::text[]) c WHERE isfinite(sb.cutoff(c))`, contract.Categories())
	var category string
	var days float64
	_, err = pgx.ForEachRow(rows, []any{&category, &days}, func() error {
		h.RetainDays[category] = days
		return nil
	})
	if err != nil {
		return h, fmt.Errorf("reading the limits: %w", err)
	}
	r.result.SnapshotAt, r.result.SchemaVersion, r.result.Head = h.SnapshotAt, h.SchemaVersion, h.Chain
	return h, nil
}

func (r *run) do(ctx context.Context) error {
	if err := r.w.Keys(r.o.Keys); err != nil {
		return err
	}
	if len(r.o.Resources) > 0 {
		if err := r.w.Resources(r.o.Resources); err != nil {
			return err
		}
	}
	for _, table := range archive.Tables() {
		n, err := r.table(ctx, table)
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
		if table == archive.TableFile {
			if err := r.files(ctx); err != nil {
				return err
			}
		}
		r.told(table, n)
	}
	var err error
	r.result.SHA256, r.result.Bytes, err = r.w.Close()
	return err
}

// counted names what is counted in a result, by table.
var counted = map[string]string{
	"message": contract.CategoryMessageMetadata, "message_body": contract.CategoryMessages, "attachment": contract.CategoryAttachments,
	"contact": contract.CategoryContacts, "staff": contract.CategoryStaffAccounts, "access_log": contract.CategoryAccessLogs,
	"web_chat_session": contract.CategoryWebChatSessions, "integration_data": contract.CategoryIntegrationData,
	"testimonial": contract.CategoryTestimonials, "file": "Files", "suppression": "Suppressions", "consent_log": "ConsentLog",
	"hold": "Holds", "receipt": "Receipts",
}

func (r *run) told(table string, rows int64) {
	r.o.Log.Info("exported", "table", table, "rows", rows)
	if category, ok := counted[table]; ok {
		r.result.Counts = append(r.result.Counts, contract.CategoryCount{Category: category, Rows: rows})
	}
}

// progress is after how many rows of a table the log tells of it.
const progress = 100_000

// table writes the rows of a table as the server sends them.
func (r *run) table(ctx context.Context, name string) (int64, error) {
	return r.w.Table(name, func(add func([]byte) error) error {
		rows, err := r.tx.Query(ctx, queryOf(name, r.holds))
		if err != nil {
			return err
		}
		defer rows.Close()
		for n := 1; rows.Next(); n++ {
			if err := add(rows.RawValues()[0]); err != nil {
				return err
			}
			if n%progress == 0 {
				r.o.Log.Info("exporting", "table", name, "rows", n)
			}
		}
		return rows.Err()
	})
}

// files writes the bytes of every file whose row was written.
func (r *run) files(ctx context.Context) error {
	type file struct {
		ID   uuid.UUID
		Size int64
	}
	var last uuid.UUID
	for {
		rows, _ := r.tx.Query(ctx, "SELECT id, size FROM sb.file WHERE id > $1 ORDER BY id LIMIT 500", last)
		some, err := pgx.CollectRows(rows, pgx.RowToStructByPos[file])
		if err != nil {
			return fmt.Errorf("listing the files: %w", err)
		}
		if len(some) == 0 {
			return nil
		}
		for _, f := range some {
			err := r.w.File(f.ID.String(), f.Size, func(w io.Writer) error { return r.bytes(ctx, w, f.ID, f.Size) })
			if err != nil {
				return err
			}
			last = f.ID
		}
	}
}

func (r *run) bytes(ctx context.Context, w io.Writer, id uuid.UUID, size int64) error {
	var object, key string
	err := r.tx.QueryRow(ctx, "SELECT object, object_key FROM sb.export_object($1)", id).Scan(&object, &key)
	if err == nil {
		return r.object(ctx, w, size, object, key)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	for at := int64(0); at < size; at += piece {
		var b []byte
		if err := r.tx.QueryRow(ctx, "SELECT sb.export_file($1, $2, $3)", id, at, piece).Scan(&b); err != nil {
			return err
		}
		if len(b) == 0 {
			return fmt.Errorf("file %s has fewer bytes than its row tells of", id)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// object writes a file that is in the tenant's store. One that is not there can't be left out: an archive is whole, or it is
// not made. That its bytes are those that its row tells of, who brings the archive in makes sure (sb.adopt_whole).
func (r *run) object(ctx context.Context, w io.Writer, size int64, object, key string) error {
	from, err := file.Open(ctx, r.o.Objects, object, key)
	if err != nil {
		return fmt.Errorf("nothing was exported: reading an attachment: %w", err)
	}
	n, err := io.Copy(w, io.LimitReader(from, size+1))
	if err := errors.Join(err, from.Close()); err != nil {
		return fmt.Errorf("nothing was exported: reading an attachment: %w", err)
	}
	if n != size {
		return fmt.Errorf("nothing was exported: the object store has %d bytes of an attachment of %d", n, size)
	}
	return nil
}
