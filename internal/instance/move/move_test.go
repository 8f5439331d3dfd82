package move_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/backup"
	"github.com/switchboard-operator/switchboard/internal/instance/move"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// stage is a tenant's database, and a standby of it in another place.
type stage struct {
	t      *testing.T
	source *pgtest.Database
	target *pgtest.Database
	volume string
	policy contract.Retention
	head   contract.ChainLink
}

// newStage copies a database that is written to meanwhile.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, source: pgtest.NewOn(t, pgtest.StartOwn(t)), volume: volume(t)}
	s.policy = s.source.Limits(t, map[string]int32{contract.CategoryMessages: 30})
	s.source.FillMessages(t, 500)
	run(t, s.source.Admin(t), "SELECT sb.add_file('text/plain', convert_to('a file', 'UTF8'))")
	first, err := retention.Run(t.Context(), s.source.Retain(t), s.policy, "hotel-berlin", retention.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.head = contract.ChainLink{Sequence: first.Sequence, Digest: first.Digest}

	if result, err := s.copies(); err != nil || result.Bytes == 0 {
		t.Fatalf("copied %d bytes: %v", result.Bytes, err)
	}
	own(t, s.volume)
	s.target = s.source.At(s.source.Server.StartOn(t, filepath.Join(s.volume, "pgdata")))
	return s
}

// copies makes the data directory of the standby.
func (s *stage) copies() (contract.StandbyResult, error) {
	s.t.Helper()
	login := contract.LoginRole(contract.ComponentBackup, 1)
	config := s.source.Config(s.t, login)
	return backup.Standby(s.t.Context(), config, backup.Source{
		Host: "localhost", Port: config.Port, Username: login, Password: pgtest.Password, Dir: config.Dir,
	}, s.volume)
}

// TestACopyThatWasKilledIsMadeAnew, and one that was made stays.
func TestACopyThatWasKilledIsMadeAnew(t *testing.T) {
	s := &stage{t: t, source: pgtest.NewOn(t, pgtest.StartOwn(t)), volume: volume(t)}
	half := filepath.Join(s.volume, "pgdata.new", "half")
	if err := os.MkdirAll(filepath.Dir(half), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, s.source.Admin(t), "SELECT pg_create_physical_replication_slot('"+contract.MoveSlot+"', true)")
	if result, err := s.copies(); err != nil || result.Bytes == 0 {
		t.Fatalf("copied %d bytes: %v", result.Bytes, err)
	}
	if _, err := os.Stat(filepath.Join(s.volume, "pgdata", "half")); err == nil {
		t.Error("what a killed copy left is part of the new one")
	}
	if again, err := s.copies(); err != nil || again.Bytes != 0 {
		t.Errorf("a second time: copied %d bytes, %v", again.Bytes, err)
	}
	if n := count(t, s.source.Admin(t), "SELECT count(*) FROM pg_replication_slots WHERE restart_lsn IS NOT NULL"); n != 1 {
		t.Errorf("%d slots keep what is written", n)
	}
}

func (s *stage) ends(patience time.Duration) move.Ends {
	return move.Ends{Source: s.source.Admin(s.t), Target: s.target.Admin(s.t), Volume: s.volume, Log: slog.New(slog.DiscardHandler), Patience: patience}
}

// TestADatabaseIsHandedOver while it is written to: what was acknowledged is at the target, to the last row; nobody
// writes to the source any more; the chain goes on.
func TestADatabaseIsHandedOver(t *testing.T) {
	s := newStage(t)
	run(t, s.source.Admin(t), "CREATE TABLE sb.noted (n bigint PRIMARY KEY)")
	run(t, s.source.Admin(t), "GRANT INSERT ON sb.noted TO sb_serve")
	var acknowledged, tries int64
	busy := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		serve := s.source.Serve(t)
		for tries = 0; tries < 1<<20; tries++ {
			if _, err := serve.Exec(t.Context(), "INSERT INTO sb.noted VALUES ($1)", tries); err != nil {
				return // the source takes nobody any more
			}
			if acknowledged++; acknowledged == 100 {
				close(busy)
			}
		}
	})
	<-busy
	result, err := s.ends(time.Minute).CutOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	load.Wait()
	if result.Head != s.head || result.Tables < 30 || result.Rows < 1000 || len(result.Digest) != 64 || len(result.Counts) != len(contract.Categories()) {
		t.Errorf("told %+v", result)
	}
	if result.QuiescedAt.After(result.VerifiedAt) || result.VerifiedAt.After(result.OpenedAt) {
		t.Errorf("the times are in another order: %+v", result)
	}
	// Who was cut off while committing does not know: one more may be there.
	if n := count(t, s.target.Admin(t), "SELECT count(*) FROM sb.noted"); n != acknowledged && n != acknowledged+1 {
		t.Errorf("%d rows were acknowledged, %d are there", acknowledged, n)
	}
	if !s.refuses(s.source) {
		t.Error("the source takes others than superusers")
	}
	run(t, s.target.Serve(t), "INSERT INTO sb.noted VALUES (-1)")
	second, err := retention.Run(t.Context(), s.target.Retain(t), s.policy, "hotel-berlin", retention.Options{})
	if err != nil || second.PreviousDigest != s.head.Digest {
		t.Errorf("the chain does not go on: %+v, %v", second, err)
	}

	t.Run("and keeps nothing of how it followed", func(t *testing.T) {
		for _, file := range backup.LoginFiles(s.volume) {
			if info, err := os.Stat(file); err != nil || info.Size() > 0 {
				t.Errorf("%s: %v, %v", filepath.Base(file), info, err)
			}
		}
		var conninfo string
		if err := s.target.Admin(t).QueryRow(t.Context(), "SELECT current_setting('primary_conninfo')").Scan(&conninfo); err != nil || conninfo != "" {
			t.Errorf("it would follow %q, %v", conninfo, err)
		}
	})
}

// TestACutOverCanBeRepeated: its Job may be lost after the target was opened.
func TestACutOverCanBeRepeated(t *testing.T) {
	s := newStage(t)
	first, err := s.ends(time.Minute).CutOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.ends(time.Minute).CutOver(t.Context())
	if err != nil || again.Digest != first.Digest || again.Rows != first.Rows {
		t.Errorf("first %+v, then %+v, %v", first, again, err)
	}

	t.Run("and taken back", func(t *testing.T) {
		if _, err := move.Reopen(t.Context(), s.source.Admin(t)); err != nil {
			t.Fatal(err)
		}
		if err := s.source.Serve(t).Ping(t.Context()); err != nil {
			t.Errorf("the source takes nobody: %v", err)
		}
		if n := count(t, s.source.Admin(t), "SELECT count(*) FROM pg_replication_slots"); n != 0 {
			t.Error("the source keeps what it writes for a target")
		}
	})
}

// TestATargetThatDiffersIsNotOpened, not by a row, not by a letter.
func TestATargetThatDiffersIsNotOpened(t *testing.T) {
	s := newStage(t)
	run(t, s.target.Admin(t), "SELECT pg_promote()")
	run(t, s.target.Admin(t), "UPDATE sb.contact SET name = 'Gast' WHERE id = (SELECT min(id::text)::uuid FROM sb.contact)")
	_, err := s.ends(time.Minute).CutOver(t.Context())
	if err == nil || !strings.Contains(err.Error(), "differ in 1 tables: sb.contact (50 and 50 rows)") {
		t.Errorf("err = %v", err)
	}
	if !s.refuses(s.source) {
		t.Error("the source was opened, though the target may be in use")
	}
}

// TestASourceIsOpenedAgain when the target does not keep up, without anybody's help.
func TestASourceIsOpenedAgain(t *testing.T) {
	s := newStage(t)
	run(t, s.target.Admin(t), "SELECT pg_wal_replay_pause()")
	if _, err := s.ends(2 * time.Second).CutOver(t.Context()); err == nil || !strings.Contains(err.Error(), "waiting for the target") {
		t.Errorf("err = %v", err)
	}
	if err := s.source.Serve(t).Ping(t.Context()); err != nil {
		t.Errorf("the source takes nobody: %v", err)
	}
	run(t, s.target.Admin(t), "SELECT pg_wal_replay_resume()")
	if _, err := s.ends(time.Minute).CutOver(t.Context()); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func (s *stage) refuses(db *pgtest.Database) bool {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	err := db.Serve(s.t).Ping(ctx)
	return err != nil && strings.Contains(err.Error(), "too many connections")
}

func volume(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "move-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// own gives a directory to the user that the server runs as.
func own(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	for _, name := range []string{"postgres", "nobody"} {
		if _, err := user.Lookup(name); err != nil {
			continue
		}
		if out, err := exec.Command("chown", "-R", name, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
}

func run(t *testing.T, db *pgxpool.Pool, statement string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func count(t *testing.T, db *pgxpool.Pool, query string) (n int64) {
	t.Helper()
	if err := db.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
