package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/backup"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// stage is a server of its own, as replication copies all of it, and where its backups go.
type stage struct {
	t      *testing.T
	d      *pgtest.Database
	key    *age.X25519Identity
	dir    string
	volume string
	now    time.Time
	store  *objectstore.Store // where backups go, when it is set
}

func (s *stage) place() backup.Place { return backup.Place{Dir: s.dir, Store: s.store} }

func newStage(t *testing.T) *stage {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, d: pgtest.NewOn(t, pgtest.StartOwn(t)), key: key, dir: t.TempDir(), volume: t.TempDir(), now: time.Now().UTC()}
	s.present(s.volume)
	return s
}

// present lays out the data directory that a backup takes the place of.
func (s *stage) present(volume string) {
	s.t.Helper()
	var version string
	if err := s.d.Admin(s.t).QueryRow(s.t.Context(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		s.t.Fatal(err)
	}
	write(s.t, filepath.Join(volume, "pgdata", "PG_VERSION"), version)
	write(s.t, filepath.Join(volume, "pgdata", "present"), "the present data")
}

func (s *stage) take(keepDays int) (contract.BackupResult, error) {
	s.t.Helper()
	recipient := filepath.Join(s.t.TempDir(), "recipient")
	write(s.t, recipient, s.key.Recipient().String())
	return s.takeFor(recipient, keepDays)
}

func (s *stage) takeFor(recipient string, keepDays int) (contract.BackupResult, error) {
	s.t.Helper()
	return backup.Take(s.t.Context(), s.d.Config(s.t, contract.LoginRole(contract.ComponentBackup, 1)), backup.Options{
		Place: s.place(), Recipient: recipient, KeepDays: keepDays, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.now },
	})
}

func (s *stage) restore(file string, keys ...age.Identity) error {
	s.t.Helper()
	if len(keys) == 0 {
		keys = []age.Identity{s.key}
	}
	_, err := backup.Restore(s.t.Context(), s.place(), file, s.volume, keys...)
	return err
}

// TestABackupIsPutBack, taken while the server is written to: rows, files, roles and the
// chain are there, and a run of retention goes on from it.
func TestABackupIsPutBack(t *testing.T) {
	s := newStage(t)
	admin := s.d.Admin(t)
	policy := s.d.Limits(t, map[string]int32{contract.CategoryMessages: 30})
	exec(t, admin, "INSERT INTO sb.contact (id, name) SELECT gen_random_uuid(), 'guest ' || i FROM generate_series(1, 1000) i")
	exec(t, admin, "SELECT sb.add_file('text/plain', convert_to('a file', 'UTF8'))")
	first, err := retention.Run(t.Context(), s.d.Retain(t), policy, "hotel-berlin", retention.Options{})
	if err != nil {
		t.Fatal(err)
	}

	writing, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() {
		for writing.Err() == nil {
			_, _ = admin.Exec(writing, "INSERT INTO sb.contact (id, name) SELECT gen_random_uuid(), repeat('x', 200) FROM generate_series(1, 500)")
		}
	})
	result, err := s.take(7)
	stop()
	load.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if result.Head != (contract.ChainLink{Sequence: first.Sequence, Digest: first.Digest}) || result.Count != 1 || result.Bytes == 0 ||
		!strings.HasSuffix(result.File, "-000000000001.tar.gz.age") {
		t.Errorf("told %+v", result)
	}
	content, err := os.ReadFile(filepath.Join(s.dir, result.File))
	if err != nil || bytes.Contains(content, []byte("guest 1")) || !bytes.HasPrefix(content, []byte("age-encryption.org/v1")) {
		t.Errorf("the file is not encrypted: %v", err)
	}
	exec(t, admin, "DELETE FROM sb.contact")

	if err := s.restore(backup.Latest); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(s.volume)
	if err != nil || len(left) != 1 || left[0].Name() != "pgdata" {
		t.Errorf("in the volume are %v, %v", left, err)
	}
	old := s.d.At(s.d.Server.StartOn(t, filepath.Join(s.volume, "pgdata")))
	if n := count(t, old.Admin(t), "SELECT count(*) FROM sb.contact WHERE name LIKE 'guest %'"); n != 1000 {
		t.Errorf("%d of 1000 guests are back", n)
	}
	if n := count(t, old.Admin(t), "SELECT count(*) FROM sb.file WHERE convert_from(lo_get(content), 'UTF8') = 'a file'"); n != 1 {
		t.Error("the file is not back")
	}
	second, err := retention.Run(t.Context(), old.Retain(t), policy, "hotel-berlin", retention.Options{}) // by its own login
	if err != nil || second.PreviousDigest != first.Digest {
		t.Errorf("the chain does not go on: %+v, %v", second, err)
	}
}

// TestWhatIsNotWholeIsNotPutBack: the data that is there stays as it is.
func TestWhatIsNotWholeIsNotPutBack(t *testing.T) {
	s := newStage(t)
	result, err := s.take(7)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, result.File)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	edited := slices.Clone(whole)
	edited[len(edited)/2] ^= 1
	for sentence, c := range map[string]struct {
		content []byte
		file    string
		key     age.Identity
		says    string
	}{
		"cut off in the middle":        {whole[:len(whole)/2], result.File, s.key, "damaged"},
		"its last byte cut off":        {whole[:len(whole)-1], result.File, s.key, "damaged"},
		"one bit changed":              {edited, result.File, s.key, "damaged"},
		"another tenant's key":         {whole, result.File, other, "can't be decrypted with this tenant's key"},
		"a name that there is not":     {whole, "yesterday", s.key, "the newest are " + result.File},
		"a name that leads elsewhere":  {whole, "../" + result.File, s.key, "no backup of that name"},
		"something that is no archive": {encrypted(t, s.key, "hello"), result.File, s.key, "it is no backup"},
	} {
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.restore(c.file, c.key); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", sentence, err, c.says)
		}
		s.isUntouched(sentence)
	}
}

// TestAnotherVersionIsNotPutBack: the image's PostgreSQL would not start on it.
func TestAnotherVersionIsNotPutBack(t *testing.T) {
	s := newStage(t)
	if _, err := s.take(7); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.volume, "pgdata", "PG_VERSION"), "99\n")
	if err := s.restore(backup.Latest); err == nil || !strings.Contains(err.Error(), "the database of 99") {
		t.Errorf("err = %v", err)
	}
	s.isUntouched("another version")
}

// TestTwoBackupsAtOnce: the second leaves the first one's file alone.
func TestTwoBackupsAtOnce(t *testing.T) {
	s := newStage(t)
	d, err := os.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(s.dir, "20261124T020000Z-000000000001.tar.gz.age.partial")
	write(t, half, "half")
	if _, err := s.take(7); err == nil || !strings.Contains(err.Error(), "another backup is under way") {
		t.Errorf("err = %v", err)
	}
	if _, err := os.Stat(half); err != nil {
		t.Errorf("the other's file: %v", err)
	}
}

// TestARestoreThatWasKilledEnds: at whatever instant, one of both directories is whole.
func TestARestoreThatWasKilledEnds(t *testing.T) {
	s := newStage(t)
	if _, err := s.take(7); err != nil {
		t.Fatal(err)
	}
	for sentence, leave := range map[string]func(volume string){
		"while it unpacked": func(v string) { write(t, filepath.Join(v, "pgdata.new", "half"), "") },
		"between both renames": func(v string) {
			write(t, filepath.Join(v, "pgdata.new", "PG_VERSION"), "new")
			if err := os.Rename(filepath.Join(v, "pgdata"), filepath.Join(v, "pgdata.old")); err != nil {
				t.Fatal(err)
			}
		},
		"before the former data went": func(v string) { write(t, filepath.Join(v, "pgdata.old", "PG_VERSION"), "former") },
	} {
		s.volume = t.TempDir()
		s.present(s.volume)
		leave(s.volume)
		if err := s.restore("none"); err == nil {
			t.Fatal("a backup that there is not was put back")
		}
		if _, err := os.Stat(filepath.Join(s.volume, "pgdata", "PG_VERSION")); err != nil {
			t.Errorf("%s: the data is not in its place after a restore that failed: %v", sentence, err)
		}
		if err := s.restore(backup.Latest); err != nil {
			t.Errorf("%s: %v", sentence, err)
		}
		left, err := os.ReadDir(s.volume)
		if err != nil || len(left) != 1 || left[0].Name() != "pgdata" {
			t.Errorf("%s: in the volume are %v, %v", sentence, left, err)
		}
		if _, err := os.Stat(filepath.Join(s.volume, "pgdata", "present")); err == nil {
			t.Errorf("%s: the data is that of before", sentence)
		}
	}
}

// TestBackupsGoWhenTheirTimeIsOver, even when no new one can be taken.
func TestBackupsGoWhenTheirTimeIsOver(t *testing.T) {
	s := newStage(t)
	began := s.now
	for day := range 4 {
		s.now = began.Add(time.Duration(day) * 24 * time.Hour)
		if _, err := s.take(3); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(s.dir, "20200101T000000Z-000000000001.tar.gz.age.partial"), "half")
	write(t, filepath.Join(s.dir, "notes.txt"), "not a backup")
	if names, err := backup.List(t.Context(), s.place()); err != nil || len(names) != 3 { // the first is three days old
		t.Errorf("after four days there are %v, %v", names, err)
	}
	// Some seconds earlier in the day: the copy of three days ago goes all the same.
	s.now = began.Add(4*24*time.Hour - 30*time.Second)
	if result, err := s.take(3); err != nil || result.Removed != 1 || result.Count != 3 {
		t.Errorf("on the fifth day: %+v, %v", result, err)
	}
	s.now = began.Add(5 * 24 * time.Hour)
	if result, err := s.takeFor(filepath.Join(s.dir, "nowhere"), 3); err == nil || result.Removed != 1 {
		t.Errorf("without a key: %+v, %v", result, err)
	}
	s.d.Refuse(t)
	s.now = began.Add(6 * 24 * time.Hour)
	result, err := s.take(3)
	if err == nil || result.File != "" || result.Removed != 1 || result.Count != 1 {
		t.Errorf("with the database away: %+v, %v", result, err)
	}
	left, err := os.ReadDir(s.dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// isUntouched says that the data directory is as it was.
func (s *stage) isUntouched(sentence string) {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.volume, "pgdata", "present"))
	if err != nil || string(content) != "the present data" {
		s.t.Errorf("%s: the data is %q, %v", sentence, content, err)
	}
	if left, err := os.ReadDir(s.volume); err != nil || len(left) != 1 {
		s.t.Errorf("%s: in the volume are %v, %v", sentence, left, err)
	}
}

func encrypted(t *testing.T, key *age.X25519Identity, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := age.Encrypt(&b, key.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, db *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(context.Background(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func count(t *testing.T, db *pgxpool.Pool, query string) (n int64) {
	t.Helper()
	if err := db.QueryRow(context.Background(), query).Scan(&n); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", query, err))
	}
	return n
}
