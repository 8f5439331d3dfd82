package subject

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
)

// recentReceipts bounds Recent of a result.
const recentReceipts = 20

// known looks for the receipt of this very attempt, and makes the result of it.
func (r *run) known(ctx context.Context) (bool, error) {
	rows, _ := r.tx.Query(ctx, `SELECT sequence, body, previous, digest FROM sb.receipt WHERE policy = ''
		AND body::jsonb -> 'request' ->> 'uid' = $1 AND COALESCE(body::jsonb -> 'request' ->> 'after', '') = $2`, r.request.UID, r.request.After)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[evidence.Sealed])
	if err != nil {
		return false, fmt.Errorf("looking for an earlier receipt: %w", err)
	}
	if len(found) == 0 {
		return false, nil
	}
	receipt, err := evidence.Decode([]byte(found[0].Body))
	if err != nil {
		return false, fmt.Errorf("reading the receipt of this attempt: %w", err)
	}
	recent, err := r.recent(ctx, found[0].Sequence)
	if err != nil {
		return false, err
	}
	r.told(receipt, found[0], recent)
	return true, nil
}

// recent gives the newest receipts before one.
func (r *run) recent(ctx context.Context, before int64) ([]contract.ChainLink, error) {
	rows, _ := r.tx.Query(ctx, "SELECT sequence, digest FROM sb.receipt WHERE sequence < $1 ORDER BY sequence DESC LIMIT $2", before, recentReceipts)
	links, err := pgx.CollectRows(rows, pgx.RowToStructByPos[contract.ChainLink])
	if err != nil {
		return nil, fmt.Errorf("reading the chain: %w", err)
	}
	return contract.Unbroken(links), nil
}

// seal appends the receipt, from the account that the functions kept.
func (r *run) seal(ctx context.Context, started time.Time) error {
	request, err := r.account(ctx)
	if err != nil {
		return fmt.Errorf("reading what was done: %w", err)
	}
	if _, err := r.tx.Exec(ctx, "SELECT sb.receipt_lock()"); err != nil {
		return fmt.Errorf("locking the chain: %w", err)
	}
	recent, err := r.recent(ctx, 1<<62)
	if err != nil {
		return err
	}
	var head contract.ChainLink
	if len(recent) > 0 {
		head = recent[0]
	}
	receipt := evidence.Receipt{Kind: evidence.KindRequest, Tenant: r.tenant, StartedAt: started, Request: request}
	if err := r.tx.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&receipt.FinishedAt); err != nil {
		return err
	}
	sealed, err := evidence.Seal(receipt, head)
	if err != nil {
		return err
	}
	if _, err := r.tx.Exec(ctx, "SELECT sb.subject_seal($1, $2, $3, $4, $5)",
		r.request.UID, sealed.Sequence, sealed.Body, sealed.Previous, sealed.Digest); err != nil {
		return fmt.Errorf("sealing the receipt: %w", err)
	}
	r.told(receipt, sealed, recent)
	return nil
}

func (r *run) account(ctx context.Context) (*evidence.Request, error) {
	request := &evidence.Request{UID: r.request.UID, Type: r.request.Type, After: r.request.After, Archive: r.archive}
	rows, err := r.tx.Query(ctx, `SELECT verdict, category, hold, rows FROM sb.request_count WHERE request = $1
		ORDER BY verdict, category COLLATE "C", hold COLLATE "C"`, r.request.UID)
	if err != nil {
		return nil, err
	}
	var verdict, category, hold string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&verdict, &category, &hold, &n}, func() error {
		switch verdict {
		case "found":
			request.Found = append(request.Found, contract.CategoryCount{Category: category, Rows: n})
		case "done":
			request.Done = append(request.Done, contract.CategoryCount{Category: category, Rows: n})
		default:
			request.Refused = append(request.Refused, contract.Refusal{Category: category, Rows: n, Hold: hold})
		}
		return nil
	})
	return request, err
}
