package connect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
)

// database calls the functions of sb that a connector may call.
type database struct{ pool *pgxpool.Pool }

// letter is an inbound message on its way into the database. Hashes are given
// under every key, the current one first: those of the first address, then those of
// the second.
type letter struct {
	providerID string
	seen       [][]byte
	kinds      []string
	addresses  []string
	hashes     [][]byte
	keyVersion int
	body       string
	command    optout.Command
	answer     string // "" when none is due
	media      []provider.Media
	files      []uuid.UUID // ids of the media

	message, contact, conversation, confirmation uuid.UUID // ids to use where something new is made

	line    *lineLetter // set when a line brought it
	session []byte      // of a web chat: the hash of its token
	stored  *uuid.UUID  // and then the message that it is, new or known; nil when that has expired

	of   trace.SpanContext // the step that it is stored in
	done chan error
}

// job is one that is queued along with a letter.
type job struct {
	args river.JobArgs
	of   trace.SpanContext
}

func insert(ctx context.Context, tx pgx.Tx, channel string, jobs []job) error {
	for _, j := range jobs {
		if err := queue.InsertTx(trace.ContextWithSpanContext(ctx, j.of), tx, channel, j.args); err != nil {
			return err
		}
	}
	return nil
}

const callReceive = `SELECT stored, confirmation_at
	FROM sb.receive($1, $2, $3, $4, $5, $6, $7, $8, NULLIF($9, ''), $10, $11, $12, $13)`

const callChat = `SELECT stored, confirmation_at, message
	FROM sb.web_chat_receive($1, $2, $3, $4, $5, $6, $7, $8, NULLIF($9, ''), $10, $11, $12, $13)`

// queue adds the call that stores a letter; read reads what it gives.
func (l *letter) queue(batch *pgx.Batch, read func(pgx.Row, ...any) error) {
	if l.session == nil {
		batch.Queue(callReceive, l.providerID, l.seen, l.kinds, l.addresses, l.hashes, l.keyVersion, l.body, string(l.command), l.answer,
			l.message, l.contact, l.conversation, l.confirmation).QueryRow(func(row pgx.Row) error { return read(row) })
		return
	}
	batch.Queue(callChat, l.session, l.providerID, l.seen, l.addresses[0], l.hashes, l.keyVersion, l.body, string(l.command), l.answer,
		l.message, l.contact, l.conversation, l.confirmation).QueryRow(func(row pgx.Row) error { return read(row, &l.stored) })
}

// receive stores a group in one transaction, with the jobs that send confirmations and fetch files. A group that can have no job is
// one round trip, commit included: while the connector waits for a processor, it has nothing locked in the database.
func (d database) receive(ctx context.Context, channel string, group []*letter) error {
	if group[0].line != nil {
		return d.receiveLines(ctx, channel, group)
	}
	stored := 0
	var err error
	if slices.ContainsFunc(group, (*letter).mayHaveJobs) {
		err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
			jobs, err := storeGroup(ctx, tx, group, &stored)
			if err != nil {
				return err
			}
			return insert(ctx, tx, channel, jobs)
		})
	} else {
		_, err = storeGroup(ctx, d.pool, group, &stored) // statements of a batch outside of a transaction are one
	}
	if err != nil {
		return described("storing messages", err)
	}
	received.add("stored", stored)
	received.add("duplicate", len(group)-stored)
	return nil
}

// mayHaveJobs is false for a letter that nothing confirms and no file comes with.
func (l *letter) mayHaveJobs() bool { return l.command != optout.None || len(l.media) > 0 }

// storeGroup stores letters, counts those that are new, and gives the jobs to queue along with them.
func storeGroup(ctx context.Context, on interface {
	SendBatch(context.Context, *pgx.Batch) pgx.BatchResults
}, group []*letter, stored *int) (jobs []job, err error) {
	batch := &pgx.Batch{}
	for _, l := range group {
		l.queue(batch, func(row pgx.Row, more ...any) error {
			var isNew bool
			var confirmed *time.Time
			if err := row.Scan(append([]any{&isNew, &confirmed}, more...)...); err != nil {
				return err
			}
			if isNew {
				*stored++
			}
			if confirmed != nil {
				jobs = append(jobs, job{queue.SendArgs{MessageID: l.confirmation, At: *confirmed}, l.of})
			}
			return nil
		})
		if len(l.media) > 0 {
			expect(batch, l, func(id uuid.UUID) { jobs = append(jobs, job{queue.FetchArgs{AttachmentID: id}, l.of}) })
		}
	}
	err = on.SendBatch(ctx, batch).Close()
	return jobs, err
}

func (d database) ensureThisMonth(ctx context.Context) error {
	_, err := d.pool.Exec(ctx, "SELECT sb.ensure_this_month()")
	return described("making this month's partitions", err)
}

// messageKey names a message.
type messageKey struct {
	id uuid.UUID
	at time.Time
}

// outbound is a message that is to be sent.
type outbound struct {
	status      string
	providerID  *string
	attempted   *time.Time    // the first attempt whose outcome is unknown
	lastAttempt time.Duration // how long ago the status last changed
	age         time.Duration
	address     string
	body        string
	template    *provider.Template
}

// outbound reads a message; pgx.ErrNoRows when there is nothing to send any more.
func (d database) outbound(ctx context.Context, k messageKey) (outbound, error) {
	var o outbound
	err := d.pool.QueryRow(ctx, `SELECT status, provider_id, attempted_at, last_attempt, age, address, body, sb.outbound_template($1, $2)
		FROM sb.outbound($1, $2)`, k.id, k.at).
		Scan(&o.status, &o.providerID, &o.attempted, &o.lastAttempt, &o.age, &o.address, &o.body, &o.template)
	return o, described("reading a message to send", err)
}

// Verdicts of beginAttempt.
const (
	verdictSend       = "send"
	verdictSuppressed = "suppressed"
	verdictWait       = "wait"
)

func (d database) beginAttempt(ctx context.Context, k messageKey, hashes [][]byte) (verdict string, err error) {
	err = d.pool.QueryRow(ctx, "SELECT sb.begin_attempt($1, $2, $3)", k.id, k.at, hashes).Scan(&verdict)
	return verdict, described("noting an attempt", err)
}

// outboundWait tells how long a message waits still that was to wait.
func (d database) outboundWait(ctx context.Context, k messageKey) (wait time.Duration, err error) {
	err = d.pool.QueryRow(ctx, "SELECT sb.outbound_wait($1, $2)", k.id, k.at).Scan(&wait)
	return wait, described("reading how long a message waits", err)
}

func (d database) recordNotSent(ctx context.Context, k messageKey) error {
	_, err := d.pool.Exec(ctx, "SELECT sb.record_not_sent($1, $2)", k.id, k.at)
	return described("noting that a message was not sent", err)
}

func (d database) recordExpired(ctx context.Context, k messageKey) error {
	_, err := d.pool.Exec(ctx, "SELECT sb.record_expired($1, $2)", k.id, k.at)
	return described("noting that a message has expired", err)
}

// queue tells what is still to be sent on a channel. Snoozed and failed attempts wait too.
func (d database) queue(ctx context.Context, channel string) (*contract.Queue, error) {
	var q contract.Queue
	err := d.pool.QueryRow(ctx, "SELECT count(*), min(created_at) FROM "+pgx.Identifier{contract.QueueSchema(channel)}.Sanitize()+".river_job"+
		" WHERE kind = $1 AND state IN ('available', 'pending', 'retryable', 'running', 'scheduled')", queue.SendArgs{}.Kind()).Scan(&q.Messages, &q.Oldest)
	if err != nil {
		return nil, described("counting what the queue holds", err)
	}
	return &q, nil
}

// update is news of an outbound message.
type update struct {
	message    *messageKey // nil: the one that providerID is bound to
	providerID string      // "" when it has none
	status     string
	errorCode  string
	blocked    bool // the provider says that the guest has opted out
}

// recordStatus is false when there is no such message, or it and the provider's id
// are not each other's.
func (d database) recordStatus(ctx context.Context, u update) (known bool, err error) {
	var id *uuid.UUID
	var at *time.Time
	if u.message != nil {
		id, at = &u.message.id, &u.message.at
	}
	err = d.pool.QueryRow(ctx, "SELECT sb.record_status($1, $2, NULLIF($3, ''), $4, NULLIF($5, ''), $6)",
		id, at, u.providerID, u.status, u.errorCode, u.blocked).Scan(&known)
	return known, described("noting a status", err)
}

// recordWatermark moves all on that was sent to a guest before an instant.
func (d database) recordWatermark(ctx context.Context, hashes [][]byte, status string, until time.Time) error {
	_, err := d.pool.Exec(ctx, "SELECT sb.record_watermark($1, $2, $3)", hashes, status, until)
	return described("noting a watermark", err)
}

// bound tells which of the provider's ids belong to a message of the channel.
func (d database) bound(ctx context.Context, providerIDs []string) (map[string]bool, error) {
	rows, err := d.pool.Query(ctx, "SELECT sb.bound($1)", providerIDs)
	if err != nil {
		return nil, described("looking for the provider's ids", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, described("looking for the provider's ids", err)
	}
	found := map[string]bool{}
	for _, id := range ids {
		found[id] = true
	}
	return found, nil
}

// refusalError is a statement that the database received and refused. Of what
// PostgreSQL says only the code is kept: its messages can quote values.
type refusalError struct {
	doing string
	code  string
}

func (e *refusalError) Error() string {
	return fmt.Sprintf("%s: PostgreSQL refused it (SQLSTATE %s)", e.doing, e.code)
}

// noPartition is also the code of a check that failed: trying again is right for
// one and harmless for the other.
func (e *refusalError) noPartition() bool { return e.code == "23514" }

// conflict is a deadlock, or a transaction that must be tried again.
func (e *refusalError) conflict() bool { return e.code == "40P01" || e.code == "40001" }

func isRefusal(err error) bool {
	var refusal *refusalError
	return errors.As(err, &refusal)
}

// described says what was being done. Errors of a server that goes away, or lets
// nobody in, are no refusals.
func described(doing string, err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "28", "3D", "53", "57", "58":
			return fmt.Errorf("%s: PostgreSQL is not available (SQLSTATE %s)", doing, pg.Code)
		}
		return &refusalError{doing: doing, code: pg.Code}
	}
	return fmt.Errorf("%s: %w", doing, err)
}
