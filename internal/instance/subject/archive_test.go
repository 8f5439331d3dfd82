package subject_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/api"
)

// TestAnArchiveIsForThePersonOnceAndThenGone downloads it through the server, decrypts
// it with the person's own key and reads it.
func TestAnArchiveIsForThePersonOnceAndThenGone(t *testing.T) {
	s := newStage(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	// More than a piece, so that it goes in several.
	s.exec("INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, file_id) SELECT gen_random_uuid(), now(), gen_random_uuid(), md5('vanna')::uuid, 'spa', 'film', sb.add_file('video/mp4', string_agg(sha512(i::text::bytea), '')) FROM generate_series(1, 250000) i")
	q, p := request(contract.RequestAccess, "uid-1"), s.person(contract.KindPhone, anna)
	q.ArchiveKey, p.Token = identity.Recipient().String(), strings.Repeat("t", 43)
	result := s.carryOut(q, p)
	if result.ArchiveID == "" || sum(result.Done) < sum(result.Found) {
		t.Fatalf("result %+v", result)
	}
	server := httptest.NewServer(api.New(s.d.Serve(t), slog.New(slog.DiscardHandler), t.TempDir()))
	defer server.Close()
	fetch := func(method, token string) (int, []byte) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/api/v1/archives/"+result.ArchiveID, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, body
	}
	for what, status := range map[string]int{"wrong": http.StatusNotFound, "": http.StatusNotFound} {
		if got, _ := fetch(http.MethodGet, what); got != status {
			t.Errorf("with token %q: %d", what, got)
		}
	}
	if got, _ := fetch(http.MethodHead, p.Token); got != http.StatusMethodNotAllowed {
		t.Errorf("HEAD: %d", got)
	}
	t.Run("a download that breaks off can be made again", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/archives/"+result.ArchiveID, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+p.Token)
		response, err := http.DefaultClient.Do(r)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", response, err)
		}
		response.Body.Close() // after the first bytes of some megabytes
		// It is logged that it began, when the server has taken all else back.
		for s.count("SELECT count(*) FROM sb.access_log WHERE route = '/api/v1/archives/{id}' AND status = 200") == 0 {
			if t.Context().Err() != nil {
				t.Fatal("the access log never told of the download")
			}
		}
		if n := s.count("SELECT count(*) FROM sb.archive"); n != 1 {
			t.Fatal("what was not sent whole is gone")
		}
		for s.count("SELECT count(*) FROM (SELECT FROM sb.archive FOR UPDATE SKIP LOCKED) q") == 0 {
			if t.Context().Err() != nil {
				t.Fatal("the connection that was cut off still holds the archive")
			}
		}
	})
	status, ciphertext := fetch(http.MethodGet, p.Token)
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, ciphertext)
	}
	if bytes.Contains(ciphertext, []byte("words of")) {
		t.Error("the archive is not encrypted")
	}
	if again, _ := fetch(http.MethodGet, p.Token); again != http.StatusNotFound {
		t.Errorf("a second download: %d", again)
	}
	if n := s.count("SELECT count(*) FROM sb.archive") + s.count("SELECT count(*) FROM pg_largeobject_metadata WHERE oid NOT IN (SELECT content FROM sb.file)"); n != 0 {
		t.Error("the archive is still in the database")
	}

	plain, err := age.Decrypt(bytes.NewReader(ciphertext), identity)
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
	content := map[string][]byte{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if content[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	for name, rows := range map[string]int{
		"contacts.json": 1, "messages.json": 7, "contents.json": 7, "attachments.json": 3, "web-chats.json": 1, "integration-data.json": 1,
		"testimonials.json": 1, "access-log.json": 1, "suppressions.json": 0, "consent-log.json": 0,
	} {
		var objects []map[string]any
		if err := json.Unmarshal(content[name], &objects); err != nil || len(objects) != rows {
			t.Errorf("%s has %d objects, %v; want %d", name, len(objects), err, rows)
		}
		if !strings.Contains(string(content["README.txt"]), name) {
			t.Errorf("README.txt does not explain %s", name)
		}
		for _, o := range objects {
			if file, ok := o["file"].(string); ok && len(content[file]) == 0 {
				t.Errorf("%s names %s, which is not there", name, file)
			}
			for field := range o {
				if field != "contact_id" && field != "channel" && field != "id" && !strings.Contains(string(content["README.txt"]), field) && field != "conversation_id" && field != "file_id" && field != "object_id" && field != "referrer" {
					t.Errorf("README.txt does not explain %s of %s", field, name)
				}
			}
		}
	}
	if !bytes.Contains(content["messages.json"], []byte(`"note"`)) {
		t.Error("what staff noted of the person is not there")
	}
	if !bytes.Contains(content["contents.json"], []byte("words of anna")) || bytes.Contains(all, []byte("words of ben")) || bytes.Contains(content["contents.json"], []byte("ben")) {
		t.Error("the archive has not the person's words, or another's")
	}
	if !bytes.Contains(content["contacts.json"], []byte(anna)) {
		t.Error("the archive lacks the person's number")
	}
}

func TestAnArchiveThatNobodyFetchesGoes(t *testing.T) {
	s := newStage(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	q, p := request(contract.RequestAccess, "uid-1"), s.person(contract.KindPhone, anna)
	q.ArchiveKey, p.Token = identity.Recipient().String(), strings.Repeat("t", 43)
	result := s.carryOut(q, p)
	s.exec("UPDATE sb.archive SET expires_at = now()")
	server := httptest.NewServer(api.New(s.d.Serve(t), slog.New(slog.DiscardHandler), t.TempDir()))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/archives/"+result.ArchiveID, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.Token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("an expired archive: %d", response.StatusCode)
	}
	if n := s.count("SELECT sb.archive_purge()"); n != 1 || s.count("SELECT count(*) FROM sb.archive") != 0 {
		t.Errorf("%d archives were purged", n)
	}
}

// TestAnArchiveHasNothingThatHasExpired: what nobody may read any more is not handed out either.
func TestAnArchiveHasNothingThatHasExpired(t *testing.T) {
	s := newStage(t)
	days := map[string]int32{}
	for _, category := range contract.Categories() {
		days[category] = 10
	}
	s.d.Limits(t, days)
	s.exec("SELECT sb.ensure_partition(now() - interval '20 days')")
	phone, _ := s.keys.Hashes(contract.KindPhone, anna)
	exported := func(category string) int64 {
		t.Helper()
		return s.count("SELECT count(*) FROM sb.subject_export(array_fill('phone'::text, ARRAY[cardinality($1::bytea[])]), $1, $2)", phone, category)
	}
	files := func() int64 {
		t.Helper()
		return s.count("SELECT count(*) FROM sb.subject_files(array_fill('phone'::text, ARRAY[cardinality($1::bytea[])]), $1)", phone)
	}
	if n := files(); n != 2 {
		t.Fatalf("%d files are handed out before", n)
	}
	for category, age := range map[string]string{
		contract.CategoryMessages:        "UPDATE sb.message_body SET at = at - interval '20 days' WHERE conversation_id = md5('vanna')::uuid",
		contract.CategoryMessageMetadata: "UPDATE sb.message SET at = at - interval '20 days' WHERE conversation_id = md5('vanna')::uuid",
		contract.CategoryAttachments:     "UPDATE sb.attachment SET at = at - interval '20 days' WHERE conversation_id = md5('vanna')::uuid",
		contract.CategoryWebChatSessions: "UPDATE sb.web_chat_session SET last_active_at = now() - interval '20 days'",
		contract.CategoryIntegrationData: "UPDATE sb.integration_data SET at = now() - interval '20 days'",
		contract.CategoryTestimonials:    "UPDATE sb.testimonial SET at = now() - interval '20 days'",
		contract.CategoryAccessLogs:      "UPDATE sb.access_log SET at = at - interval '20 days'",
		contract.CategoryContacts:        "UPDATE sb.contact SET last_seen_at = now() - interval '20 days'",
	} {
		if category != contract.CategoryMessages && category != contract.CategoryMessageMetadata && exported(category) == 0 {
			t.Errorf("%s: nothing is handed out before", category)
		}
		s.exec(age)
		if n := exported(category); n != 0 {
			t.Errorf("%s: %d rows that have expired are handed out", category, n)
		}
	}
	if n := files(); n != 0 {
		t.Errorf("%d files that have expired are handed out", n)
	}
}
