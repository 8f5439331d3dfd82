package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
)

// kindPhone is the kind of an address that is a phone number.
const kindPhone = "phone"

// kindProviderID is the kind of the keyed hash of a provider's id.
const kindProviderID = "provider-id"

// kindContent is the kind of the keyed hash by which a line without the provider's id
// is recognised when it comes again.
const kindContent = "import"

// writer stores batches of lines.
type writer struct {
	pool    *pgxpool.Pool
	keys    *addresshash.Keys
	started time.Time // of the import, by the database's clock
}

// store stores the lines that were not imported before and returns how many.
func (w *writer) store(ctx context.Context, batch []line) (int, error) {
	// Making a partition locks its table until the end of the transaction: in one of
	// its own, before, nobody waits for the batch.
	if err := w.ensurePartitions(ctx, batch); err != nil {
		return 0, err
	}
	var stored int
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		fresh, err := w.claim(ctx, tx, batch)
		if err != nil {
			return err
		}
		stored = len(fresh)
		if stored == 0 {
			return nil
		}
		threads, err := w.threads(ctx, tx, fresh)
		if err != nil {
			return err
		}
		return insert(ctx, tx, fresh, threads)
	})
	return stored, err
}

func (w *writer) ensurePartitions(ctx context.Context, batch []line) error {
	months := map[time.Time]bool{}
	var instants []time.Time
	for _, l := range batch {
		month := time.Date(l.at.Year(), l.at.Month(), 1, 0, 0, 0, 0, time.UTC)
		if !months[month] {
			months[month] = true
			instants = append(instants, month)
		}
	}
	if _, err := w.pool.Exec(ctx, "SELECT sb.ensure_partition(m) FROM unnest($1::timestamptz[]) AS m", instants); err != nil {
		return fmt.Errorf("making the monthly partitions: %w", err)
	}
	return nil
}

// claim marks lines as seen and returns those that were not before.
func (w *writer) claim(ctx context.Context, tx pgx.Tx, batch []line) ([]line, error) {
	type key struct{ channel, hash string }
	byKey := map[key]line{}
	var channels []string
	var hashes [][]byte
	for _, l := range batch {
		hash := w.identity(l)
		k := key{l.Channel, string(hash)}
		if _, twice := byKey[k]; twice {
			continue
		}
		byKey[k] = l
		channels, hashes = append(channels, l.Channel), append(hashes, hash)
	}
	rows, err := tx.Query(ctx, `INSERT INTO sb.seen (channel, id_hash) SELECT * FROM unnest($1::text[], $2::bytea[])
		ON CONFLICT DO NOTHING RETURNING channel, id_hash`, channels, hashes)
	if err != nil {
		return nil, fmt.Errorf("looking for duplicates: %w", err)
	}
	fresh, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (line, error) {
		var channel string
		var hash []byte
		err := row.Scan(&channel, &hash)
		return byKey[key{channel, string(hash)}], err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for duplicates: %w", err)
	}
	return fresh, nil
}

// identity is the keyed hash by which a line is recognised: of the provider's id, as
// connectors make it, so that what is imported is not received again; else of all that
// the message is.
func (w *writer) identity(l line) []byte {
	if l.ProviderID != "" {
		hash, _ := w.keys.Hash(kindProviderID, l.ProviderID)
		return hash
	}
	content, err := json.Marshal([]string{l.Address, l.at.Format(time.RFC3339Nano), l.Direction, l.Body})
	if err != nil {
		panic(err) // strings alone: cannot happen
	}
	hash, _ := w.keys.Hash(kindContent, string(content))
	return hash
}

// thread names a conversation before its id is known.
type thread struct{ channel, address string }

// threads gives the conversations of the lines, and makes those that are missing.
func (w *writer) threads(ctx context.Context, tx pgx.Tx, lines []line) (map[thread]uuid.UUID, error) {
	type newest struct {
		at   time.Time
		name string
	}
	wanted := map[thread]newest{}
	for _, l := range lines {
		t := thread{l.Channel, l.Address}
		n := wanted[t]
		if l.at.After(n.at) {
			n.at = l.at
		}
		if l.Name != "" {
			n.name = l.Name
		}
		wanted[t] = n
	}
	var channels, addresses, names []string
	var hashes [][]byte
	var versions []int
	var times []time.Time
	for t, n := range wanted {
		hash, version := w.keys.Hash(kindPhone, t.address)
		channels, addresses, names = append(channels, t.channel), append(addresses, t.address), append(names, n.name)
		hashes, versions, times = append(hashes, hash), append(versions, version), append(times, n.at)
	}
	// In the order of the hashes, so that two imports at once lock guests in the same order.
	rows, err := tx.Query(ctx, `SELECT channel, address, sb.import_thread(channel, hash, version, address, name, at, $7)
		FROM (SELECT * FROM unnest($1::text[], $2::bytea[], $3::int[], $4::text[], $5::text[], $6::timestamptz[])
			AS u (channel, hash, version, address, name, at) ORDER BY hash, channel) AS ordered`,
		channels, hashes, versions, addresses, names, times, w.started)
	if err != nil {
		return nil, fmt.Errorf("looking for conversations: %w", err)
	}
	found := map[thread]uuid.UUID{}
	var t thread
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&t.channel, &t.address, &id}, func() error {
		found[t] = id
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for conversations: %w", err)
	}
	return found, nil
}

// insert stores metadata and content. (COPY can't: PostgreSQL refuses it on tables with row security.)
func insert(ctx context.Context, tx pgx.Tx, lines []line, threads map[thread]uuid.UUID) error {
	n := len(lines)
	ids, conversations := make([]uuid.UUID, n), make([]uuid.UUID, n)
	times := make([]time.Time, n)
	channels, directions, statuses, bodies := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	providers := make([]*string, n)
	for i, l := range lines {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("making an id: %w", err)
		}
		ids[i], conversations[i], times[i] = id, threads[thread{l.Channel, l.Address}], l.at
		channels[i], directions[i], bodies[i] = l.Channel, l.Direction, l.Body
		statuses[i] = map[string]string{"in": "received", "out": "sent"}[l.Direction]
		if l.ProviderID != "" {
			providers[i] = &lines[i].ProviderID
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, status_at, provider_id)
		SELECT id, at, conversation, channel, direction, 'import', status, at, provider
		FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[])
			AS u (id, at, conversation, channel, direction, status, provider)`,
		ids, times, conversations, channels, directions, statuses, providers); err != nil {
		return fmt.Errorf("storing messages: %w", err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO sb.message_body (id, at, conversation_id, channel, body)
		SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[])`, ids, times, conversations, channels, bodies); err != nil {
		return fmt.Errorf("storing contents: %w", err)
	}
	return nil
}
