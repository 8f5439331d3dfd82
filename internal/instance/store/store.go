// Package store opens the tenant's database and holds its schema.
package store

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Migrations holds migrations/*.sql, run by goose in the order of their numbers.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// EnvDatabaseDir names another directory than contract.DirDatabase: for tests and
// for running the instance outside of a pod.
const EnvDatabaseDir = "SWITCHBOARD_DATABASE_DIR"

// defaultMaxConns bounds a pool: a tenant's PostgreSQL serves several small
// components, each connection of which costs it some 10 MiB.
const defaultMaxConns = 8

// Config says how to reach the database. Zero fields mean what Open does.
type Config struct {
	Dir           string            // credentials; EnvDatabaseDir or contract.DirDatabase
	Host          string            // PGHOST
	Port          uint16            // PGPORT
	Database      string            // PGDATABASE, or contract.DatabaseName
	MaxConns      int32             // 8
	RuntimeParams map[string]string // server settings of each session, beside TimeZone=UTC and what ends it when its peer is gone
	AnchorDir     string            // where the anchor is; EnvAnchorDir or contract.DirAnchor
	Unguarded     bool              // takes a database that lacks what the anchor tells of
	ServerName    string            // that the server's certificate must bear, when it is not Host
}

// Open makes a pool for the database that PGHOST, PGPORT and PGDATABASE name,
// over TLS with the server verified. It does not connect yet: a database that is
// down makes the component unready, not crash. Credentials are read again for
// every new connection, so that their rotation needs no restart.
func Open(ctx context.Context, log *slog.Logger) (*pgxpool.Pool, error) {
	return OpenConfig(ctx, log, Config{})
}

// OpenConfig is Open with settings.
func OpenConfig(ctx context.Context, log *slog.Logger, c Config) (*pgxpool.Pool, error) {
	if c.MaxConns == 0 {
		c.MaxConns = defaultMaxConns
	}
	host, dir, err := c.reach()
	if err != nil {
		return nil, err
	}
	if mode := os.Getenv("PGSSLMODE"); mode != "" && mode != "verify-full" {
		return nil, fmt.Errorf("opening the database: PGSSLMODE is %q; only verify-full is allowed, set that or leave it unset", mode)
	}
	// Read once now, so that a missing mount is told at the start and not at the first query.
	if _, err := readCredentials(dir, host); err != nil {
		return nil, fmt.Errorf("opening the database: %w; mount the role's Secret there", err)
	}
	config, err := pgxpool.ParseConfig("sslmode=disable") // replaced by our own TLS below
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	config.MaxConns = c.MaxConns
	config.MaxConnIdleTime = 5 * time.Minute
	config.MaxConnLifetime = time.Hour
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.Host = host
	if c.Port != 0 {
		config.ConnConfig.Port = c.Port
	}
	if c.Database != "" {
		config.ConnConfig.Database = c.Database
	}
	if config.ConnConfig.Database == "" {
		config.ConnConfig.Database = contract.DatabaseName
	}
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	// Statements over many partitions look dear to the planner: compiling them takes longer than running them.
	config.ConnConfig.RuntimeParams["jit"] = "off"
	maps.Copy(config.ConnConfig.RuntimeParams, serverKeepalive())
	maps.Copy(config.ConnConfig.RuntimeParams, c.RuntimeParams)
	config.ConnConfig.DialFunc = dial
	config.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error {
		now, err := readCredentials(dir, cmp.Or(c.ServerName, host))
		if err != nil {
			return err
		}
		conn.User, conn.Password, conn.TLSConfig, conn.Fallbacks = now.username, now.password, now.tls, nil
		conn.Host, conn.Port = cmp.Or(now.place.host, conn.Host), cmp.Or(now.place.port, conn.Port)
		conn.Database = cmp.Or(now.place.database, conn.Database)
		log.Debug("connecting to the database", "role", now.username)
		return nil
	}
	if !c.Unguarded {
		config.AfterConnect = guard(cmp.Or(c.AnchorDir, os.Getenv(EnvAnchorDir), contract.DirAnchor))
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return pool, nil
}

// reach gives the server's host name and the directory of the credentials.
func (c Config) reach() (host, dir string, err error) {
	host, dir = cmp.Or(c.Host, os.Getenv("PGHOST")), cmp.Or(c.Dir, os.Getenv(EnvDatabaseDir), contract.DirDatabase)
	if host == "" {
		at, err := readPlace(settled(dir))
		if err != nil {
			return "", "", fmt.Errorf("opening the database: %w", err)
		}
		host = at.host
	}
	if host == "" {
		return "", "", errors.New("opening the database: PGHOST is not set; set it to the database's host name, for example postgres.tenant-hotel-berlin.svc")
	}
	return host, dir, nil
}

// Ready says whether the database answers a query within ctx.
func Ready(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("asking the database: %w", err)
	}
	return nil
}
