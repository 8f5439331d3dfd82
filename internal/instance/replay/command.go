package replay

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// EnvDir names another directory than contract.DirReplay, for tests and for running
// outside of a pod.
const EnvDir = "SWITCHBOARD_REPLAY_DIR"

// maxInput bounds what is read, in bytes: a ConfigMap's worth, unpacked.
const maxInput = 64 << 20

// Command is `instance replay`: the input in contract.DirReplay, its result, or why there
// is none, in the termination message.
func Command(ctx context.Context, log *slog.Logger) error {
	result, err := command(ctx, log)
	return termination.Report(contract.Result{Replay: &result}, err)
}

func command(ctx context.Context, log *slog.Logger) (contract.ReplayResult, error) {
	input, err := read(cmp.Or(os.Getenv(EnvDir), contract.DirReplay))
	if err != nil {
		return contract.ReplayResult{}, fmt.Errorf("reading what is to be replayed: %w", err)
	}
	pool, err := store.OpenConfig(ctx, log, store.Config{Unguarded: true, MaxConns: 1})
	if err != nil {
		return contract.ReplayResult{}, err
	}
	defer pool.Close()
	result, err := Run(ctx, pool, os.Getenv(contract.EnvTenant), input)
	if err != nil {
		return contract.ReplayResult{}, fmt.Errorf("replaying: %w", err)
	}
	log.Info("replayed", "epoch", result.Epoch, "sequence", result.Sequence, "found", result.Found.Sequence, "known", result.Known.Sequence,
		"erasures", result.Erasures, "optOuts", result.OptOuts, "consents", result.Consents)
	return result, nil
}

func read(dir string) (contract.Replay, error) {
	var input contract.Replay
	f, err := os.Open(filepath.Join(dir, contract.FileReplay))
	if err != nil {
		return input, err
	}
	defer func() { _ = f.Close() }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return input, err
	}
	d := json.NewDecoder(io.LimitReader(unpacked, maxInput))
	d.DisallowUnknownFields()
	return input, d.Decode(&input)
}
