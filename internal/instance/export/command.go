package export

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// EnvResourcesDir names another directory than contract.DirResources, for tests and for
// running outside of a pod.
const EnvResourcesDir = "SWITCHBOARD_RESOURCES_DIR"

// EnvFilesDir names another directory than contract.DirFiles, for the same.
const EnvFilesDir = "SWITCHBOARD_FILES_DIR"

// maxResources bounds what the operator has of a tenant, in bytes.
const maxResources = 4 << 20

// Stream is `instance export --to RECIPIENT`: the archive on out, resources from in. The
// outcome is the last line of the log.
func Stream(ctx context.Context, log *slog.Logger, recipient string, in io.Reader, out io.Writer) error {
	resources, err := io.ReadAll(io.LimitReader(in, maxResources+1))
	if err != nil || len(resources) > maxResources {
		return errors.Join(errors.New("reading the resources from standard input: there are more than 4 MiB, or it broke"), err)
	}
	result, err := withPool(ctx, log, func(pool *pgxpool.Pool, o Options) (contract.ExportResult, error) {
		o.Recipient, o.Resources = recipient, resources
		return Run(ctx, pool, out, o)
	})
	if err != nil {
		return err
	}
	log.Info("export", "result", result)
	return nil
}

// Command is `instance export`: the archive into the object store that contract.EnvExport
// names, its outcome, or why there is none, in the termination message.
func Command(ctx context.Context, log *slog.Logger) error {
	result, err := command(ctx, log)
	return termination.Report(contract.Result{Export: &result}, err)
}

func command(ctx context.Context, log *slog.Logger) (contract.ExportResult, error) {
	var asked contract.Export
	if err := json.Unmarshal([]byte(os.Getenv(contract.EnvExport)), &asked); err != nil {
		return contract.ExportResult{}, fmt.Errorf("reading %s: it is not the JSON of an export; or give --to for standard output", contract.EnvExport)
	}
	resources, err := os.ReadFile(filepath.Join(cmp.Or(os.Getenv(EnvResourcesDir), contract.DirResources), contract.FileResources))
	if err != nil {
		return contract.ExportResult{}, fmt.Errorf("reading what the operator has of the tenant: %w", err)
	}
	target, err := objectstore.Open(asked.Store, cmp.Or(os.Getenv(objectstore.EnvDir), contract.DirObjectStore))
	if err != nil {
		return contract.ExportResult{}, err
	}
	return withPool(ctx, log, func(pool *pgxpool.Pool, o Options) (contract.ExportResult, error) {
		o.Recipient, o.Resources = asked.Recipient, resources
		return Upload(ctx, pool, target, asked, o)
	})
}

// withPool opens what an export reads. One connection: an export is one snapshot.
func withPool(ctx context.Context, log *slog.Logger, do func(*pgxpool.Pool, Options) (contract.ExportResult, error)) (contract.ExportResult, error) {
	keys, err := addresshash.Load(addresshash.Dir())
	if err != nil {
		return contract.ExportResult{}, err
	}
	objects, err := objectstore.FromEnvironmentAt(cmp.Or(os.Getenv(EnvFilesDir), contract.DirFiles))
	if err != nil {
		return contract.ExportResult{}, err
	}
	pool, err := store.OpenConfig(ctx, log, store.Config{MaxConns: 1})
	if err != nil {
		return contract.ExportResult{}, err
	}
	defer pool.Close()
	return do(pool, Options{Tenant: os.Getenv(contract.EnvTenant), Keys: keys.Versions(), Objects: objects, Log: log})
}

// Upload writes an archive into an object store, and reads it back: what follows may be the
// end of all else that there is of the tenant.
func Upload(ctx context.Context, pool *pgxpool.Pool, to *objectstore.Store, asked contract.Export, o Options) (contract.ExportResult, error) {
	where, err := to.Location(ctx)
	if err != nil {
		return contract.ExportResult{}, err
	}
	if where != asked.Store.Location {
		return contract.ExportResult{}, fmt.Errorf("the store says that the bucket is in %s, and spec.export that it is in %s: name a bucket of that location, or correct it", where, asked.Store.Location)
	}
	// Parts that an attempt left behind which was killed: no listing shows them. That they can't be looked for keeps nobody from going on.
	if _, err := to.Abandon(ctx, asked.Object, time.Now()); err != nil {
		o.Log.Warn("looking for uploads that were killed", "error", err.Error())
	}
	from, archive := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type exported struct {
		result contract.ExportResult
		err    error
	}
	ended := make(chan exported, 1)
	go func() {
		result, err := Run(ctx, pool, archive, o)
		_ = archive.CloseWithError(err) // of an upload that breaks, nothing is kept; nil is its end
		ended <- exported{result, err}
	}()
	size, err := to.Put(ctx, asked.Object, from, -1)
	if err != nil {
		cancel()
		_ = from.CloseWithError(err)
	}
	e := <-ended
	if e.err != nil && (err == nil || !errors.Is(e.err, err)) {
		return e.result, e.err
	}
	if err != nil {
		return e.result, err
	}
	e.result.Object = asked.Object
	return e.result, readBack(ctx, to, e.result, size)
}

// readBack holds what the store has against what was written.
func readBack(ctx context.Context, from *objectstore.Store, told contract.ExportResult, size int64) error {
	object, err := from.Get(ctx, told.Object)
	if err != nil {
		return fmt.Errorf("reading the archive back: %w", err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, object)
	if err := errors.Join(err, object.Close()); err != nil {
		return fmt.Errorf("reading the archive back: %w", err)
	}
	if n != told.Bytes || size != told.Bytes || hex.EncodeToString(sum.Sum(nil)) != told.SHA256 {
		return errors.New("reading the archive back: the store has something else than was written there")
	}
	return nil
}
