package api

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/openid"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/tracing"
	"github.com/switchboard-operator/switchboard/internal/instance/web"
)

//go:embed openapi.yaml
var description []byte

func serveDescription(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(description) // a client that went away can't be told
}

// Command serves the API until ctx ends.
func Command(ctx context.Context, log *slog.Logger) error {
	tenant := os.Getenv(contract.EnvTenant)
	if tenant == "" {
		return fmt.Errorf("serving: %s is not set; set it to the tenant's name, for example hotel-berlin", contract.EnvTenant)
	}
	log = log.With("tenant", tenant)
	told, err := tracing.Start(ctx, "serve", log)
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	defer told()
	pool, err := store.Open(ctx, log)
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	defer pool.Close()
	keeping, stop := context.WithCancel(ctx)
	server := New(pool, log, addresshash.Dir())
	var beside sync.WaitGroup
	beside.Go(func() { keepPartitions(keeping, pool, log) })
	beside.Go(func() { server.Run(keeping) })
	defer func() {
		stop()
		beside.Wait()
	}()
	unguarded, err := store.OpenConfig(ctx, log, store.Config{Unguarded: true, MaxConns: 1})
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	defer unguarded.Close()
	objects, err := objectstore.FromEnvironment()
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	provider, err := openid.FromEnvironment()
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	handler := http.NewServeMux()
	handler.Handle("GET "+contract.PathState, State(unguarded, log))
	handler.Handle("POST "+contract.PathDesk, Desk(pool, log))
	handler.Handle("GET "+web.InboxPath, web.Inbox())
	handler.Handle("GET /{$}", http.RedirectHandler(web.InboxPath, http.StatusFound))
	handler.Handle("/", server.WithObjects(objects).WithProvider(provider))
	return httpserve.Run(ctx, httpserve.Config{
		Handler: handler, VerifyClients: true,
		Ready: func(ctx context.Context) error { return store.Ready(ctx, pool) },
		Log:   log,
	})
}

// keepPartitions makes the partitions of this month and the next, once a day: a
// tenant that nothing migrates for more than a year goes on.
func keepPartitions(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) {
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-daily.C:
		}
		if _, err := pool.Exec(ctx, "SELECT sb.ensure_partition(now()), sb.ensure_partition(now() + interval '1 month')"); err != nil {
			log.Error("making the partitions failed; trying again tomorrow", "error", err.Error())
		}
	}
}
