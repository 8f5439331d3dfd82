package adopt

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/archive"
)

// Bounds of what is sent to the database at once.
const (
	maxRows  = 500
	maxBytes = 1 << 20
)

// batch is rows of one table that were not sent yet.
type batch struct {
	table string
	rows  []string
	bytes int
}

// Head holds the archive against this place: it must know its schema, and bound what it
// brings no later than the former one did.
func (r *run) Head(h archive.Head) error {
	r.head = h
	var version int64
	if err := r.tx.QueryRow(r.ctx, "SELECT max(version_id) FROM migration.version WHERE is_applied").Scan(&version); err != nil {
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	if h.SchemaVersion != version {
		return fmt.Errorf("the archive is of schema version %d, and this tenant of %d: export it again by the release that runs here, or run the other's", h.SchemaVersion, version)
	}
	rows, _ := r.tx.Query(r.ctx, "SELECT c, isfinite(sb.cutoff(c)), COALESCE(EXTRACT(EPOCH FROM now() - NULLIF(sb.cutoff(c), '-infinity'))::double precision / 86400, 0) FROM unnest($1::text[]) c", contract.Categories())
	var looser []string
	var category string
	var bounded bool
	var days float64
	_, err := pgx.ForEachRow(rows, []any{&category, &bounded, &days}, func() error {
		if before, was := h.RetainDays[category]; was && (!bounded || math.Round(days) > math.Round(before)) {
			looser = append(looser, fmt.Sprintf("%s (%.0f days)", category, before))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the limits: %w", err)
	}
	if len(looser) > 0 {
		slices.Sort(looser)
		return fmt.Errorf("what was promised of its data would not be kept here, as no policy in force bounds as early as before: %s. Apply the RetentionPolicies of its resources.yaml, wait until they are in force, and try again", strings.Join(looser, ", "))
	}
	return nil
}

// Keys must be those that the tenant has: suppressions and ids that were seen are keyed
// hashes, and nobody can make them anew.
func (r *run) Keys(keys map[int][]byte) error {
	same := len(keys) == len(r.o.Keys)
	for version, key := range keys {
		same = same && bytes.Equal(key, r.o.Keys[version])
	}
	if !same {
		return errors.New("the tenant's Secret keys does not hold the archive's keys of hashes, without which a guest who said STOP would not be known: put them there first, as kubectl switchboard import does")
	}
	return nil
}

// Row takes a row of a table.
func (r *run) Row(table string, row []byte) error {
	if table != r.pending.table || len(r.pending.rows) == maxRows || r.pending.bytes > maxBytes {
		if err := r.flush(); err != nil {
			return err
		}
		r.pending.table = table
	}
	if table == archive.TableReceipt {
		var s evidence.Sealed
		if err := json.Unmarshal(row, &s); err != nil {
			return fmt.Errorf("%w: a receipt can't be read", archive.ErrForm)
		}
		r.chain.Add(s)
	}
	r.pending.rows = append(r.pending.rows, string(row))
	r.pending.bytes += len(row)
	return nil
}

// flush stores what was taken.
func (r *run) flush() error {
	b := r.pending
	r.pending = batch{}
	if len(b.rows) == 0 {
		return nil
	}
	switch b.table {
	case "retention_limit", "channel": // they tell of the former place: here, policies and Channels say
		return nil
	case "hold":
		return r.holds(b.rows)
	}
	var stored int64
	err := r.tx.QueryRow(r.ctx, "SELECT sb.adopt_rows($1, $2::text[]::jsonb[])", b.table, b.rows).Scan(&stored)
	if err != nil {
		return refused(b.table, err)
	}
	if r.counts[b.table] == nil {
		r.counts[b.table] = &contract.AdoptCount{Table: b.table}
	}
	r.counts[b.table].Rows += stored
	r.counts[b.table].LeftOut += int64(len(b.rows)) - stored
	return nil
}

// refused tells what the database did not take, without what is in it.
func refused(table string, err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return fmt.Errorf("%w: the database does not take a row of table %s (SQLSTATE %s, %s)", archive.ErrForm, table, pg.Code, pg.ConstraintName)
	}
	return fmt.Errorf("storing rows of table %s: %w", table, err)
}

func (r *run) holds(rows []string) error {
	found, _ := r.tx.Query(r.ctx, "SELECT sb.adopt_holds($1::text[]::jsonb[])", rows)
	missing, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return refused("hold", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("what a hold keeps would be lost: %s must be in force here as before. Apply the LegalHolds of its resources.yaml, with their Secrets, wait until they are in force, and try again", strings.Join(missing, ", "))
	}
	return nil
}

// File stores a file's bytes, a piece at a time.
func (r *run) File(id string, size int64, content io.Reader) error {
	if err := r.flush(); err != nil { // its row
		return err
	}
	file, err := uuid.Parse(id)
	if err != nil {
		return fmt.Errorf("%w: a file has no id", archive.ErrForm)
	}
	sum := sha256.New()
	buffer := make([]byte, maxBytes)
	at := int64(0)
	for at < size {
		n, err := io.ReadFull(content, buffer[:min(int64(len(buffer)), size-at)])
		if err != nil {
			return fmt.Errorf("%w (%w)", archive.ErrDamaged, err)
		}
		if _, err := r.tx.Exec(r.ctx, "SELECT sb.adopt_file($1, $2, $3)", file, at, buffer[:n]); err != nil {
			return refused(archive.TableFile, err)
		}
		sum.Write(buffer[:n])
		at += int64(n)
	}
	var whole bool
	if err := r.tx.QueryRow(r.ctx, "SELECT sb.adopt_whole($1, $2, $3)", file, size, sum.Sum(nil)).Scan(&whole); err != nil {
		return refused(archive.TableFile, err)
	}
	if !whole {
		return fmt.Errorf("%w: file %s is not the one that its row tells of", archive.ErrForm, file)
	}
	return nil
}
