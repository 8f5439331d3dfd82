package store

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Replication connects to the server for physical replication, by a role that may: it
// copies all of the server's data, and can't ask for a row of it.
func Replication(ctx context.Context, c Config) (*pgconn.PgConn, error) {
	host, dir, err := c.reach()
	if err != nil {
		return nil, err
	}
	now, err := readCredentials(dir, host)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w; mount the role's Secret there", err)
	}
	config, err := pgconn.ParseConfig("sslmode=disable") // replaced by our own TLS below
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	config.Host, config.ConnectTimeout = host, 5*time.Second
	config.Port = cmp.Or(c.Port, config.Port) // PGPORT, unless told otherwise
	config.User, config.Password, config.TLSConfig, config.Fallbacks = now.username, now.password, now.tls, nil
	config.RuntimeParams = serverKeepalive()
	delete(config.RuntimeParams, "tcp_user_timeout") // it also ends who is there and reads nothing, as while a store takes its time
	config.RuntimeParams["replication"], config.RuntimeParams["application_name"] = "true", "backup"
	config.DialFunc = dial
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting for replication: %w", err)
	}
	return conn, nil
}
