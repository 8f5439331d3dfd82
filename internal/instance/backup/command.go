package backup

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// Other directories than the contract's, for tests and for running outside of a pod.
const (
	EnvDir     = "SWITCHBOARD_BACKUPS_DIR"
	EnvKeyDir  = "SWITCHBOARD_BACKUP_KEY_DIR"
	EnvDataDir = "SWITCHBOARD_DATA_DIR"
)

// place is the tenant's object store where the environment names one, else the volume.
func place() (Place, error) {
	objects, err := objectstore.FromEnvironment()
	return Place{Dir: cmp.Or(os.Getenv(EnvDir), contract.DirBackups), Store: objects}, err
}

func keyDir() string { return cmp.Or(os.Getenv(EnvKeyDir), contract.DirBackupKey) }

// Command is `instance backup`: one backup, its outcome, or why there is none, in the
// termination message.
func Command(ctx context.Context, log *slog.Logger) error {
	result, err := command(ctx, log)
	return termination.Report(contract.Result{Backup: &result}, err)
}

func command(ctx context.Context, log *slog.Logger) (contract.BackupResult, error) {
	days, err := strconv.Atoi(os.Getenv(contract.EnvKeepDays))
	if err != nil || days < 1 {
		return contract.BackupResult{}, fmt.Errorf("reading %s: it must be a whole number of days, 1 or more", contract.EnvKeepDays)
	}
	place, err := place()
	if err != nil {
		return contract.BackupResult{}, err
	}
	result, err := Take(ctx, store.Config{MaxConns: 1}, Options{
		Place: place, Recipient: filepath.Join(keyDir(), contract.FileRecipient), KeepDays: days, Log: log, Now: time.Now,
	})
	if err != nil {
		return result, fmt.Errorf("backup: %w", err)
	}
	log.Info("backup", "file", result.File, "bytes", result.Bytes, "count", result.Count, "removed", result.Removed)
	return result, nil
}

// RestoreCommand is `instance restore`: it puts the backup that contract.EnvBackup names in
// the place of the database's data, its outcome in the termination message.
func RestoreCommand(ctx context.Context, log *slog.Logger) error {
	result, err := restoreCommand(ctx)
	if err == nil {
		log.Info("restored", "file", result.File)
	}
	return termination.Report(contract.Result{Restore: &result}, err)
}

func restoreCommand(ctx context.Context) (contract.RestoreResult, error) {
	file := os.Getenv(contract.EnvBackup)
	if file == "" {
		return contract.RestoreResult{}, fmt.Errorf("restoring: %s is not set; it names a backup, or says %s", contract.EnvBackup, Latest)
	}
	f, err := os.Open(filepath.Join(keyDir(), contract.FileIdentity))
	if err != nil {
		return contract.RestoreResult{}, fmt.Errorf("reading the key of backups: %w", err)
	}
	defer func() { _ = f.Close() }()
	identities, err := age.ParseIdentities(f)
	if err != nil {
		return contract.RestoreResult{}, fmt.Errorf("reading the key of backups: %w", err)
	}
	place, err := place()
	if err != nil {
		return contract.RestoreResult{}, err
	}
	result, err := Restore(ctx, place, file, cmp.Or(os.Getenv(EnvDataDir), contract.DirData), identities...)
	if err != nil {
		return result, fmt.Errorf("restoring: %w", err)
	}
	return result, nil
}
