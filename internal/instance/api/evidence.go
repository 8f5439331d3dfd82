package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

type receipt struct {
	Sequence   int64     `json:"sequence"`
	Policy     string    `json:"policy"` // empty for what no policy does
	Body       string    `json:"body"`   // the JSON that digest is of
	Previous   string    `json:"previous"`
	Digest     string    `json:"digest"`
	RecordedAt time.Time `json:"recordedAt"`
}

type receiptList struct {
	Receipts []receipt `json:"receipts"`
	Before   *int64    `json:"before"` // for the next page; null on the last one
}

// listEvidence shows what was deleted when: receipts hold counts, times, digests and names of objects of the cluster.
func listEvidence(ctx context.Context, c *call) (reply, error) {
	limit, before := defaultLimit, int64(1<<62)
	for name, values := range c.http.URL.Query() {
		n, err := strconv.ParseInt(values[0], 10, 64)
		switch {
		case name == "limit" && len(values) == 1 && err == nil && n >= 1 && n <= maxLimit:
			limit = int(n)
		case name == "before" && len(values) == 1 && err == nil && n >= 1:
			before = n
		default:
			return reply{}, badRequest(fmt.Sprintf("The parameters are limit, from 1 to %d, and before, a sequence number; each once.", maxLimit))
		}
	}
	rows, _ := c.tx.Query(ctx, `SELECT sequence, policy, body, previous, digest, recorded_at FROM sb.receipt
		WHERE sequence < $1 ORDER BY sequence DESC LIMIT $2`, before, limit+1)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[receipt])
	if err != nil {
		return reply{}, fmt.Errorf("listing receipts: %w", err)
	}
	list := receiptList{Receipts: append([]receipt{}, all[:min(limit, len(all))]...)}
	for i := range list.Receipts {
		list.Receipts[i].RecordedAt = list.Receipts[i].RecordedAt.UTC()
	}
	if len(all) > limit {
		list.Before = &list.Receipts[limit-1].Sequence
	}
	return reply{status: http.StatusOK, body: list}, nil
}

type counted struct {
	Kind string `json:"kind"` // a category of data, or Suppressions
	Rows int64  `json:"rows"`
}

type countList struct {
	Counts []counted `json:"counts"`
}

// listCounts says how much there is that has not expired, and nothing of what it is.
func listCounts(ctx context.Context, c *call) (reply, error) {
	rows, _ := c.tx.Query(ctx, "SELECT kind, rows FROM sb.counts()")
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[counted])
	if err != nil {
		return reply{}, fmt.Errorf("counting: %w", err)
	}
	return reply{status: http.StatusOK, body: countList{all}}, nil
}
