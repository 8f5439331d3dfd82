package adopt_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/instance/export"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

// TestFilesInAStoreComeAlong, and an archive without one of them is not made.
func TestFilesInAStoreComeAlong(t *testing.T) {
	s := newStage(t)
	server := s3test.Start(t)
	var err error
	if s.objects, err = objectstore.Open(server.Place(t, "tenants", "hotel-berlin/"), server.Credentials(t)); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("a passport "), 300_000)
	err = pgx.BeginFunc(t.Context(), s.from.Admin(t), func(tx pgx.Tx) error {
		id, err := file.Keep(t.Context(), tx, s.objects, "image/png", content)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, file_id)
			SELECT md5('stored')::uuid, at, id, conversation_id, channel, 'passport.png', $1 FROM sb.message WHERE id = md5('m0')::uuid`, id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, state, source)
			SELECT md5('waiting')::uuid, at, id, conversation_id, channel, 'pending', 'https://provider.example/1' FROM sb.message WHERE id = md5('m0')::uuid`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	archive := s.export()
	if _, err := s.adopt(bytes.NewReader(archive), s.options()); err != nil {
		t.Fatal(err)
	}
	var got []byte
	if err := s.to.Admin(t).QueryRow(t.Context(), "SELECT lo_get(f.content) FROM sb.file f JOIN sb.attachment a ON a.file_id = f.id WHERE a.id = md5('stored')::uuid").Scan(&got); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes came, want %d: %v", len(got), len(content), err)
	}
	if state := rows(t, s.to.Admin(t), "SELECT state, reason, source FROM sb.attachment WHERE id = md5('waiting')::uuid"); len(state) != 1 || state[0] != `{"state":"refused","reason":"adopted","source":null}` {
		t.Errorf("what was still to be fetched is %v", state)
	}
	refused := func(what, says string, objects *objectstore.Store) {
		t.Helper()
		var b bytes.Buffer
		_, err := export.Run(t.Context(), s.from.Export(t), &b, export.Options{Tenant: former, Recipient: s.key.Recipient().String(), Keys: hashKeys, Log: discard, Objects: objects})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "nothing was exported") {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("without a store", "none is configured", nil)
	for key := range server.Objects(t, "tenants") {
		if _, err := s.objects.Remove(t.Context(), []string{strings.TrimPrefix(key, "hotel-berlin/")}); err != nil {
			t.Fatal(err)
		}
	}
	refused("without the object", "does not have the file", s.objects)
	server.Down(t)
	refused("a store that is down", "reading an object", s.objects)
}
