package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/api"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

var picture = append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), bytes.Repeat([]byte("a passport "), 60_000)...)

// bears stores a file with a message.
func (v thread) bears(message uuid.UUID, store *objectstore.Store, name string, content []byte) uuid.UUID {
	v.s.t.Helper()
	id := uuid.New()
	err := pgx.BeginFunc(v.s.t.Context(), v.s.admin, func(tx pgx.Tx) error {
		kept, err := file.Keep(v.s.t.Context(), tx, store, "image/png", content)
		if err != nil {
			return err
		}
		_, err = tx.Exec(v.s.t.Context(), `INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, file_id)
			SELECT $1, at, id, conversation_id, channel, $2, $3 FROM sb.message WHERE id = $4`, id, name, kept, message)
		return err
	})
	if err != nil {
		v.s.t.Fatal(err)
	}
	return id
}

type withFiles struct {
	Messages []struct {
		ID          uuid.UUID
		Attachments []struct {
			ID        uuid.UUID
			Name      string
			State     string
			Reason    *string
			MediaType *string
			Size      *int64
		}
	}
}

func TestStaffSeeAndSaveFiles(t *testing.T) {
	s := start(t)
	server := s3test.Start(t)
	store, err := objectstore.Open(server.Place(t, "tenants", "hotel-berlin/"), server.Credentials(t))
	if err != nil {
		t.Fatal(err)
	}
	both := httptest.NewServer(api.New(s.db.Serve(t), slog.New(slog.DiscardHandler), t.TempDir()).WithObjects(store))
	t.Cleanup(both.Close)
	s.url = both.URL
	s.db.Limits(t, map[string]int32{contract.CategoryAttachments: 30, contract.CategoryMessages: 90})
	v := s.guest("Anna", "+4915112345678", pgtest.Channel, s.now())
	m := v.wrote(s.now(), "look")
	ids := []uuid.UUID{v.bears(m, nil, `ein "Bad".exe`, picture), v.bears(m, store, "", append(picture, 'x'))}
	s.exec(`INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, state, reason) SELECT gen_random_uuid(), at, id, conversation_id, channel, 'refused', 'too-large'
		FROM sb.message WHERE id = $1`, m)

	var list withFiles
	s.do("GET", v.path()+"/messages", nil).want(http.StatusOK).into(&list)
	if len(list.Messages) != 1 || len(list.Messages[0].Attachments) != 3 {
		t.Fatalf("listed %+v", list)
	}
	for i, id := range ids {
		a := s.do("GET", "/api/v1/attachments/"+id.String(), nil).want(http.StatusOK)
		if len(a.body) != len(picture)+i || !bytes.HasPrefix(a.body, picture) {
			t.Errorf("%d bytes came, want %d", len(a.body), len(picture)+i)
		}
		for name, want := range map[string]string{"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if d := a.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") || !strings.Contains(d, ".png") {
			t.Errorf("saved as %s", d)
		}
		if p := a.header.Get("Content-Security-Policy"); !strings.Contains(p, "sandbox") || !strings.Contains(p, "default-src 'none'") {
			t.Errorf("shown under %s", p)
		}
		if n := s.count("SELECT count(*) FROM sb.access_log WHERE route = '/api/v1/attachments/{id}' AND object_id = $1 AND status = 200 AND staff_id IS NOT NULL", v.id); n != i+1 {
			t.Errorf("%d entries in the access log", n)
		}
	}
	server.Down(t)
	s.do("GET", "/api/v1/attachments/"+ids[1].String(), nil).want(http.StatusServiceUnavailable)
	server.Up(t)

	s.exec("UPDATE sb.attachment SET at = at - interval '31 days' WHERE id = $1", ids[0])
	s.do("GET", "/api/v1/attachments/"+ids[0].String(), nil).want(http.StatusNotFound)
	s.exec("DELETE FROM sb.attachment WHERE id = $1", ids[1])
	s.do("GET", "/api/v1/attachments/"+ids[1].String(), nil).want(http.StatusNotFound)
	s.do("GET", v.path()+"/messages", nil).want(http.StatusOK).into(&list)
	if got := list.Messages[0].Attachments; len(got) != 1 || got[0].State != "refused" || *got[0].Reason != "too-large" || got[0].Size != nil {
		t.Errorf("left are %+v", got)
	}
	s.token = "x"
	s.do("GET", "/api/v1/attachments/"+ids[0].String(), nil).want(http.StatusUnauthorized)
}

// sends posts a reply as a form.
func (v thread) sends(message string, name string, content []byte, headers ...string) answer {
	v.s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if message != "" {
		if err := w.WriteField("message", message); err != nil {
			v.s.t.Fatal(err)
		}
	}
	if name != "" {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			v.s.t.Fatal(err)
		}
		if _, err := part.Write(content); err != nil {
			v.s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		v.s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(v.s.t.Context(), http.MethodPost, v.s.url+v.path()+"/messages", &b)
	if err != nil {
		v.s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+v.s.token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		v.s.t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		v.s.t.Fatal(err)
	}
	return answer{v.s.t, "POST a form", response.StatusCode, response.Header, got}
}

func TestStaffSendAFile(t *testing.T) {
	s := start(t)
	v := s.guest("Anna", "+4915112345678", pgtest.Channel, s.now())
	v.wrote(s.now(), "Hallo")
	var first, again struct {
		ID          uuid.UUID
		Attachments []struct{ MediaType string }
	}
	v.sends(`{"body":"your receipt"}`, "../../receipt.exe", picture, "Idempotency-Key", "1").want(http.StatusAccepted).into(&first)
	v.sends(`{"body":"your receipt"}`, "../../receipt.exe", picture, "Idempotency-Key", "1").want(http.StatusAccepted).into(&again)
	if first.ID != again.ID || len(first.Attachments) != 1 || first.Attachments[0].MediaType != "image/png" {
		t.Errorf("answered %+v and %+v", first, again)
	}
	v.sends(`{"body":"your receipt"}`, "other.png", picture, "Idempotency-Key", "1").want(http.StatusUnprocessableEntity)
	if n := s.count("SELECT count(*) FROM sb.attachment a JOIN sb.message m ON m.id = a.message_id AND m.at = a.at WHERE a.name = 'receipt.exe'"); n != 1 {
		t.Errorf("%d files are stored, want 1 under the last part of its name", n)
	}
	if n := s.count("SELECT count(*) FROM " + contract.QueueSchema(pgtest.Channel) + ".river_job WHERE kind = 'send' AND args ->> 'files' = '1'"); n != 1 {
		t.Errorf("%d jobs to send it", n)
	}
	for name, c := range map[string]struct {
		message, file string
		content       []byte
		want          int
	}{
		"HTML":               {"", "a.png", []byte("<html><script>x</script></html>"), http.StatusUnprocessableEntity},
		"too large":          {"", "a.png", append(picture, make([]byte, 17<<20)...), http.StatusRequestEntityTooLarge},
		"empty":              {"", "a.png", nil, http.StatusBadRequest},
		"no file":            {`{"body":"x"}`, "", nil, http.StatusBadRequest},
		"no JSON":            {"x", "a.png", picture, http.StatusBadRequest},
		"too many words":     {`{"body":"` + strings.Repeat("x", 1025) + `"}`, "a.png", picture, http.StatusBadRequest},
		"with a template":    {`{"template":{"name":"a","language":"de"}}`, "a.png", picture, http.StatusBadRequest},
		"an unknown member":  {`{"to":"x"}`, "a.png", picture, http.StatusBadRequest},
		"a template for SMS": {`{"template":{"name":"a","language":"de"}}`, "a.png", picture, http.StatusBadRequest},
	} {
		if got := v.sends(c.message, c.file, c.content); got.status != c.want {
			t.Errorf("%s: answered %d, want %d: %s", name, got.status, c.want, got.body)
		}
	}
	// What a provider would refuse is refused here, with its limit. None of it is kept.
	of := func(size int) []byte { return append(bytes.Clone(picture), make([]byte, size-len(picture))...) }
	v.sends(`{"body":"x"}`, "a.png", of(5_000_000)).want(http.StatusUnprocessableEntity).saying("file-refused").saying("at most 5000000 bytes, and this one comes to 5000001", `"maxBytes":5000000`)
	s.exec("UPDATE sb.channel SET type = 'WhatsApp' WHERE name = $1", pgtest.Channel)
	v.sends("", "a.png", of(5_000_001)).want(http.StatusUnprocessableEntity).saying("image/png of at most 5000000 bytes")
	v.sends("", "a.amr", append([]byte("#!AMR\n"), make([]byte, 16_000_000)...)).want(http.StatusUnprocessableEntity).saying("audio/amr of at most 16000000 bytes")
	s.exec("UPDATE sb.channel SET type = 'Messenger' WHERE name = $1", pgtest.Channel)
	v.sends(`{"body":"your receipt"}`, "a.png", picture).want(http.StatusUnprocessableEntity)
	s.exec("UPDATE sb.channel SET type = 'Carrier pigeon' WHERE name = $1", pgtest.Channel)
	v.sends("", "a.png", picture).want(http.StatusUnprocessableEntity)
	if n := s.count("SELECT count(*) FROM sb.file"); n != 1 {
		t.Errorf("%d files are stored", n)
	}
	s.exec("UPDATE sb.channel SET type = 'Telegram' WHERE name = $1", pgtest.Channel)
	s.exec("UPDATE sb.contact_address SET kind = sb.address_kind($1)", pgtest.Channel)
	v.sends("", "a.png", of(12<<20)).want(http.StatusAccepted)
	s.token = "x"
	v.sends("", "a.png", picture).want(http.StatusUnauthorized)
}

// TestAFileIsNoWayAroundAnOptOut: it is a message like any other.
func TestAFileIsNoWayAroundAnOptOut(t *testing.T) {
	s := start(t)
	v := s.guest("Anna", "+4915112345678", pgtest.Channel, s.now())
	v.wrote(s.now(), "STOP")
	s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ('*', $1, 1)", v.addressHash)
	v.sends("", "a.png", picture).want(http.StatusConflict)
	s.exec("UPDATE sb.channel SET type = 'WhatsApp' WHERE name = $1", pgtest.Channel)
	s.do("POST", v.path()+"/messages", map[string]any{"template": map[string]any{"name": "offer", "language": "de"}}).want(http.StatusConflict)
	if n := s.count("SELECT count(*) FROM sb.file") + s.count("SELECT count(*) FROM sb.message WHERE direction = 'out'"); n != 0 {
		t.Errorf("%d files and messages were stored", n)
	}
}

func TestATemplateIsAReplyAtAnyTime(t *testing.T) {
	s := start(t)
	v := s.guest("Anna", "+4915112345678", pgtest.Channel, s.now())
	v.wrote(s.now().Add(-25*time.Hour), "Hallo")
	reply := func() (got struct {
		Reply struct {
			FreeText      bool
			FreeTextUntil *time.Time
			Templates     bool
			Files         string
		}
	}) {
		s.do("GET", v.path(), nil).want(http.StatusOK).into(&got)
		return got
	}
	if r := reply().Reply; !r.FreeText || r.FreeTextUntil != nil || r.Templates || r.Files != "withWords" {
		t.Errorf("by SMS: %+v", r)
	}
	ask := map[string]any{"template": map[string]any{"name": "booking_reminder", "language": "en_US", "parameters": []string{"Anna", "6 pm"}}}
	s.do("POST", v.path()+"/messages", ask).want(http.StatusUnprocessableEntity)
	s.exec("UPDATE sb.channel SET type = 'WhatsApp' WHERE name = $1", pgtest.Channel)
	s.exec("INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('whatsapp', $1, 1, '4915112345678', $2)", s.hash(contract.KindWhatsApp, "4915112345678"), v.guest)
	if r := reply().Reply; r.FreeText || !r.Templates {
		t.Errorf("by WhatsApp, after a day: %+v", r)
	}
	free := map[string]any{"body": "Are you still coming?"}
	s.do("POST", v.path()+"/messages", free).want(http.StatusConflict).saying("window-closed", "Send a template")
	s.exec("UPDATE sb.channel SET type = 'Messenger' WHERE name = $1", pgtest.Channel)
	s.exec("INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('messenger', $1, 1, '4711000001', $2)", s.hash(contract.KindMessenger, "4711000001"), v.guest)
	s.do("POST", v.path()+"/messages", free).want(http.StatusConflict).saying("window-closed", "another way")
	s.exec("UPDATE sb.channel SET type = 'WhatsApp' WHERE name = $1", pgtest.Channel)
	if n := s.count("SELECT count(*) FROM sb.message WHERE direction = 'out'"); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
	s.do("POST", v.path()+"/messages", ask).want(http.StatusAccepted).saying("booking_reminder", "Anna")
	var by json.RawMessage
	if err := s.admin.QueryRow(t.Context(), "SELECT template FROM sb.message_body WHERE template IS NOT NULL").Scan(&by); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(by), `"parameters": ["Anna", "6 pm"]`) {
		t.Errorf("stored as %s", by)
	}
	v.wrote(s.now().Add(-time.Hour), "Still there")
	if r := reply().Reply; !r.FreeText || r.FreeTextUntil == nil || time.Until(*r.FreeTextUntil) > 23*time.Hour || !r.Templates {
		t.Errorf("by WhatsApp, after an hour: %+v", r)
	}
	s.do("POST", v.path()+"/messages", free).want(http.StatusAccepted)
	s.exec("UPDATE sb.channel SET type = 'Messenger' WHERE name = $1", pgtest.Channel)
	if r := reply().Reply; !r.FreeText || r.Templates {
		t.Errorf("by Messenger: %+v", r)
	}
	for kind, files := range map[string]string{"Messenger": "alone", "WhatsApp": "withWords", "Telegram": "withWords", "SMPP": "none", "Carrier pigeon": "none"} {
		s.exec("UPDATE sb.channel SET type = $1 WHERE name = $2", kind, pgtest.Channel)
		if r := reply().Reply; r.Files != files {
			t.Errorf("by %s: %+v", kind, r)
		}
	}
	s.exec("UPDATE sb.channel SET type = 'WhatsApp' WHERE name = $1", pgtest.Channel)
	for name, template := range map[string]map[string]any{
		"a name with spaces": {"name": "booking reminder", "language": "de"}, "no language": {"name": "a"}, "a line break": {"name": "a", "language": "de", "parameters": []string{"a\nb"}},
		"an empty parameter": {"name": "a", "language": "de", "parameters": []string{""}}, "too many": {"name": "a", "language": "de", "parameters": make([]string, 21)},
	} {
		if got := s.do("POST", v.path()+"/messages", map[string]any{"template": template}); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	s.do("POST", v.path()+"/messages", map[string]any{"template": map[string]any{"name": "a", "language": "de"}, "body": "x"}).want(http.StatusBadRequest)
}
