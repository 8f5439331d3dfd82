package importer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
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
	type claim struct {
		line   line
		hashes [][]byte
	}
	claims := make([]claim, len(batch))
	for i, l := range batch {
		claims[i] = claim{l, w.identity(l)}
	}
	// In the order of the hashes, so that two imports at once wait for each other in the same order.
	slices.SortStableFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.line.Channel, b.line.Channel), bytes.Compare(a.hashes[0], b.hashes[0]))
	})
	var fresh []line
	asked := &pgx.Batch{}
	for _, c := range claims {
		asked.Queue("SELECT sb.first_seen($1, $2)", c.line.Channel, c.hashes).QueryRow(func(row pgx.Row) error {
			var first bool
			err := row.Scan(&first)
			if first {
				fresh = append(fresh, c.line)
			}
			return err
		})
	}
	if err := tx.SendBatch(ctx, asked).Close(); err != nil {
		return nil, fmt.Errorf("looking for duplicates: %w", err)
	}
	return fresh, nil
}

// identity are the keyed hashes, the one under the current key first, by which a line is recognised: of the provider's id, as
// connectors make it, so that what is imported is not received again; else of all that
// the message is.
func (w *writer) identity(l line) [][]byte {
	if l.ProviderID != "" {
		hashes, _ := w.keys.Hashes(kindProviderID, l.ProviderID)
		return hashes
	}
	content, err := json.Marshal([]string{l.Address, l.at.Format(time.RFC3339Nano), l.Direction, l.Body})
	if err != nil {
		panic(err) // strings alone: cannot happen
	}
	hashes, _ := w.keys.Hashes(kindContent, string(content))
	return hashes
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
