package connect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/httpserve"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/tracing"
)

// EnvChannelDir names another directory than contract.DirChannel, for running outside of a pod.
const EnvChannelDir = "SWITCHBOARD_CHANNEL_DIR"

// Command connects the channel that contract.EnvChannel describes until ctx ends.
func Command(ctx context.Context, log *slog.Logger) error {
	channel, err := readChannel(os.Getenv(contract.EnvChannel))
	if err != nil {
		return err
	}
	log = log.With("channel", channel.Name)
	told, err := tracing.Start(ctx, "connect", log)
	if err != nil {
		return fmt.Errorf("connecting the channel: %w", err)
	}
	defer told()
	pool, err := store.Open(ctx, log)
	if err != nil {
		return fmt.Errorf("connecting the channel: %w", err)
	}
	defer pool.Close()
	objects, err := objectstore.FromEnvironment()
	if err != nil {
		return fmt.Errorf("connecting the channel: %w", err)
	}
	c, err := New(Config{
		Objects: objects,
		Channel: channel, PublicURL: os.Getenv(contract.EnvPublicURL), Pool: pool, Log: log,
		ChannelDir: cmp.Or(os.Getenv(EnvChannelDir), contract.DirChannel), KeysDir: addresshash.Dir(),
	})
	if err != nil {
		return err
	}
	// While the server drains, the requests under way still need what Run does.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	go func() { done <- c.Run(working) }()
	handler := http.NewServeMux()
	handler.Handle("GET "+contract.PathCheck, c.CheckHandler())
	handler.Handle("/", c.Handler())
	served := httpserve.Run(ctx, httpserve.Config{
		Handler: handler, VerifyClients: true, Log: log,
		Ready: c.Ready,
	})
	stop()
	return errors.Join(served, <-done)
}

func readChannel(value string) (contract.Channel, error) {
	var c contract.Channel
	if value == "" {
		return c, fmt.Errorf("connecting the channel: %s is not set; set it to the channel as JSON", contract.EnvChannel)
	}
	if err := json.Unmarshal([]byte(value), &c); err != nil {
		return c, fmt.Errorf("connecting the channel: reading %s: %w", contract.EnvChannel, err)
	}
	return c, nil
}
