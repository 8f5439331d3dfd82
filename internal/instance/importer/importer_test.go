package importer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/importer"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// site is a tenant to import into.
type site struct {
	t     *testing.T
	db    *pgtest.Database
	serve *pgxpool.Pool
	admin *pgxpool.Pool
	keys  *addresshash.Keys
}

func start(t *testing.T) *site {
	t.Helper()
	keys, err := addresshash.Load(keysDir(t))
	if err != nil {
		t.Fatal(err)
	}
	db := pgtest.New(t)
	return &site{t, db, db.Serve(t), db.Admin(t), keys}
}

func keysDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+"1"), bytes.Repeat([]byte{7}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (s *site) run(text string) (importer.Summary, string, error) {
	s.t.Helper()
	var errs bytes.Buffer
	summary, err := importer.Run(s.t.Context(), s.serve, s.keys, false, strings.NewReader(text), &errs)
	return summary, errs.String(), err
}

func (s *site) mustRun(text string, want importer.Summary) {
	s.t.Helper()
	got, errs, err := s.run(text)
	if err != nil || got != want {
		s.t.Fatalf("summary %+v, want %+v; %v\n%s", got, want, err, errs)
	}
}

func (s *site) text(sql string, args ...any) string {
	s.t.Helper()
	var text string
	if err := s.admin.QueryRow(context.Background(), sql, args...).Scan(&text); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

func jsonLine(t *testing.T, fields map[string]any) string {
	t.Helper()
	all := map[string]any{"channel": pgtest.Channel, "address": "+4930901820", "at": "2026-01-31T18:04:05Z", "direction": "in", "body": "Hello"}
	for k, v := range fields {
		all[k] = v
		if v == nil {
			delete(all, k)
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func TestAHistoryIsImportedOnce(t *testing.T) {
	s := start(t)
	file := jsonLine(t, map[string]any{"body": "Ist mein Zimmer fertig?", "name": "Ada", "providerId": "SM1"}) +
		jsonLine(t, map[string]any{"body": "Ja, Nr. 12 🗝", "direction": "out", "at": "2026-01-31T20:05:00+01:00"}) +
		"\n" +
		jsonLine(t, map[string]any{"address": "+49 30 901820", "channel": pgtest.OtherChannel, "body": "Sauna?", "at": "2025-03-01T00:00:00.000001Z"}) +
		strings.TrimSuffix(jsonLine(t, map[string]any{"address": "+33142685300", "body": "Bonjour"}), "\n")
	s.mustRun(file, importer.Summary{Read: 4, Imported: 4})
	s.mustRun(file, importer.Summary{Read: 4, SkippedDuplicates: 4})
	s.mustRun(file+"\n"+jsonLine(t, map[string]any{"body": "Neu"}), importer.Summary{Read: 5, Imported: 1, SkippedDuplicates: 4})

	got := s.text(`SELECT string_agg(concat_ws('|', v.channel, g.name, a.address, m.at AT TIME ZONE 'UTC', m.direction, m.origin, m.status, b.body), E'\n' ORDER BY m.at, b.body COLLATE "C")
		FROM sb.message m JOIN sb.message_body b USING (at, id) JOIN sb.conversation v ON v.id = m.conversation_id
		JOIN sb.contact g ON g.id = v.contact_id JOIN sb.contact_address a ON a.contact_id = g.id`)
	want := `spa|Ada|+4930901820|2025-03-01 00:00:00.000001|in|import|received|Sauna?
front-desk||+33142685300|2026-01-31 18:04:05|in|import|received|Bonjour
front-desk|Ada|+4930901820|2026-01-31 18:04:05|in|import|received|Ist mein Zimmer fertig?
front-desk|Ada|+4930901820|2026-01-31 18:04:05|in|import|received|Neu
front-desk|Ada|+4930901820|2026-01-31 19:05:00|out|import|sent|Ja, Nr. 12 🗝`
	if got != want {
		t.Errorf("stored:\n%s\nwant:\n%s", got, want)
	}
	if n := s.text("SELECT count(*) FROM sb.contact"); n != "2" {
		t.Errorf("%s guests, want 2", n)
	}
	if at := s.text("SELECT (max(last_message_at) AT TIME ZONE 'UTC')::text FROM sb.conversation WHERE channel = $1", pgtest.Channel); at != "2026-01-31 19:05:00" {
		t.Errorf("the conversation's newest message is of %s", at)
	}
}

func TestDuplicatesInOneFileAreSkipped(t *testing.T) {
	s := start(t)
	one := jsonLine(t, map[string]any{"providerId": "SM1"})
	other := jsonLine(t, map[string]any{"providerId": "SM1", "body": "the same id on another channel", "channel": pgtest.OtherChannel})
	s.mustRun(one+one+other, importer.Summary{Read: 3, Imported: 2, SkippedDuplicates: 1})
}

func TestExpiredLinesAreImportedAndUnreadable(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryMessages: 30, contract.CategoryMessageMetadata: 30, contract.CategoryContacts: 30})
	old := time.Now().Add(-60 * 24 * time.Hour).UTC().Format(time.RFC3339)
	s.mustRun(jsonLine(t, map[string]any{"at": old}), importer.Summary{Read: 1, Imported: 1})
	if n := s.text("SELECT count(*) FROM sb.message_body"); n != "1" {
		t.Errorf("%s rows stored, want 1", n)
	}
	var visible int
	if err := s.serve.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM sb.message) + (SELECT count(*) FROM sb.message_body) + (SELECT count(*) FROM sb.contact)").Scan(&visible); err != nil {
		t.Fatal(err)
	}
	if visible != 0 {
		t.Errorf("serve sees %d expired rows", visible)
	}
}

func TestAGuestWhoExpiredDoesNotComeBackToLife(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryContacts: 30})
	ago := func(days int) string {
		return time.Now().Add(-time.Duration(days) * 24 * time.Hour).UTC().Format(time.RFC3339)
	}
	s.mustRun(jsonLine(t, map[string]any{"at": ago(60), "name": "Old"}), importer.Summary{Read: 1, Imported: 1})
	s.mustRun(jsonLine(t, map[string]any{"at": ago(50), "name": "Old"}), importer.Summary{Read: 1, Imported: 1})
	if n := s.text("SELECT count(*) FROM sb.contact"); n != "1" {
		t.Fatalf("%s guests after two expired lines, want 1", n)
	}
	s.mustRun(jsonLine(t, map[string]any{"at": ago(1)}), importer.Summary{Read: 1, Imported: 1})
	got := s.text("SELECT string_agg(c.name || ':' || (a.contact_id IS NOT NULL), ' ' ORDER BY c.last_seen_at) FROM sb.contact c LEFT JOIN sb.contact_address a ON a.contact_id = c.id")
	if got != "Old:false :true" {
		t.Errorf("guests and whether the address is theirs: %q", got)
	}
}

func TestOneFileMakesOneGuestWhateverTheAgeOfItsLines(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryContacts: 30})
	var file strings.Builder
	for i := range 2500 { // three batches, the oldest lines first
		at := time.Now().Add(-time.Duration(2500-i) * time.Hour).UTC().Format(time.RFC3339)
		file.WriteString(jsonLine(t, map[string]any{"at": at, "body": fmt.Sprint(i)}))
	}
	s.mustRun(file.String(), importer.Summary{Read: 2500, Imported: 2500})
	if n := s.text("SELECT count(*) FROM sb.contact"); n != "1" {
		t.Errorf("%s guests, want 1", n)
	}
}

func TestTwoImportsAtOnceStoreEachMessageOnce(t *testing.T) {
	s := start(t)
	var file strings.Builder
	for i := range 3000 {
		file.WriteString(jsonLine(t, map[string]any{"address": fmt.Sprintf("+4930%07d", i%700), "body": fmt.Sprint(i)}))
	}
	imported := make(chan int, 2)
	for range 2 {
		go func() {
			summary, err := importer.Run(t.Context(), s.serve, s.keys, false, strings.NewReader(file.String()), &bytes.Buffer{})
			if err != nil {
				t.Error(err)
			}
			imported <- summary.Imported
		}()
	}
	if n := <-imported + <-imported; n != 3000 {
		t.Errorf("%d imported by both, want 3000", n)
	}
	if n := s.text("SELECT count(*) || ' of ' || (SELECT count(*) FROM sb.contact) FROM sb.message"); n != "3000 of 700" {
		t.Errorf("stored messages of guests: %s, want 3000 of 700", n)
	}
}

func TestTheCommandReadsItsPod(t *testing.T) {
	s := start(t)
	s.db.Setenv(t, contract.LoginRole(contract.ComponentServe, 1))
	t.Setenv(addresshash.EnvDir, keysDir(t))
	file := filepath.Join(t.TempDir(), "history.jsonl")
	if err := os.WriteFile(file, []byte(jsonLine(t, nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		options importer.Options
		want    string
	}{
		{importer.Options{File: file, Check: true}, `{"read":1,"imported":0,"skippedDuplicates":0}`},
		{importer.Options{File: file}, `{"read":1,"imported":1,"skippedDuplicates":0}`},
		{importer.Options{File: file}, `{"read":1,"imported":0,"skippedDuplicates":1}`},
	} {
		var out, errs bytes.Buffer
		if err := importer.Command(t.Context(), slog.New(slog.DiscardHandler), step.options, strings.NewReader(""), &out, &errs); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(out.String()); got != step.want {
			t.Errorf("%+v: printed %s, want %s", step.options, got, step.want)
		}
	}
	if err := importer.Command(t.Context(), slog.New(slog.DiscardHandler), importer.Options{File: file + ".no"}, nil, nil, nil); err == nil {
		t.Error("a file that does not exist was imported")
	}
}

func TestTwentyThousandLines(t *testing.T) {
	s := start(t)
	var file strings.Builder
	for i := range 20_000 {
		at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 20 * time.Minute).Format(time.RFC3339)
		file.WriteString(jsonLine(t, map[string]any{"address": fmt.Sprintf("+4930%07d", i%4000), "at": at, "body": fmt.Sprint("message ", i)}))
	}
	begin := time.Now()
	s.mustRun(file.String(), importer.Summary{Read: 20_000, Imported: 20_000})
	t.Logf("20,000 lines of 4,000 guests in %s", time.Since(begin).Round(time.Millisecond))
	s.mustRun(file.String(), importer.Summary{Read: 20_000, SkippedDuplicates: 20_000})
}
