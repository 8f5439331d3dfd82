package objectstore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

const bucket = "hotel-berlin"

func open(t *testing.T, s *s3test.Server, change ...func(*contract.ObjectStore)) *objectstore.Store {
	t.Helper()
	place := s.Place(t, bucket, "hotel/")
	for _, c := range change {
		c(&place)
	}
	store, err := objectstore.Open(place, s.Credentials(t))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func put(t *testing.T, s *objectstore.Store, key, content string) {
	t.Helper()
	if n, err := s.Put(t.Context(), key, strings.NewReader(content), int64(len(content))); err != nil || n != int64(len(content)) {
		t.Fatalf("put %s: %d, %v", key, n, err)
	}
}

func get(t *testing.T, s *objectstore.Store, key string) (string, error) {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

// TestWhatIsStoredComesBackAndGoes, and its prefix keeps one tenant's from another's.
func TestWhatIsStoredComesBackAndGoes(t *testing.T) {
	server := s3test.Start(t)
	s := open(t, server)
	other := open(t, server, func(p *contract.ObjectStore) { p.Prefix = "inn" })
	if err := s.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, s, "files/a", "of a")
	put(t, s, "files/b", "")
	put(t, s, "backups/c", "of c")
	put(t, other, "files/a", "of the inn")
	if got, err := get(t, s, "files/a"); err != nil || got != "of a" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := get(t, s, "files/none"); !objectstore.Absent(err) {
		t.Errorf("of what is not there: %v", err)
	}
	if keys := list(t, s, "files/"); !slices.Equal(keys, []string{"files/a", "files/b"}) {
		t.Errorf("listed %v", keys)
	}
	gone, err := s.Remove(t.Context(), []string{"files/a", "files/b", "files/none"})
	slices.Sort(gone)
	if err != nil || !slices.Equal(gone, []string{"files/a", "files/b", "files/none"}) {
		t.Errorf("removed %v, %v", gone, err)
	}
	left := server.Objects(t, bucket)
	if len(left) != 2 || left["hotel/backups/c"] != "of c" || left["inn/files/a"] != "of the inn" {
		t.Errorf("left are %v", left)
	}
}

func list(t *testing.T, s *objectstore.Store, prefix string) (keys []string) {
	t.Helper()
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(o.Changed) > time.Hour || o.Size < 0 {
			t.Errorf("listed %+v", o)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// TestAStreamOfUnknownLengthIsStoredInParts, and one that breaks leaves nothing.
func TestAStreamOfUnknownLengthIsStoredInParts(t *testing.T) {
	server := s3test.Start(t)
	s := open(t, server)
	long := make([]byte, 40<<20)
	if _, err := rand.Read(long); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Put(t.Context(), "backups/long", bytes.NewReader(long), -1); err != nil || n != int64(len(long)) {
		t.Fatalf("stored %d bytes, %v", n, err)
	}
	if got, err := get(t, s, "backups/long"); err != nil || got != string(long) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	broken := errors.New("the server sent a message of type 'x'")
	if _, err := s.Put(t.Context(), "backups/broken", io.MultiReader(bytes.NewReader(long), failing{broken}), -1); !errors.Is(err, broken) {
		t.Errorf("a broken stream: %v", err)
	}
	if left := server.Objects(t, bucket); len(left) != 1 {
		t.Errorf("left are %d objects", len(left))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestPartsOfAKilledUploadAreRemoved, which no listing shows.
func TestPartsOfAKilledUploadAreRemoved(t *testing.T) {
	server := s3test.Start(t)
	s := open(t, server)
	admin := server.Admin(t)
	for _, key := range []string{"hotel/backups/killed", "inn/backups/of-another"} {
		id, err := admin.NewMultipartUpload(t.Context(), bucket, key, minio.PutObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := admin.PutObjectPart(t.Context(), bucket, key, id, 1, strings.NewReader("part"), 4, minio.PutObjectPartOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Abandon(t.Context(), "backups/", time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("one that may be under way: %d, %v", n, err)
	}
	if n, err := s.Abandon(t.Context(), "backups/", time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if left := server.Objects(t, bucket); len(left) != 1 {
		t.Errorf("left are %v", left)
	}
}

// TestNothingIsClaimedOfAStoreThatIsDown, and it goes on where it was when the store is back.
func TestNothingIsClaimedOfAStoreThatIsDown(t *testing.T) {
	server := s3test.Start(t)
	s := open(t, server)
	put(t, s, "files/a", "of a")
	server.Down(t)
	for doing, err := range map[string]error{
		"put": second(s.Put(t.Context(), "files/b", strings.NewReader("b"), 1)), "get": second(s.Get(t.Context(), "files/a")),
		"verify": s.Verify(t.Context()), "list": listed(t.Context(), s), "abandon": second(s.Abandon(t.Context(), "", time.Now())),
	} {
		if objectstore.Class(err) != contract.StoreUnreachable || objectstore.Absent(err) {
			t.Errorf("%s: %v", doing, err)
		}
	}
	if gone, err := s.Remove(t.Context(), []string{"files/a"}); len(gone) != 0 || objectstore.Class(err) != contract.StoreUnreachable {
		t.Errorf("removed %v, %v", gone, err)
	}
	server.Up(t)
	if gone, err := s.Remove(t.Context(), []string{"files/a"}); len(gone) != 1 || err != nil {
		t.Errorf("removed %v, %v", gone, err)
	}
}

func second[T any](_ T, err error) error { return err }

func listed(ctx context.Context, s *objectstore.Store) error {
	for _, err := range s.List(ctx, "") {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestABucketElsewhereIsRefused, whichever way the store tells: by what it answers, or by not taking a
// signature for another region.
func TestABucketElsewhereIsRefused(t *testing.T) {
	us := s3test.Start(t, s3test.In("us-west-2"))
	s := open(t, us, func(p *contract.ObjectStore) { p.Location = s3test.Location })
	err := s.Verify(t.Context())
	if objectstore.Class(err) != contract.StoreMisplaced || !strings.Contains(err.Error(), "us-west-2") || !strings.Contains(err.Error(), "eu-central-1") {
		t.Errorf("verified: %v", err)
	}
	if _, err := s.Put(t.Context(), "files/a", strings.NewReader("x"), 1); objectstore.Class(err) != contract.StoreMisplaced {
		t.Errorf("stored: %v", err)
	}
	if left := us.Objects(t, bucket); len(left) != 0 {
		t.Errorf("there are %v", left)
	}
}

// TestABucketThatKeepsVersionsIsRefused: what is deleted would stay in it.
func TestABucketThatKeepsVersionsIsRefused(t *testing.T) {
	server := s3test.Start(t, s3test.Versioned)
	s := open(t, server)
	if err := s.Verify(t.Context()); err != nil {
		t.Fatalf("before versioning: %v", err)
	}
	if err := server.Admin(t).EnableVersioning(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context()); objectstore.Class(err) != contract.StoreVersioned {
		t.Errorf("with versioning: %v", err)
	}
	if err := server.Admin(t).SuspendVersioning(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context()); objectstore.Class(err) != contract.StoreVersioned {
		t.Errorf("with versioning suspended: %v", err)
	}
}

// TestErrorsAreSortedAndTellNoSecret.
func TestErrorsAreSortedAndTellNoSecret(t *testing.T) {
	server := s3test.Start(t)
	place := server.Place(t, bucket, "hotel/")
	wrong := server.Credentials(t)
	secret := "a-secret-that-is-wrong"
	if err := os.WriteFile(filepath.Join(wrong, contract.FileSecretAccessKey), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere := place
	nowhere.Bucket = "hotel-nowhere"
	untrusted := place
	untrusted.CABundle = ""
	for sentence, c := range map[string]struct {
		place contract.ObjectStore
		dir   string
		class string
	}{
		"a wrong secret":       {place, wrong, contract.StoreDenied},
		"no credentials":       {place, t.TempDir(), contract.StoreUnreadable},
		"no such bucket":       {nowhere, server.Credentials(t), contract.StoreNoBucket},
		"an unknown authority": {untrusted, server.Credentials(t), contract.StoreUnreachable},
	} {
		s, err := objectstore.Open(c.place, c.dir)
		if err != nil {
			t.Fatal(err)
		}
		gone, removing := s.Remove(t.Context(), []string{"files/0123"})
		if len(gone) != 0 {
			t.Errorf("%s: removed %v", sentence, gone)
		}
		for doing, err := range map[string]error{
			"verify": s.Verify(t.Context()), "put": second(s.Put(t.Context(), "files/0123", strings.NewReader("x"), 1)),
			"list": listed(t.Context(), s), "remove": removing,
		} {
			if objectstore.Class(err) != c.class {
				t.Errorf("%s, %s: class %s: %v", sentence, doing, objectstore.Class(err), err)
			}
			for _, word := range []string{secret, "0123", "s3testaccount", "hotel/"} {
				if strings.Contains(fmt.Sprint(err), word) {
					t.Errorf("%s, %s: it tells %q: %v", sentence, doing, word, err)
				}
			}
		}
	}
}

// TestRotatedCredentialsCountAtOnce.
func TestRotatedCredentialsCountAtOnce(t *testing.T) {
	server := s3test.Start(t)
	dir := server.Credentials(t)
	right, err := os.ReadFile(filepath.Join(dir, contract.FileSecretAccessKey))
	if err != nil {
		t.Fatal(err)
	}
	s, err := objectstore.Open(server.Place(t, bucket, ""), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, contract.FileSecretAccessKey), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context()); objectstore.Class(err) != contract.StoreDenied {
		t.Errorf("with the old secret: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, contract.FileSecretAccessKey), right, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Errorf("with the new one: %v", err)
	}
}

// TestAPlaceThatIsNoneIsRefused before anything is asked.
func TestAPlaceThatIsNoneIsRefused(t *testing.T) {
	for _, endpoint := range []string{"", "http://s3.example", "https://", "https://user:pass@s3.example", "https://s3.example/path", "https://s3.example?x"} {
		_, err := objectstore.Open(contract.ObjectStore{Endpoint: endpoint, Location: "eu", Bucket: "b"}, t.TempDir())
		if objectstore.Class(err) != contract.StoreUnreadable {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}
