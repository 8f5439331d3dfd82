package bucket_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/bucket"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

// call runs the command as a pod does.
func call(t *testing.T, place contract.ObjectStore, credentials string, empty bool) contract.BucketResult {
	t.Helper()
	b, err := json.Marshal(place)
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "termination")
	t.Setenv(contract.EnvObjectStore, string(b))
	t.Setenv(objectstore.EnvDir, credentials)
	t.Setenv(contract.EnvTerminationLog, log)
	if err := bucket.Command(t.Context(), slog.New(slog.DiscardHandler), empty, 0); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	result, err := contract.DecodeResult(string(content))
	if err != nil || result.Bucket == nil {
		t.Fatalf("told %s, %v", content, err)
	}
	return *result.Bucket
}

// TestTheStoreIsAskedAndNothingIsStored.
func TestTheStoreIsAskedAndNothingIsStored(t *testing.T) {
	eu, us := s3test.Start(t), s3test.Start(t, s3test.In("us-east-1"))
	place := eu.Place(t, "hotels", "eu-central/hotel-berlin/")
	if r := call(t, place, eu.Credentials(t), false); r != (contract.BucketResult{}) {
		t.Errorf("where it should be: %+v", r)
	}
	abroad := us.Place(t, "hotels", "eu-central/hotel-berlin/")
	abroad.Location = s3test.Location
	if r := call(t, abroad, us.Credentials(t), false); r.Class != contract.StoreMisplaced || !strings.Contains(r.Message, "us-east-1") {
		t.Errorf("abroad: %+v", r)
	}
	eu.Down(t)
	if r := call(t, place, eu.Credentials(t), false); r.Class != contract.StoreUnreachable || r.Message == "" {
		t.Errorf("down: %+v", r)
	}
	if n := len(us.Objects(t, "hotels")); n != 0 {
		t.Errorf("%d objects are abroad", n)
	}
}

// TestATenantsObjectsGoAndNobodyElses, parts of uploads that never ended too.
func TestATenantsObjectsGoAndNobodyElses(t *testing.T) {
	server := s3test.Start(t)
	place := server.Place(t, "hotels", "eu-central/hotel-berlin/")
	store, err := objectstore.Open(place, server.Credentials(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"files/a", "files/b", "backups/c", "d"} {
		if _, err := store.Put(t.Context(), key, strings.NewReader(key), -1); err != nil {
			t.Fatal(err)
		}
	}
	admin := server.Admin(t)
	if _, err := admin.NewMultipartUpload(t.Context(), "hotels", "eu-central/hotel-berlin/backups/killed", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	other := "eu-central/hotel-berlin-mitte/files/a"
	if _, err := admin.Client.PutObject(t.Context(), "hotels", other, strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	server.Down(t)
	if r := call(t, place, server.Credentials(t), true); r.Class != contract.StoreUnreachable || r.Removed != 0 {
		t.Errorf("down: %+v", r)
	}
	server.Up(t)
	if r := call(t, place, server.Credentials(t), true); r != (contract.BucketResult{Removed: 5}) {
		t.Errorf("emptied: %+v", r)
	}
	left := server.Objects(t, "hotels")
	if _, there := left[other]; len(left) != 1 || !there {
		t.Errorf("left are %v", left)
	}
}
