package property_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/backup"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestHistoriesOfBackups plays a few of the histories with the copies that `instance backup`
// makes of a whole server, which forgets its transactions too.
func TestHistoriesOfBackups(t *testing.T) {
	s := newStage(t, pgtest.StartOwn(t), 1)
	for seed, played := uint64(0), 0; played < 2; seed++ {
		if !slices.ContainsFunc(plan(seed), func(s step) bool { return s.name == "restore" }) {
			continue
		}
		played++
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { s.playOrShrink(t, seed, taken) })
	}
	for _, what := range []string{"restore", "change of consent replayed"} {
		if s.sums[what] == 0 && !t.Failed() {
			t.Errorf("%s was never played: take other histories", what)
		}
	}
}

// taken is a backup as `instance backup` takes it, put back by `instance restore` on a server
// of its own.
func taken(w *world) snapshot {
	key, err := age.GenerateX25519Identity()
	must(err)
	dir, volume := w.t.TempDir(), w.t.TempDir()
	recipient := filepath.Join(w.t.TempDir(), "recipient")
	must(os.WriteFile(recipient, []byte(key.Recipient().String()), 0o600))
	var version string
	must(w.admin().QueryRow(context.Background(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&version))
	must(os.Mkdir(filepath.Join(volume, "pgdata"), 0o700))
	must(os.WriteFile(filepath.Join(volume, "pgdata", "PG_VERSION"), []byte(version), 0o600))
	server, name := w.db.Server, w.db.Name
	_, err = backup.Take(context.Background(), store.Config{
		Dir: w.logins[contract.LoginRole(contract.ComponentBackup, 1)], Host: "localhost", Port: uint16(server.Port), Database: name, //nolint:gosec // a port
		AnchorDir: w.anchors,
	}, backup.Options{Place: backup.Place{Dir: dir}, Recipient: recipient, KeepDays: 7, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	must(err)
	return snapshot{put: func() *pgtest.Database {
		_, err := backup.Restore(context.Background(), backup.Place{Dir: dir}, backup.Latest, volume, key)
		must(err)
		d := pgtest.Database{Name: name, Server: server}
		return d.At(server.StartOn(w.t, filepath.Join(volume, "pgdata")))
	}}
}
