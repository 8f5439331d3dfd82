package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Replication connects to the server for physical replication, by a role that may: it
// copies all of the server's data, and can't ask for a row of it.
func Replication(ctx context.Context, c Config) (*pgconn.PgConn, error) {
	host := cmp.Or(c.Host, os.Getenv("PGHOST"))
	if host == "" {
		return nil, errors.New("opening the database: PGHOST is not set; set it to the database's host name, for example postgres.tenant-hotel-berlin.svc")
	}
	now, err := readCredentials(cmp.Or(c.Dir, os.Getenv(EnvDatabaseDir), contract.DirDatabase), host)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w; mount the role's Secret there", err)
	}
	config, err := pgconn.ParseConfig("sslmode=disable") // replaced by our own TLS below
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	config.Host, config.ConnectTimeout = host, 5*time.Second
	config.Port = cmp.Or(c.Port, config.Port)
	if port, err := strconv.ParseUint(os.Getenv("PGPORT"), 10, 16); err == nil && c.Port == 0 {
		config.Port = uint16(port)
	}
	config.User, config.Password, config.TLSConfig, config.Fallbacks = now.username, now.password, now.tls, nil
	config.RuntimeParams = map[string]string{"replication": "true", "application_name": "backup"}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting for replication: %w", err)
	}
	return conn, nil
}
