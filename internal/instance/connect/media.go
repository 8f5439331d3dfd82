package connect

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/file"
)

// expect notes the files of a letter, in the batch that stores it, and tells which there are to fetch: none of one that
// repeats another.
func expect(batch *pgx.Batch, l *letter, fetch func(uuid.UUID)) {
	sources, names := make([]string, len(l.media)), make([]string, len(l.media))
	for i, m := range l.media {
		sources[i], names[i] = m.Source, m.Name
	}
	batch.Queue("SELECT sb.media_expect($1, $2, $3, $4)", l.message, l.files, sources, names).Query(func(rows pgx.Rows) error {
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		for _, id := range ids {
			fetch(id)
		}
		return err
	})
}

// pendingMedia gives what is to be fetched for an attachment and the age of its message; pgx.ErrNoRows when there is nothing
// to fetch any more.
func (d database) pendingMedia(ctx context.Context, id uuid.UUID) (source string, age time.Duration, err error) {
	err = d.pool.QueryRow(ctx, "SELECT source, age FROM sb.media_pending($1)", id).Scan(&source, &age)
	return source, age, described("reading what to fetch", err)
}

// keepPiece keeps bytes of a file that is being fetched; false when nobody waits for it any more.
func (d database) keepPiece(ctx context.Context, id uuid.UUID, at int64, piece []byte) (wanted bool, err error) {
	err = d.pool.QueryRow(ctx, "SELECT sb.media_piece($1, $2, $3)", id, at, piece).Scan(&wanted)
	return wanted, described("keeping a piece of a file", err)
}

// keepMedia ends a fetch: kept, known or gone. Without an object the bytes are the pieces.
func (d database) keepMedia(ctx context.Context, id uuid.UUID, kind string, sum []byte, size int64, stored file.Stored) (outcome string, err error) {
	err = d.pool.QueryRow(ctx, "SELECT sb.media_keep($1, $2, $3, $4, NULLIF($5, ''), NULLIF($6, ''))", id, kind, sum, size, stored.Object, stored.Key).Scan(&outcome)
	return outcome, described("keeping a file", err)
}

func (d database) refuseMedia(ctx context.Context, id uuid.UUID, reason string) error {
	_, err := d.pool.Exec(ctx, "SELECT sb.media_refuse($1, $2)", id, reason)
	return described("noting that a file will not come", err)
}

// outFile is a file that goes with a message.
type outFile struct {
	id          uuid.UUID
	name, kind  string
	size        int64
	object, key *string // nil for one in the database
}

// outboundFiles gives the files of a message that is to be sent, or was: those that have not expired.
func (d database) outboundFiles(ctx context.Context, k messageKey) ([]outFile, error) {
	rows, err := d.pool.Query(ctx, "SELECT id, name, media_type, size, object, object_key FROM sb.outbound_files($1, $2)", k.id, k.at)
	if err != nil {
		return nil, described("reading the files of a message", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f outFile, err error) {
		return f, row.Scan(&f.id, &f.name, &f.kind, &f.size, &f.object, &f.key)
	})
	return all, described("reading the files of a message", err)
}

func (d database) outboundPiece(ctx context.Context, k messageKey, id uuid.UUID, at int64, length int) (b []byte, err error) {
	err = d.pool.QueryRow(ctx, "SELECT sb.outbound_piece($1, $2, $3, $4, $5)", k.id, k.at, id, at, length).Scan(&b)
	return b, described("reading a file of a message", err)
}
