package export_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/archive"
	"github.com/switchboard-operator/switchboard/internal/instance/export"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

const bucket = "handover"

// nothing takes an archive and keeps its resources and rows.
type taken struct{ rows int }

func (*taken) Head(archive.Head) error             { return nil }
func (*taken) Keys(map[int][]byte) error           { return nil }
func (k *taken) Row(string, []byte) error          { k.rows++; return nil }
func (*taken) File(string, int64, io.Reader) error { return nil }

// job runs the Job as the operator starts it, and gives what it tells.
func job(t *testing.T, d *pgtest.Database, place contract.ObjectStore, credentials, recipient string) (contract.Result, error) {
	t.Helper()
	keys, resources, log := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "log")
	write(t, filepath.Join(keys, contract.FileHashKeyPrefix+"1"), strings.Repeat("a", 32))
	write(t, filepath.Join(resources, contract.FileResources), "kind: Tenant\n")
	asked, err := json.Marshal(contract.Export{Recipient: recipient, Object: "hotel-berlin-3f9b1c64.tar.gz.age", Store: place})
	if err != nil {
		t.Fatal(err)
	}
	d.Setenv(t, contract.LoginRole(contract.ComponentExport, 1))
	for name, value := range map[string]string{
		contract.EnvTenant: "hotel-berlin", contract.EnvExport: string(asked), contract.EnvTerminationLog: log, addresshash.EnvDir: keys,
		export.EnvResourcesDir: resources, objectstore.EnvDir: credentials,
	} {
		t.Setenv(name, value)
	}
	ran := export.Command(t.Context(), slog.New(slog.DiscardHandler))
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	result, err := contract.DecodeResult(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return result, ran
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAnArchiveIsUploadedAndReadBack, to a store that is not ours.
func TestAnArchiveIsUploadedAndReadBack(t *testing.T) {
	server, d := s3test.Start(t), pgtest.New(t)
	place := server.Place(t, bucket, "leaving/")
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	result, err := job(t, d, place, server.Credentials(t), key.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	told := result.Export
	store, err := objectstore.Open(place, server.Credentials(t))
	if err != nil {
		t.Fatal(err)
	}
	object, err := store.Get(t.Context(), told.Object)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := io.ReadAll(object)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(stored)
	if told.SHA256 != hex.EncodeToString(sum[:]) || told.Bytes != int64(len(stored)) || told.Object != "hotel-berlin-3f9b1c64.tar.gz.age" {
		t.Errorf("told %+v of %d bytes", told, len(stored))
	}
	k := &taken{}
	manifest, err := archive.Read(bytes.NewReader(stored), k, key)
	if err != nil || manifest.Tenant != "hotel-berlin" || len(manifest.Documents) != 3 || k.rows == 0 {
		t.Errorf("it holds %+v, %v", manifest, err)
	}
}

// TestAnExportThatFailsSaysWhyAndLeavesNothing to be taken for an archive.
func TestAnExportThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	server, d := s3test.Start(t), pgtest.New(t)
	place := server.Place(t, bucket, "leaving/")
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	recipient := key.Recipient().String()
	wrong := t.TempDir()
	write(t, filepath.Join(wrong, contract.FileAccessKeyID), "nobody")
	write(t, filepath.Join(wrong, contract.FileSecretAccessKey), "nothing")
	with := func(change func(*contract.ObjectStore)) contract.ObjectStore {
		p := place
		change(&p)
		return p
	}
	for sentence, c := range map[string]struct {
		place                        contract.ObjectStore
		credentials, recipient, says string
	}{
		"wrong credentials":        {place, wrong, recipient, "asking where the bucket is"},
		"no such bucket":           {with(func(p *contract.ObjectStore) { p.Bucket = "none" }), server.Credentials(t), recipient, "no such bucket"},
		"another location":         {with(func(p *contract.ObjectStore) { p.Location = "us-east-1" }), server.Credentials(t), recipient, ""},
		"a recipient that is none": {place, server.Credentials(t), "age1nobody", "no age public key"},
	} {
		t.Run(sentence, func(t *testing.T) {
			result, err := job(t, d, c.place, c.credentials, c.recipient)
			if err == nil || result.Export != nil || result.Error == "" || !strings.Contains(result.Error, c.says) {
				t.Errorf("told %+v, %v", result, err)
			}
			store, err := objectstore.Open(place, server.Credentials(t))
			if err != nil {
				t.Fatal(err)
			}
			for o, err := range store.List(t.Context(), "") {
				t.Errorf("the store has %v, %v", o, err)
			}
		})
	}
}
