package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
)

// EnvDir names another directory than contract.DirWebhooks, for running outside of a pod.
const EnvDir = "SWITCHBOARD_WEBHOOKS_DIR"

var sends = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "switchboard_webhook_events_total", Help: "Attempts to tell another system of an event, by outcome: taken or failed.",
}, []string{"outcome"})

// Command sends what contract.EnvWebhooks asks for until ctx ends.
func Command(ctx context.Context, log *slog.Logger) error {
	var webhooks []contract.Webhook
	if err := json.Unmarshal([]byte(os.Getenv(contract.EnvWebhooks)), &webhooks); err != nil || len(webhooks) == 0 {
		return fmt.Errorf("sending webhooks: %s is no list of webhooks as JSON, or empty", contract.EnvWebhooks)
	}
	pool, err := store.OpenConfig(ctx, log, store.Config{MaxConns: int32(len(webhooks)) + 2}) //nolint:gosec // a few
	if err != nil {
		return fmt.Errorf("sending webhooks: %w", err)
	}
	defer pool.Close()
	worker, err := New(Config{Webhooks: webhooks, Dir: cmp.Or(os.Getenv(EnvDir), contract.DirWebhooks), Pool: pool, Log: log})
	if err != nil {
		return fmt.Errorf("sending webhooks: %w", err)
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		worker.Run(working)
	}()
	err = httpserve.RunProbes(ctx, httpserve.Config{Log: log, Ready: func(ctx context.Context) error { return store.Ready(ctx, pool) }})
	stop()
	<-done
	return err
}

// described says what the database's code is, and not what it quotes.
func described(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return "PostgreSQL refused it (SQLSTATE " + pg.Code + ")"
	}
	return err.Error()
}
