package backup_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/backup"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

const hotels = "hotels"

// away has backups go into an object store.
func (s *stage) away(server *s3test.Server) {
	s.t.Helper()
	var err error
	if s.store, err = objectstore.Open(server.Place(s.t, hotels, "eu-central/hotel-berlin/"), server.Credentials(s.t)); err != nil {
		s.t.Fatal(err)
	}
	s.dir = filepath.Join(s.dir, "nowhere")
}

// TestABackupIsPutBackFromAnObjectStore, in which nobody without the tenant's key can read it. What is not whole is not
// put back, and a store that is down changes nothing.
func TestABackupIsPutBackFromAnObjectStore(t *testing.T) {
	s, server := newStage(t), s3test.Start(t)
	s.away(server)
	admin := s.d.Admin(t)
	exec(t, admin, "INSERT INTO sb.contact (id, name) SELECT gen_random_uuid(), 'guest ' || i FROM generate_series(1, 1000) i")
	result, err := s.take(7)
	if err != nil {
		t.Fatal(err)
	}
	key := "eu-central/hotel-berlin/backups/" + result.File
	content := server.Objects(t, hotels)[key]
	if int64(len(content)) != result.Bytes || !strings.HasPrefix(content, "age-encryption.org/v1") || strings.Contains(content, "guest 1") || result.Count != 1 {
		t.Errorf("stored are %d bytes, told %+v", len(content), result)
	}

	put := func(key, content string) {
		t.Helper()
		if _, err := server.Admin(t).Client.PutObject(t.Context(), hotels, key, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put(key, content[:len(content)/2])
	if err := s.restore(backup.Latest); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("half of it: %v", err)
	}
	s.isUntouched("half of it")
	put(key, content)
	server.Down(t)
	if err := s.restore(backup.Latest); objectstore.Class(err) != contract.StoreUnreachable {
		t.Errorf("with the store down: %v", err)
	}
	s.isUntouched("with the store down")
	server.Up(t)
	if err := s.restore(result.File); err != nil {
		t.Fatal(err)
	}
	old := s.d.At(s.d.Server.StartOn(t, filepath.Join(s.volume, "pgdata")))
	if n := count(t, old.Admin(t), "SELECT count(*) FROM sb.contact WHERE name LIKE 'guest %'"); n != 1000 {
		t.Errorf("%d of 1000 guests are back", n)
	}
}

// TestBackupsInAnObjectStoreGoWhenTheirTimeIsOver, parts of killed ones too, and nothing else does. A store that is down is
// told, as is a bucket elsewhere.
func TestBackupsInAnObjectStoreGoWhenTheirTimeIsOver(t *testing.T) {
	s, server := newStage(t), s3test.Start(t)
	s.away(server)
	began := s.now
	for day := range 4 {
		s.now = began.Add(time.Duration(day) * 24 * time.Hour)
		if _, err := s.take(3); err != nil {
			t.Fatal(err)
		}
	}
	admin := server.Admin(t)
	if _, err := admin.NewMultipartUpload(t.Context(), hotels, "eu-central/hotel-berlin/backups/20200101T000000Z-000000000001.tar.gz.age", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"eu-central/hotel-berlin/backups/notes.txt", "eu-central/hotel-berlin/files/a", "eu-central/inn/backups/20200101T000000Z-000000000001.tar.gz.age"} {
		if _, err := admin.Client.PutObject(t.Context(), hotels, key, strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.now = began.Add(4*24*time.Hour - 30*time.Second)
	if result, err := s.take(3); err != nil || result.Removed != 1 || result.Count != 3 {
		t.Errorf("on the fifth day: %+v, %v", result, err)
	}
	if n := len(server.Objects(t, hotels)); n != 6 {
		t.Errorf("%d objects are left: 3 backups and 3 that are none of its", n)
	}
	server.Down(t)
	if result, err := s.take(3); objectstore.Class(err) != contract.StoreUnreachable || result.File != "" {
		t.Errorf("with the store down: %+v, %v", result, err)
	}
	server.Up(t)
	s.d.Refuse(t)
	s.now = began.Add(6 * 24 * time.Hour)
	if result, err := s.take(3); err == nil || result.File != "" || result.Removed != 2 || result.Count != 1 {
		t.Errorf("with the database away: %+v, %v", result, err)
	}
	s.d.Accept(t)
	place := server.Place(t, hotels, "eu-central/hotel-berlin/")
	place.Location = "eu-west-1"
	var err error
	if s.store, err = objectstore.Open(place, server.Credentials(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.take(3); objectstore.Class(err) != contract.StoreMisplaced {
		t.Errorf("elsewhere: %v", err)
	}
}
