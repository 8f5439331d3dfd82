package connect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/internal/s3test"
	"github.com/switchboard-operator/switchboard/test/standin/files"
	messenger "github.com/switchboard-operator/switchboard/test/standin/messenger/standin"
	telegram "github.com/switchboard-operator/switchboard/test/standin/telegram/standin"
	whatsapp "github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

// png is a picture of n bytes, as far as anybody looks.
func png(n int) []byte {
	b := bytes.Repeat([]byte("a passport "), n/11+1)[:n]
	copy(b, "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	return b
}

// sendsPictures delivers an MMS with files at addresses.
func (s *stage) sendsPictures(body string, at ...string) {
	s.t.Helper()
	f := form(newSID(), guest, body)
	f.Set("NumMedia", strconv.Itoa(len(at)))
	for i, u := range at {
		f.Set(fmt.Sprintf("MediaUrl%d", i), u)
		f.Set(fmt.Sprintf("MediaContentType%d", i), "image/png")
	}
	if status, answer := s.post(inboundPath, f); status != http.StatusOK {
		s.t.Fatalf("an MMS was answered %d: %s", status, answer)
	}
}

// attached waits until nothing is pending and gives the states of all attachments, oldest first.
func (s *stage) attached() []string {
	s.t.Helper()
	s.until("all files to be fetched", func() (bool, string) {
		n := s.count("SELECT count(*) FROM sb.attachment WHERE state = 'pending'")
		return n == 0, fmt.Sprint(n)
	})
	rows, err := s.admin.Query(context.Background(), "SELECT state || COALESCE(' ' || reason, '') FROM sb.attachment ORDER BY id")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var state string
		if err := rows.Scan(&state); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, state)
	}
	return all
}

// bytesOf reads the only file of a size.
func (s *stage) bytesOf(size int) []byte {
	s.t.Helper()
	var object, key *string
	var content []byte
	if err := s.admin.QueryRow(context.Background(), "SELECT object, object_key, CASE WHEN content IS NOT NULL THEN lo_get(content) END FROM sb.file WHERE size = $1", size).
		Scan(&object, &key, &content); err != nil {
		s.t.Fatalf("reading a file of %d bytes: %v", size, err)
	}
	if object == nil {
		return content
	}
	r, err := file.Open(context.Background(), s.objects, *object, *key)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	if content, err = io.ReadAll(r); err != nil {
		s.t.Fatal(err)
	}
	return content
}

// inStore is newStage with an object store.
func inStore(t *testing.T, d *pgtest.Database) (*stage, *s3test.Server) {
	t.Helper()
	server := s3test.Start(t)
	store, err := objectstore.Open(server.Place(t, "tenants", "hotel-berlin/"), server.Credentials(t))
	if err != nil {
		t.Fatal(err)
	}
	s := newStageWith(t, d, func(s *stage) { s.objects = store })
	return s, server
}

func TestFilesOfAnMMSAreFetchedOnce(t *testing.T) {
	for name, where := range map[string]func(*testing.T) *stage{
		"into the database": func(t *testing.T) *stage { t.Helper(); return newStage(t, pgtest.New(t)) },
		"into the store":    func(t *testing.T) *stage { t.Helper(); s, _ := inStore(t, pgtest.New(t)); return s },
	} {
		t.Run(name, func(t *testing.T) {
			s := where(t)
			large, small := png(3<<20), png(700)
			at := s.provider.URL + s.twilio.AddMedia(account, files.File{Content: large, Type: "image/png"})
			again := s.provider.URL + s.twilio.AddMedia(account, files.File{Content: large, Type: "text/html"})
			tiny := s.provider.URL + s.twilio.AddMedia(account, files.File{Content: small, Failures: 1})
			s.sendsPictures("Hallo, my passport", at, again, tiny)
			if got := s.attached(); strings.Join(got, ",") != "stored,stored,stored" {
				t.Fatalf("the attachments are %v", got)
			}
			if n := s.count("SELECT count(*) FROM sb.file"); n != 2 {
				t.Errorf("%d files, want 2: the same bytes are kept once", n)
			}
			for _, want := range [][]byte{large, small} {
				if got := s.bytesOf(len(want)); !bytes.Equal(got, want) {
					t.Errorf("a file of %d bytes came back as %d others", len(want), len(got))
				}
			}
			sum := sha256.Sum256(large)
			if n := s.count("SELECT count(*) FROM sb.file WHERE sha256 = $1 AND media_type = 'image/png'", sum[:]); n != 1 {
				t.Error("the digest is not that of the bytes")
			}
			if n := s.count("SELECT count(*) FROM sb.attachment a JOIN sb.message m ON m.id = a.message_id AND m.at = a.at AND m.conversation_id = a.conversation_id"); n != 3 {
				t.Errorf("%d attachments belong to their message and bear its time, want 3", n)
			}
			if n := s.count("SELECT count(*) FROM pg_largeobject_metadata") - s.count("SELECT count(*) FROM sb.file WHERE content IS NOT NULL"); n != 0 {
				t.Errorf("%d large objects belong to nothing", n)
			}
			if n := s.count("SELECT count(*) FROM sb.attachment WHERE source IS NOT NULL"); n != 0 {
				t.Errorf("%d attachments still bear the provider's address", n)
			}
		})
	}
}

func TestAReplayFetchesNothing(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	f := form(newSID(), guest, "look")
	f.Set("NumMedia", "1")
	f.Set("MediaUrl0", s.provider.URL+s.twilio.AddMedia(account, files.File{Content: png(2000)}))
	for range 3 {
		s.post(inboundPath, f)
	}
	s.attached()
	if n := s.count("SELECT count(*) FROM sb.attachment"); n != 1 {
		t.Errorf("%d attachments of a message that came three times", n)
	}
}

// TestWhatIsNotKeptIsTold: each message is stored and acknowledged all the same.
func TestWhatIsNotKeptIsTold(t *testing.T) {
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(png(100)) }))
	t.Cleanup(elsewhere.Close)
	program := append([]byte("MZ"), make([]byte, 200)...)
	copy(program[0x3c:], []byte{0x80, 0, 0, 0})
	copy(program[0x80:], "PE\x00\x00")
	for name, c := range map[string]struct {
		file files.File
		url  string // in place of the file's
		want string
	}{
		"too large by its length":    {file: files.File{Content: png(100), Length: media.MaxInbound + 1}, want: media.TooLarge},
		"too large without a length": {file: files.File{Content: png(100), Endless: media.MaxInbound + 1}, want: media.TooLarge},
		"HTML that is called a PNG":  {file: files.File{Content: []byte("<!DOCTYPE html><script>alert(1)</script>"), Type: "image/png"}, want: media.TypeNotAllowed},
		"SVG":                        {file: files.File{Content: []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), Type: "image/svg+xml"}, want: media.TypeNotAllowed},
		"a program":                  {file: files.File{Content: program, Type: "application/pdf"}, want: media.TypeNotAllowed},
		"an archive":                 {file: files.File{Content: append([]byte("PK\x03\x04"), make([]byte, 100)...)}, want: media.TypeNotAllowed},
		"a script":                   {file: files.File{Content: []byte("#!/bin/sh\nrm -rf /\n"), Type: "text/plain"}, want: media.TypeNotAllowed},
		"nothing":                    {file: files.File{Content: nil}, want: media.Empty},
		"gone at the provider":       {file: files.File{Content: png(100), Gone: true}, want: media.Gone},
		"a redirect to another host": {file: files.File{Content: png(100), Redirect: elsewhere.URL + "/x.png"}, want: media.WrongAddress},
		"a redirect without TLS":     {file: files.File{Content: png(100), Redirect: "http://mms.twiliocdn.com/x.png"}, want: media.WrongAddress},
		"a redirect to itself":       {file: files.File{Content: png(100), Redirect: "itself"}, want: media.WrongAddress},
		"another host":               {url: elsewhere.URL + "/x.png", want: media.WrongAddress},
		"the metadata of a cloud":    {url: "https://169.254.169.254/latest/meta-data", want: media.WrongAddress},
		"a file":                     {url: "file:///etc/passwd", want: media.WrongAddress},
		"credentials in the address": {url: "https://x:y@mms.twiliocdn.com/1", want: media.WrongAddress},
		"no address":                 {url: strings.Repeat("x", 3000), want: media.WrongAddress},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, pgtest.New(t))
			at := c.url
			if at == "" {
				at = s.provider.URL + s.twilio.AddMedia(account, c.file)
			}
			s.sendsPictures("look", at)
			if got := s.attached(); len(got) != 1 || got[0] != "refused "+c.want {
				t.Errorf("the attachment is %v, want it refused with %s", got, c.want)
			}
			if n := s.count("SELECT count(*) FROM sb.file") + s.count("SELECT count(*) FROM pg_largeobject_metadata"); n != 0 {
				t.Errorf("%d files or large objects were left", n)
			}
			if n := s.count("SELECT count(*) FROM sb.message_body WHERE body = 'look'"); n != 1 {
				t.Error("the message is not there")
			}
			if strings.Contains(s.log.String(), "/Media/ME") || strings.Contains(s.log.String(), elsewhere.URL) {
				t.Error("the log holds the provider's address of a guest's file")
			}
		})
	}
}

// TestWhatMayPassIsTriedAgain, and told when it never passes.
func TestWhatMayPassIsTriedAgain(t *testing.T) {
	for name, f := range map[string]files.File{
		"a body that stops":       {Content: png(100_000), Hang: true},
		"less than its length":    {Content: png(100_000), Length: 200_000},
		"a provider that is down": {Content: png(100), Failures: 1_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStageWith(t, pgtest.New(t), func(s *stage) { s.fetchTimeout = 500 * time.Millisecond })
			s.sendsPictures("look", s.provider.URL+s.twilio.AddMedia(account, f))
			s.until("a second try", func() (bool, string) {
				n := s.count("SELECT COALESCE(max(attempt), 0) FROM " + contract.QueueSchema(s.channel.Name) + ".river_job WHERE kind = 'fetch'")
				return n >= 2, fmt.Sprint(n)
			})
			if n := s.count("SELECT count(*) FROM sb.attachment WHERE state = 'pending'"); n != 1 {
				t.Fatal("it was given up at once")
			}
			s.exec("UPDATE sb.attachment SET at = at - interval '25 hours'")
			if got := s.attached(); len(got) != 1 || got[0] != "refused "+media.Unavailable {
				t.Errorf("after a day the attachment is %v", got)
			}
			if n := s.count("SELECT count(*) FROM sb.file") + s.count("SELECT count(*) FROM pg_largeobject_metadata"); n != 0 {
				t.Errorf("%d files or large objects were left", n)
			}
		})
	}
}

func TestAStoreThatIsDownClaimsNothing(t *testing.T) {
	s, server := inStore(t, pgtest.New(t))
	server.Down(t)
	s.sendsPictures("look", s.provider.URL+s.twilio.AddMedia(account, files.File{Content: png(50_000)}))
	s.until("a try that failed", func() (bool, string) {
		n := s.count("SELECT COALESCE(max(cardinality(errors)), 0) FROM " + contract.QueueSchema(s.channel.Name) + ".river_job WHERE kind = 'fetch'")
		return n >= 1, fmt.Sprint(n)
	})
	if n := s.count("SELECT count(*) FROM sb.attachment WHERE state = 'pending'"); n != 1 {
		t.Error("the attachment does not wait for the store")
	}
	if n := s.count("SELECT count(*) FROM sb.file"); n != 0 {
		t.Errorf("%d files are claimed to be kept", n)
	}
	server.Up(t)
	if got := s.attached(); len(got) != 1 || got[0] != "stored" {
		t.Errorf("once the store is up the attachment is %v", got)
	}
	if got := s.bytesOf(50_000); !bytes.Equal(got, png(50_000)) {
		t.Error("other bytes came back")
	}
}

// TestWhatExpiresOrIsErasedWhileItWaitsIsNotFetched: the provider is not even asked.
func TestWhatExpiresOrIsErasedWhileItWaitsIsNotFetched(t *testing.T) {
	for name, change := range map[string]string{
		"expired": "UPDATE sb.attachment SET at = at - interval '40 days'",
		"erased":  "DELETE FROM sb.attachment",
	} {
		t.Run(name, func(t *testing.T) {
			d := pgtest.New(t)
			d.Limits(t, map[string]int32{contract.CategoryAttachments: 30})
			s := newStage(t, d)
			path := s.twilio.AddMedia(account, files.File{Content: png(500_000), Hang: true})
			id := account + path[strings.LastIndex(path, "/")+1:]
			s.end() // the message comes by another connector, so to say
			s.whileDeaf(func() {
				s.sendsPictures("look", s.provider.URL+path)
				s.exec(change)
			})
			s.until("the job to end", func() (bool, string) {
				n := s.count("SELECT count(*) FROM " + contract.QueueSchema(s.channel.Name) + ".river_job WHERE kind = 'fetch' AND state = 'completed'")
				return n == 1, fmt.Sprint(n)
			})
			if n := s.twilio.Media.Asked(id); n != 0 {
				t.Errorf("the provider was asked %d times", n)
			}
			if n := s.count("SELECT count(*) FROM pg_largeobject_metadata"); n != 0 {
				t.Errorf("%d large objects were left", n)
			}
		})
	}
}

// TestAnErasureDuringAFetchLeavesNothing: what was fetched so far goes with its attachment, and the rest is not kept.
func TestAnErasureDuringAFetchLeavesNothing(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.sendsPictures("look", s.provider.URL+s.twilio.AddMedia(account, files.File{Content: png(3 << 20), Hang: true}))
	s.until("a piece to be kept", func() (bool, string) {
		n := s.count("SELECT count(*) FROM sb.attachment WHERE draft IS NOT NULL")
		return n == 1, fmt.Sprint(n)
	})
	s.exec("DELETE FROM sb.attachment")
	if n := s.count("SELECT count(*) FROM pg_largeobject_metadata"); n != 0 {
		t.Errorf("%d large objects were left", n)
	}
}

func TestALinkIsForOneFileAndAWhile(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.says(guest, "Hallo")
	content := png(300_000)
	id := s.replyWith(guest, "your receipt", content)
	s.until("the reply to be sent", func() (bool, string) {
		return len(s.twilio.Messages(guest)) == 1, fmt.Sprint(s.twilio.Messages(guest))
	})
	sent := s.twilio.Messages(guest)[0]
	if len(sent.MediaURLs) != 1 || sent.Body != "your receipt" {
		t.Fatalf("sent with %v", sent)
	}
	got, err := s.twilio.Fetch(t.Context(), sent.MediaURLs[0])
	if err != nil || got.Status != http.StatusOK || got.Type != "image/png" || !bytes.Equal(got.Content, content) {
		t.Fatalf("the link gives %d %s, %d bytes: %v", got.Status, got.Type, len(got.Content), err)
	}
	refused := func(what, link string) {
		t.Helper()
		if got, err := s.twilio.Fetch(t.Context(), link); err != nil || got.Status != http.StatusNotFound || bytes.Contains(got.Content, content[100:200]) {
			t.Errorf("%s: %d, %v", what, got.Status, err)
		}
	}
	changed := func(name, value string) string {
		u, err := url.Parse(sent.MediaURLs[0])
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	refused("a longer time", changed(paramEnd, strconv.FormatInt(time.Now().Add(48*time.Hour).Unix(), 10)))
	refused("another message", changed(paramMessage, uuid.NewString()))
	refused("no signature", changed(paramSign, ""))
	refused("another file", strings.Replace(sent.MediaURLs[0], "/media/", "/media/0", 1))
	var k messageKey
	var attachment uuid.UUID
	if err := s.admin.QueryRow(t.Context(), "SELECT m.id, m.at, a.id FROM sb.message m JOIN sb.attachment a ON a.message_id = m.id WHERE m.id = $1", id).Scan(&k.id, &k.at, &attachment); err != nil {
		t.Fatal(err)
	}
	over, err := s.running.link(k, attachment, time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	refused("one that is over", over)
	s.exec("DELETE FROM sb.attachment")
	refused("one whose file was erased", sent.MediaURLs[0])
	if strings.Contains(s.log.String(), sent.MediaURLs[0]) {
		t.Error("the log holds a link")
	}
}

// TestAReplyWhoseFileExpiredIsNotSentWithoutIt: half a message is none.
func TestAReplyWhoseFileExpiredIsNotSentWithoutIt(t *testing.T) {
	s := newStage(t, pgtest.New(t))
	s.says(guest, "Hallo")
	s.end()
	id := s.replyWith(guest, "your receipt", png(1000))
	s.exec("DELETE FROM sb.attachment")
	s.start()
	s.until("the reply to end", func() (bool, string) {
		n := s.count("SELECT count(*) FROM sb.message WHERE id = $1 AND status = 'failed' AND error_code = 'expired'", id)
		return n == 1, fmt.Sprint(n)
	})
	if n := len(s.twilio.Messages(guest)); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// TestEveryProvidersFilesAreFetched, which know their own ways to hand them out.
func TestEveryProvidersFilesAreFetched(t *testing.T) {
	content := png(900_000)
	stored := func(t *testing.T, s *stage, name string) {
		t.Helper()
		if got := s.attached(); len(got) == 0 || got[0] != "stored" {
			t.Fatalf("the attachments are %v", got)
		}
		if !bytes.Equal(s.bytesOf(len(content)), content) {
			t.Error("other bytes came back")
		}
		if n := s.count("SELECT count(*) FROM sb.attachment WHERE name = $1", name); n == 0 {
			t.Errorf("no file is called %q", name)
		}
	}
	t.Run("WhatsApp", func(t *testing.T) {
		s := newWhatsApp(t, pgtest.New(t))
		s.meta.Media.Put("1001", files.File{Content: content})
		s.meta.Media.Put("1002", files.File{Content: content, Gone: true})
		s.meta.Media.Put("1003", files.File{Content: content, Redirect: "https://10.0.0.1/x"})
		media := []whatsapp.Object{}
		for _, id := range []string{"1001", "1002", "1003", "../me"} {
			media = append(media, whatsapp.Object{"from": waGuest, "id": whatsapp.NewID(), "timestamp": "1749416383", "type": "document",
				"document": whatsapp.Object{"id": id, "filename": `C:\bills\the "bill".png`, "caption": "look"}})
		}
		if status, answer := s.deliver(s.number.Payload(s.number.Value(media, nil))); status != http.StatusOK {
			t.Fatalf("answered %d: %s", status, answer)
		}
		stored(t, s.stage, "the bill.png")
		for want, n := range map[string]int{"gone": 1, "wrong-address": 2} {
			if got := s.count("SELECT count(*) FROM sb.attachment WHERE reason = $1", want); got != n {
				t.Errorf("%d attachments are %s, want %d", got, want, n)
			}
		}
	})
	t.Run("Telegram", func(t *testing.T) {
		s := newTelegram(t, pgtest.New(t)).ready()
		s.api.Media.Put("AgAC-1_x", files.File{Content: content})
		s.api.Media.Put("AgAC-2", files.File{Content: content, Redirect: "../../etc/passwd"})
		s.api.Media.Put("AgAC-3", files.File{Content: content, Gone: true})
		for i, id := range []string{"AgAC-1_x", "AgAC-2", "AgAC-3"} {
			update := telegram.Object{"update_id": 77 + i, "message": telegram.Object{"message_id": 7 + i, "from": telegram.Object{"id": tgGuest, "is_bot": false},
				"chat": telegram.Object{"id": tgGuest, "type": "private"}, "document": telegram.Object{"file_id": id, "file_name": "room.png"}}}
			if status := s.delivers(update); status != http.StatusOK {
				t.Fatalf("answered %d", status)
			}
		}
		stored(t, s.stage, "room.png")
		for want, n := range map[string]int{"gone": 1, "wrong-address": 1} {
			if got := s.count("SELECT count(*) FROM sb.attachment WHERE reason = $1", want); got != n {
				t.Errorf("%d attachments are %s, want %d", got, want, n)
			}
		}
	})
	t.Run("Messenger", func(t *testing.T) {
		s := newMessenger(t, pgtest.New(t))
		s.meta.Media.Put("1", files.File{Content: content})
		over := s.meta.Media.Link("1", -time.Second)
		var all []messenger.Object
		for _, u := range []string{s.provider.URL + "/cdn/files/" + s.meta.Media.Link("1", time.Hour), s.provider.URL + "/cdn/files/" + over, "https://127.0.0.1:1/x"} {
			all = append(all, messenger.Object{"type": "image", "payload": messenger.Object{"url": u}})
		}
		event := messenger.Event(fbGuest, s.page.ID, time.Now(), messenger.Object{"message": messenger.Object{"mid": messenger.NewID(), "attachments": all}})
		if status, err := s.meta.Deliver(t.Context(), event); err != nil || status != http.StatusOK {
			t.Fatalf("answered %d: %v", status, err)
		}
		stored(t, s.stage, "")
		for want, n := range map[string]int{"gone": 1, "wrong-address": 1} {
			if got := s.count("SELECT count(*) FROM sb.attachment WHERE reason = $1", want); got != n {
				t.Errorf("%d attachments are %s, want %d", got, want, n)
			}
		}
	})
}

func TestFilesOfStaffAreSentAsEachProviderTakesThem(t *testing.T) {
	content := png(400_000)
	t.Run("WhatsApp", func(t *testing.T) {
		s := newWhatsApp(t, pgtest.New(t))
		s.writes(waGuest, "Hallo")
		s.replyWith(waGuest, "your room", content)
		s.until("a picture", func() (bool, string) { return len(s.meta.Messages(waGuest)) == 1, "none" })
		m := s.meta.Messages(waGuest)[0]
		if u := s.meta.Upload(m.File); m.Type != "image" || m.Body != "your room" || u.Type != "image/png" || !bytes.Equal(u.Content, content) {
			t.Errorf("sent as %+v", m)
		}
	})
	t.Run("Telegram", func(t *testing.T) {
		s := newTelegram(t, pgtest.New(t)).ready()
		s.writes(tgGuest, "Hallo")
		s.replyWith(strconv.FormatInt(tgGuest, 10), "your room", content)
		s.until("a picture", func() (bool, string) { return len(s.api.Messages(tgGuest)) == 1, "none" })
		if m := s.api.Messages(tgGuest)[0]; m.As != "photo" || m.Text != "your room" || m.FileName != "file 0.png" || !bytes.Equal(m.File, content) {
			t.Errorf("sent as %s %q %s", m.As, m.Text, m.FileName)
		}
		large := png(10_000_001)
		s.replyWith(strconv.FormatInt(tgGuest, 10), "", large)
		s.until("a large one", func() (bool, string) { return len(s.api.Messages(tgGuest)) == 2, fmt.Sprint(s.api.Attempts(tgGuest)) })
		if m := s.api.Messages(tgGuest)[1]; m.As != "document" || !bytes.Equal(m.File, large) {
			t.Errorf("a picture that Telegram does not take as one is sent as %s", m.As)
		}
	})
	t.Run("Messenger", func(t *testing.T) {
		s := newMessenger(t, pgtest.New(t))
		s.writes(fbGuest, "Hallo")
		s.replyWith(fbGuest, "", content)
		s.until("a picture", func() (bool, string) { return len(s.meta.Messages()) == 1, "none" })
		if m := s.meta.Messages()[0]; m.Type != "image" || !bytes.Equal(m.File, content) {
			t.Errorf("sent as %s, %d bytes", m.Type, len(m.File))
		}
	})
}

func TestATemplateIsSentAsMetaTakesIt(t *testing.T) {
	s := newWhatsApp(t, pgtest.New(t))
	s.meta.AddTemplate("booking_reminder", "en_US", 2)
	s.writes(waGuest, "Hallo")
	by := func(template string) uuid.UUID {
		t.Helper()
		s.end() // so that the template is there before the job is
		id := s.replyWith(waGuest, "[template]")
		s.exec("UPDATE sb.message_body SET template = $2 WHERE id = $1", id, template)
		s.start()
		return id
	}
	by(`{"name":"booking_reminder","language":"en_US","parameters":["Anna","6 pm"]}`)
	s.until("a template", func() (bool, string) { return len(s.meta.Messages(waGuest)) == 1, fmt.Sprint(s.meta.Attempts(waGuest)) })
	if m := s.meta.Messages(waGuest)[0]; m.Type != "template" || m.Template == nil || m.Template.Name != "booking_reminder" || len(m.Template.Components) != 1 ||
		m.Template.Components[0].Parameters[1].Text != "6 pm" || m.Body != "" {
		t.Errorf("sent as %+v", m)
	}
	for template, code := range map[string]string{
		`{"name":"booking_reminder","language":"en_US"}`: "132000", `{"name":"unknown","language":"en_US"}`: "132001",
	} {
		id := by(template)
		s.until("a refusal", func() (bool, string) {
			return s.count("SELECT count(*) FROM sb.message WHERE id = $1 AND status = 'failed' AND error_code = $2", id, code) == 1, template
		})
	}
	if !strings.Contains(s.log.String(), "another number of parameters") {
		t.Error("the log does not say what is wrong")
	}
}
