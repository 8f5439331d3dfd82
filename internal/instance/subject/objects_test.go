package subject_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/subject"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

const bucket = "tenants"

// shelve gives Anna files in an object store.
func (s *stage) shelve(server *s3test.Server, contents ...string) *objectstore.Store {
	s.t.Helper()
	store, err := objectstore.Open(server.Place(s.t, bucket, "hotel-berlin"), server.Credentials(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range contents {
		err := pgx.BeginFunc(s.t.Context(), s.db, func(tx pgx.Tx) error {
			id, err := file.Keep(s.t.Context(), tx, store, "image/png", []byte(c))
			if err != nil {
				return err
			}
			_, err = tx.Exec(s.t.Context(), `INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, file_id)
				VALUES ($1, now(), gen_random_uuid(), md5('vanna')::uuid, $2, 'in the store', $3)`, uuid.New(), pgtest.Channel, id)
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return store
}

// TestAnErasureTakesObjectsAlong, or says how many the store still has to remove, which nobody can read any more.
func TestAnErasureTakesObjectsAlong(t *testing.T) {
	s := newStage(t)
	server := s3test.Start(t)
	store := s.shelve(server, "a room", "a view", "a passport")
	other := s.shelve(server)
	if _, err := other.Put(t.Context(), file.Prefix+uuid.NewString(), strings.NewReader("of another"), 10); err != nil {
		t.Fatal(err)
	}
	server.Down(t)
	p := s.person(contract.KindPhone, anna)
	p.Objects = store
	result := s.carryOut(request(contract.RequestErasure, "uid-1"), p)
	if f := result.Files; f == nil || f.Pending != 3 || f.Removed != 0 || f.Class != contract.StoreUnreachable || f.Since == nil {
		t.Errorf("with the store down: %+v", f)
	}
	if n := s.count("SELECT count(*) FROM sb.file WHERE object IS NOT NULL"); n != 0 {
		t.Errorf("%d keys are left", n)
	}
	server.Up(t)
	again := s.carryOut(request(contract.RequestErasure, "uid-1"), p) // its result was lost
	if f := again.Files; f == nil || *f != (contract.FilesResult{Removed: 3}) || again.Sequence != result.Sequence {
		t.Errorf("back again: %+v", f)
	}
	if left := server.Objects(t, bucket); len(left) != 1 {
		t.Errorf("%d objects are left, one is another's", len(left))
	}
}

// TestAnArchiveHasTheObjectsToo, and says which the store does not have any more. A store that is down fails the
// request: an archive without them would claim to be all.
func TestAnArchiveHasTheObjectsToo(t *testing.T) {
	s := newStage(t)
	server := s3test.Start(t)
	store := s.shelve(server, strings.Repeat("a film ", 300_000), "gone since")
	var gone string
	if err := s.db.QueryRow(t.Context(), "SELECT object FROM sb.file WHERE sha256 = sha256('gone since')").Scan(&gone); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Remove(t.Context(), []string{gone}); err != nil {
		t.Fatal(err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	q, p := request(contract.RequestAccess, "uid-1"), s.person(contract.KindPhone, anna)
	q.ArchiveKey, p.Token, p.Objects = identity.Recipient().String(), strings.Repeat("t", 43), store

	server.Down(t)
	if _, err := subject.Run(t.Context(), s.d.Subject(t), q, tenant, p); objectstore.Class(err) != contract.StoreUnreachable {
		t.Errorf("with the store down: %v", err)
	}
	if n := s.count("SELECT count(*) FROM sb.receipt") + s.count("SELECT count(*) FROM sb.archive"); n != 0 {
		t.Error("it has left something")
	}
	p.Objects = nil
	if _, err := subject.Run(t.Context(), s.d.Subject(t), q, tenant, p); !errors.Is(err, file.ErrNoStore) {
		t.Errorf("without a store: %v", err)
	}

	server.Up(t)
	p.Objects = store
	result := s.carryOut(q, p)
	if f := result.Files; f == nil || *f != (contract.FilesResult{Missing: 1}) {
		t.Errorf("result %+v", f)
	}
	var content []byte
	if err := s.db.QueryRow(t.Context(), "SELECT lo_get(content) FROM sb.archive").Scan(&content); err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(bytes.NewReader(content), identity)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(all), int64(len(all)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found[f.Name] = string(b)
	}
	films := 0
	for name, content := range found {
		if strings.HasPrefix(name, "files/") && content == strings.Repeat("a film ", 300_000) {
			films++
		}
	}
	var missing uuid.UUID
	if err := s.db.QueryRow(t.Context(), "SELECT id FROM sb.file WHERE sha256 = sha256('gone since')").Scan(&missing); err != nil {
		t.Fatal(err)
	}
	if films != 1 || !strings.Contains(found["missing-files.txt"], missing.String()) {
		t.Errorf("%d films are in it, and missing-files.txt says %q", films, found["missing-files.txt"])
	}
}
