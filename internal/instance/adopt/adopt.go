// Package adopt brings an archive of a tenant into a database that holds nothing yet: ids,
// ages, receipts, suppressions, consent and holds as they are. It is one transaction, which
// is committed only when the archive was read to its end and agrees with its manifest, and
// when its chain of receipts is whole.
package adopt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/archive"
)

// Options of an adoption.
type Options struct {
	Tenant     string // that it becomes
	Identities []age.Identity
	Keys       map[int][]byte // of hashes, that the tenant has: they must be the archive's
	// Digest is the SHA-256 (hex) that the archive must have; empty when nobody told.
	Digest string
	Log    *slog.Logger
}

// errCheck undoes a check.
var errCheck = errors.New("checked")

// Check says whether the database can take an archive: it holds nothing yet.
func Check(ctx context.Context, pool *pgxpool.Pool) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := begin(ctx, tx); err != nil {
			return err
		}
		return errCheck
	})
	if errors.Is(err, errCheck) {
		return nil
	}
	return err
}

// Run adopts what is read. The pool's role is a member of sb_adopt. An error means that
// nothing has changed.
func Run(ctx context.Context, pool *pgxpool.Pool, from io.Reader, o Options) (contract.AdoptResult, error) {
	var result contract.AdoptResult
	if o.Tenant == "" {
		return result, fmt.Errorf("adopting: the tenant's name is needed; set %s", contract.EnvTenant)
	}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		r := &run{ctx: ctx, tx: tx, o: o, chain: evidence.NewVerifier(nil), counts: map[string]*contract.AdoptCount{}}
		if err := r.do(from); err != nil {
			return err
		}
		result = r.result
		return nil
	})
	if err != nil {
		return contract.AdoptResult{}, fmt.Errorf("adopting: %w; nothing has changed", err)
	}
	return result, nil
}

// begin takes the empty database for this transaction.
func begin(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT sb.adopt_begin()")
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "SB301" {
		return fmt.Errorf("this tenant has data already (table %s): make a new Tenant, and bring the archive in before anything is written to it", pg.Message)
	}
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	return nil
}

// run is one adoption, within its transaction.
type run struct {
	ctx     context.Context //nolint:containedctx // a handler of archive has no other way to one
	tx      pgx.Tx
	o       Options
	started time.Time
	head    archive.Head
	chain   *evidence.Verifier
	counts  map[string]*contract.AdoptCount
	pending batch
	result  contract.AdoptResult
}

func (r *run) do(from io.Reader) error {
	if err := begin(r.ctx, r.tx); err != nil {
		return err
	}
	if err := r.tx.QueryRow(r.ctx, "SELECT now()").Scan(&r.started); err != nil {
		return fmt.Errorf("reading the time: %w", err)
	}
	digest := sha256.New()
	manifest, err := archive.Read(io.TeeReader(from, digest), r, r.o.Identities...)
	if err != nil {
		return err
	}
	if err := r.flush(); err != nil {
		return err
	}
	sum := hex.EncodeToString(digest.Sum(nil))
	if r.o.Digest != "" && r.o.Digest != sum {
		return fmt.Errorf("%w: its SHA-256 is %s, and not the one that was told", archive.ErrDamaged, sum)
	}
	if report := r.chain.Finish(); !report.OK() || report.Head != manifest.Chain {
		return brokenChain(report)
	}
	return r.seal(sum)
}

// brokenChain tells the first thing that is wrong.
func brokenChain(report evidence.Report) error {
	for _, f := range report.Findings {
		if f.Problem {
			return fmt.Errorf("the archive's receipts are not whole: %s", f.Sentence)
		}
	}
	return errors.New("the archive's newest receipt is not the one that its manifest tells of")
}

// seal ends it with a receipt after those that came along.
func (r *run) seal(digest string) error {
	told := contract.Adopted{Tenant: r.head.Tenant, Head: r.head.Chain, SnapshotAt: r.head.SnapshotAt.UTC(), SHA256: digest}
	for _, table := range archive.Tables() {
		c, ok := r.counts[table]
		if !ok {
			continue
		}
		told.Rows += c.Rows
		told.LeftOut += c.LeftOut
		r.result.Tables = append(r.result.Tables, *c)
	}
	receipt := evidence.Receipt{Kind: evidence.KindAdopted, Tenant: r.o.Tenant, StartedAt: r.started, Adopted: &told}
	if err := r.tx.QueryRow(r.ctx, "SELECT clock_timestamp()").Scan(&receipt.FinishedAt); err != nil {
		return fmt.Errorf("reading the time: %w", err)
	}
	sealed, err := evidence.Seal(receipt, told.Head)
	if err != nil {
		return err
	}
	err = r.tx.QueryRow(r.ctx, "SELECT sb.adopt_seal($1, $2, $3, $4)", sealed.Sequence, sealed.Body, sealed.Previous, sealed.Digest).Scan(&r.result.Unknown)
	if err != nil {
		return fmt.Errorf("sealing the receipt: %w", err)
	}
	r.result.Adopted = told
	r.result.Receipt = contract.ChainLink{Sequence: sealed.Sequence, Digest: sealed.Digest}
	return nil
}
