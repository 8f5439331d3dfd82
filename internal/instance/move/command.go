package move

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/backup"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// patience is how long a tenant is not served at most before a cut-over is given up.
const patience = 5 * time.Minute

// StandbyCommand is `instance standby`: it copies the server of PGHOST into a volume, as a standby of it.
func StandbyCommand(ctx context.Context, log *slog.Logger) error {
	result, err := standby(ctx)
	if err == nil {
		log.Info("copied", "bytes", result.Bytes)
	}
	return termination.Report(contract.Result{Standby: &result}, err)
}

func standby(ctx context.Context) (contract.StandbyResult, error) {
	source := backup.Source{Host: os.Getenv("PGHOST"), Port: contract.PortPostgres, Dir: cmp.Or(os.Getenv(store.EnvDatabaseDir), contract.DirDatabase)}
	if port, err := strconv.ParseUint(os.Getenv("PGPORT"), 10, 16); err == nil {
		source.Port = uint16(port)
	}
	for file, into := range map[string]*string{contract.FileUsername: &source.Username, contract.FilePassword: &source.Password} {
		b, err := os.ReadFile(filepath.Join(source.Dir, file))
		if err != nil {
			return contract.StandbyResult{}, fmt.Errorf("reading the login of the standby: %w", err)
		}
		*into = strings.TrimRight(string(b), "\r\n")
	}
	result, err := backup.Standby(ctx, store.Config{}, source, cmp.Or(os.Getenv(backup.EnvDataDir), contract.DirData))
	if err != nil {
		return result, fmt.Errorf("copying: %w", err)
	}
	return result, nil
}

// CutOverCommand is `instance cutover`: it hands the database over from PGHOST to contract.EnvTarget.
func CutOverCommand(ctx context.Context, log *slog.Logger) error {
	result, err := cutOver(ctx, log)
	return termination.Report(contract.Result{CutOver: &result}, err)
}

func cutOver(ctx context.Context, log *slog.Logger) (contract.CutOverResult, error) {
	var result contract.CutOverResult
	host := os.Getenv(contract.EnvTarget)
	if host == "" {
		return result, errors.New("cutting over: " + contract.EnvTarget + " is not set; it names the host of the database in the other region")
	}
	source, err := store.OpenConfig(ctx, log, store.Config{Unguarded: true, MaxConns: 3})
	if err != nil {
		return result, err
	}
	defer source.Close()
	target, err := store.OpenConfig(ctx, log, store.Config{Unguarded: true, MaxConns: 3, Host: host, ServerName: os.Getenv("PGHOST")})
	if err != nil {
		return result, err
	}
	defer target.Close()
	result, err = Ends{Source: source, Target: target, Volume: contract.DirData, Log: log, Patience: patience}.CutOver(ctx)
	if err != nil {
		return result, fmt.Errorf("cutting over: %w", err)
	}
	return result, nil
}

// ReopenCommand is `instance reopen`: it takes a cut-over back.
func ReopenCommand(ctx context.Context, log *slog.Logger) error {
	result, err := reopen(ctx, log)
	return termination.Report(contract.Result{Reopen: &result}, err)
}

func reopen(ctx context.Context, log *slog.Logger) (contract.ReopenResult, error) {
	source, err := store.OpenConfig(ctx, log, store.Config{Unguarded: true, MaxConns: 1})
	if err != nil {
		return contract.ReopenResult{}, err
	}
	defer source.Close()
	result, err := Reopen(ctx, source)
	if err != nil {
		return result, fmt.Errorf("opening the database again: %w", err)
	}
	return result, nil
}
