package api

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// usage counts the days that have ended since it was last asked, which is the work of the first question of a day, and reads the
// newest months.
func usage(ctx context.Context, pool *pgxpool.Pool) (*contract.Usage, error) {
	var u contract.Usage
	var from string
	err := pool.QueryRow(ctx, `SELECT until::text, (date_trunc('month', until) - make_interval(months => $1))::date::text FROM sb.count_usage() AS until`,
		contract.MaxUsageMonths-1).Scan(&u.Until, &from)
	if err != nil {
		return nil, fmt.Errorf("counting messages for the bill: %w", err)
	}
	rows, _ := pool.Query(ctx, "SELECT month, stored, COALESCE(channel, ''), received, sent FROM sb.usage_of($1::text::date)", from)
	var m contract.UsageMonth
	var c contract.UsageChannel
	_, err = pgx.ForEachRow(rows, []any{&m.Month, &m.StoredBytes, &c.Channel, &c.Received, &c.Sent}, func() error {
		if n := len(u.Months); n == 0 || u.Months[n-1].Month != m.Month {
			u.Months = append(u.Months, m)
		}
		if c.Channel != "" {
			newest := &u.Months[len(u.Months)-1]
			newest.Channels = append(newest.Channels, c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the counts of messages: %w", err)
	}
	return &u, nil
}
