// Package replay brings a database that was put back in time up to what has happened
// since: erasures, opt-outs and changes of consent that the operator's ledger tells of are
// carried out again, and what must not go on from where it was is ended. All of it is one
// transaction, with a receipt that takes its place after the last one that is known.
//
// Holds were put in force by `instance migrate` before. Retention follows: until every
// policy has run, the database stays in quarantine (migrations/00006_restore.sql).
package replay

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// ErrNothing says that the database lacks nothing that the anchor tells of.
var ErrNothing = errors.New("the database lacks nothing: there is nothing to replay")

// Run replays. The pool's role is a member of sb_replay, and its connections are not
// guarded. A replay that was carried out already, and whose result was lost, gives the
// same result again.
func Run(ctx context.Context, pool *pgxpool.Pool, tenant string, input contract.Replay) (contract.ReplayResult, error) {
	r := run{tenant: tenant, input: input}
	if tenant == "" {
		return r.result, fmt.Errorf("checking the replay: the tenant's name is needed; set %s", contract.EnvTenant)
	}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		r.tx = tx
		return r.do(ctx)
	})
	if err != nil {
		return contract.ReplayResult{}, err
	}
	return r.result, nil
}

// run is one replay, within its transaction.
type run struct {
	tx       pgx.Tx
	tenant   string
	input    contract.Replay
	started  time.Time
	restored contract.Restored
	result   contract.ReplayResult
}

func (r *run) do(ctx context.Context) error {
	// Nobody else seals, and a second pod waits and finds the first one's receipt.
	if _, err := r.tx.Exec(ctx, "SELECT sb.receipt_lock()"); err != nil {
		return fmt.Errorf("locking the chain: %w", err)
	}
	known, err := r.known(ctx)
	if err != nil || known {
		return err
	}
	var lacks bool
	if err := r.tx.QueryRow(ctx, "SELECT sb.lacks($1, $2, $3, $4::text::xid8, $5)", store.AnchorArgs(r.input.Anchor)...).Scan(&lacks); err != nil {
		return fmt.Errorf("comparing the database with the anchor: %w", err)
	}
	if !lacks {
		return ErrNothing
	}
	if err := r.begin(ctx); err != nil {
		return fmt.Errorf("reading the database's head: %w", err)
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"requests of persons and changes of consent", r.repeat},
		{"what was under way", r.settle},
		{"the receipt", r.seal},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// known looks for the receipt of this very replay: one of the epoch that it would begin.
func (r *run) known(ctx context.Context) (bool, error) {
	rows, _ := r.tx.Query(ctx, `SELECT c.sequence, c.body, c.previous, c.digest FROM sb.restore r JOIN sb.receipt c USING (sequence)
		WHERE r.epoch = $1`, r.input.Anchor.Epoch+1)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[evidence.Sealed])
	if err != nil {
		return false, fmt.Errorf("looking for an earlier receipt: %w", err)
	}
	if len(found) == 0 {
		return false, nil
	}
	receipt, err := evidence.Decode([]byte(found[0].Body))
	if err != nil || receipt.Restored == nil {
		return false, fmt.Errorf("reading the receipt of this replay: %w", errors.Join(err, errors.New("it tells of none")))
	}
	r.told(receipt, found[0])
	return true, nil
}

func (r *run) begin(ctx context.Context) error {
	r.restored = contract.Restored{Epoch: r.input.Anchor.Epoch + 1, Known: r.input.Anchor.Head, Again: r.input.Again}
	err := r.tx.QueryRow(ctx, `SELECT now(), COALESCE(max(sequence), 0), COALESCE((array_agg(digest ORDER BY sequence DESC))[1], '')
		FROM sb.receipt`).Scan(&r.started, &r.restored.Found.Sequence, &r.restored.Found.Digest)
	return err
}

// repeat carries out requests and changes of consent in the order of their times: a START is
// undone by an opt-out that followed, and undoes one that came before, whichever of the two the
// operator was told of.
func (r *run) repeat(ctx context.Context) error {
	consents := r.input.Consents
	for _, q := range r.input.Requests {
		before := 0
		for before < len(consents) && !consents[before].At.After(q.At) {
			before++
		}
		if err := r.consents(ctx, consents[:before]); err != nil {
			return fmt.Errorf("changes of consent: %w", err)
		}
		consents = consents[before:]
		if err := r.request(ctx, q); err != nil {
			return fmt.Errorf("request %s: %w", q.UID, err)
		}
	}
	if err := r.consents(ctx, consents); err != nil {
		return fmt.Errorf("changes of consent: %w", err)
	}
	return nil
}

func (r *run) request(ctx context.Context, q contract.ReplayRequest) error {
	var kinds []string
	var hashes [][]byte
	for i, s := range q.Subjects {
		hash, err := hex.DecodeString(s.Hash)
		if err != nil {
			return fmt.Errorf("subject %d is no keyed hash", i+1)
		}
		kinds, hashes = append(kinds, s.Kind), append(hashes, hash)
	}
	// Its own account: the request's receipt was sealed when it was carried out first.
	account := "replay/" + q.UID
	switch q.Type {
	case contract.RequestErasure, contract.RequestUnderage:
		if _, err := r.tx.Exec(ctx, "SELECT sb.subject_erase($1, $2, $3)", account, kinds, hashes); err != nil {
			return err
		}
		r.restored.Erasures++
	case contract.RequestOptOut, contract.RequestObjection:
		for from, to := range addresses(q.Subjects) {
			if _, err := r.tx.Exec(ctx, "SELECT sb.subject_suppress($1, $2, $3, $4)",
				account, kinds[from], hashes[from:to], q.Subjects[from].KeyVersion); err != nil {
				return err
			}
		}
		r.restored.OptOuts++
	default:
		return fmt.Errorf("type %q can't be carried out again", q.Type)
	}
	var done, refused int64
	err := r.tx.QueryRow(ctx, `SELECT COALESCE(sum(rows) FILTER (WHERE verdict = 'done' AND category <> 'Suppressions'), 0)::bigint,
		COALESCE(sum(rows) FILTER (WHERE verdict = 'refused'), 0)::bigint FROM sb.restore_account($1)`, account).Scan(&done, &refused)
	r.restored.Erased += done
	r.restored.Refused += refused
	return err
}

// addresses gives where the hashes of each address begin and end: they are listed by the
// versions of the key, the one that was current first.
func addresses(subjects []contract.SubjectHash) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		from := 0
		for i := 1; i <= len(subjects); i++ {
			if i < len(subjects) && subjects[i].KeyVersion < subjects[i-1].KeyVersion {
				continue
			}
			if !yield(from, i) {
				return
			}
			from = i
		}
	}
}

func (r *run) consents(ctx context.Context, changes []contract.Consent) error {
	batch := &pgx.Batch{}
	for _, c := range changes {
		hash, err := hex.DecodeString(c.Hash)
		if err != nil {
			return fmt.Errorf("the change at %s has no keyed hash", c.At.UTC().Format(time.RFC3339Nano))
		}
		batch.Queue("SELECT sb.restore_consent($1, $2, $3, $4, $5, $6, $7)", c.At, c.Channel, hash, c.KeyVersion, c.Change, c.Source, c.Reason)
	}
	r.restored.Consents += int64(len(changes))
	return r.tx.SendBatch(ctx, batch).Close()
}

func (r *run) settle(ctx context.Context) error {
	return r.tx.QueryRow(ctx, "SELECT sessions, archives, unknown FROM sb.restore_settle()").
		Scan(&r.restored.Sessions, &r.restored.Archives, &r.restored.Unknown)
}

// seal appends the receipt after the newest one that is known: the anchor's, unless the
// database has a newer one.
func (r *run) seal(ctx context.Context) error {
	head := r.restored.Found
	if r.restored.Known.Sequence > head.Sequence {
		head = r.restored.Known
	}
	receipt := evidence.Receipt{Kind: evidence.KindRestore, Tenant: r.tenant, StartedAt: r.started, Restored: &r.restored}
	if err := r.tx.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&receipt.FinishedAt); err != nil {
		return err
	}
	sealed, err := evidence.Seal(receipt, head)
	if err != nil {
		return err
	}
	if _, err := r.tx.Exec(ctx, "SELECT sb.restore_seal($1, $2, $3, $4, $5)",
		r.restored.Epoch, sealed.Sequence, sealed.Body, sealed.Previous, sealed.Digest); err != nil {
		return err
	}
	r.told(receipt, sealed)
	return nil
}

func (r *run) told(receipt evidence.Receipt, s evidence.Sealed) {
	r.result = contract.ReplayResult{
		Restored: *receipt.Restored, FinishedAt: receipt.FinishedAt.UTC(),
		Sequence: s.Sequence, PreviousDigest: s.Previous, Digest: s.Digest,
	}
}
