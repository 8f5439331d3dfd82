package connect

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/subject"
	"github.com/switchboard-operator/switchboard/internal/instance/webchat"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/internal/s3test"
)

// upload is what a page asks to send a file, as far as it is not as it should be.
type upload struct {
	origin, token, id, name string
	body                    io.Reader
	length                  int64
}

// answered is what the connector said of a file.
type answered struct {
	status  int
	header  http.Header
	Code    string
	Message string
	body    []byte
}

func (s *chat) does(request *http.Request, origin, token string) (a answered, err error) {
	if origin != "" {
		request.Header.Set("Origin", origin)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.connector.Client().Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.status, a.header = response.StatusCode, response.Header
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return a, err
	}
	if response.Header.Get("Content-Type") == "application/json" {
		err = json.Unmarshal(a.body, &a)
	}
	return a, err
}

func (s *chat) tries(u upload) (answered, error) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.connector.URL+chatPath+"/files", u.body)
	if err != nil {
		s.t.Fatal(err)
	}
	if u.length != 0 {
		request.ContentLength = u.length
	}
	request.Header.Set("Message-Id", u.id)
	request.Header.Set("File-Name", url.PathEscape(u.name))
	return s.does(request, u.origin, u.token)
}

// uploads sends a file as a page does.
func (s *chat) uploads(session guestSession, id, name string, content []byte) answered {
	s.t.Helper()
	a, err := s.tries(upload{site, session.Token, id, name, bytes.NewReader(content), 0})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// fetches asks for a file of a thread.
func (s *chat) fetches(origin, token, id string) answered {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.connector.URL+chatPath+"/files/"+id, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	a, err := s.does(request, origin, token)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// withStore gives the chat an object store.
func withStore(s *chat) {
	server := s3test.Start(s.t)
	store, err := objectstore.Open(server.Place(s.t, "tenants", "hotel-berlin/"), server.Credentials(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	s.objects = store
}

func TestAGuestsFileIsKeptOnce(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]func(*chat){"in the database": func(*chat) {}, "in the store": withStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newChat(t, pgtest.New(t), where)
			session := s.opens("guest-4711")
			b, _ := s.comes(session, "")
			picture := png(3 << 20)
			first := s.uploads(session, "f-1", `C:\fakepath\Zimmer 7.png`, picture)
			if first.status != http.StatusCreated || first.Message == "" {
				t.Fatalf("answered %d %s", first.status, first.body)
			}
			if got := s.bytesOf(len(picture)); !bytes.Equal(got, picture) {
				t.Fatal("other bytes are kept")
			}
			shown := b.gets("message")
			if shown.ID != first.Message || shown.ClientID != "f-1" || len(shown.Files) != 1 || shown.Files[0].Name != "Zimmer 7.png" {
				t.Errorf("the thread shows %+v", shown)
			}
			// Sent again, by the same guest in another session too, it is the same message, and nothing more is kept.
			for _, again := range []guestSession{session, s.opens("guest-4711")} {
				if a := s.uploads(again, "f-1", "Zimmer 7.png", picture); a.status != http.StatusCreated || a.Message != first.Message {
					t.Errorf("again, it is answered %d %s", a.status, a.body)
				}
			}
			if n := s.count("SELECT (SELECT count(*) FROM sb.message) * 100 + (SELECT count(*) FROM sb.attachment WHERE state = 'stored') * 10 + (SELECT count(*) FROM sb.file)"); n != 111 {
				t.Errorf("messages, attachments and files: %d", n)
			}
			if n := s.count("SELECT count(*) FROM pg_largeobject_metadata"); s.objects == nil && n != 1 || s.objects != nil && n != 0 {
				t.Errorf("%d large objects", n)
			}
			got := s.fetches(site, session.Token, shown.Files[0].ID)
			if got.status != http.StatusOK || !bytes.Equal(got.body, picture) {
				t.Errorf("fetching it is answered %d", got.status)
			}
			// Another guest's id is another message.
			if a := s.uploads(s.opens(""), "f-1", "x.png", png(100)); a.status != http.StatusCreated || a.Message == first.Message {
				t.Errorf("another guest's is answered %d %s", a.status, a.body)
			}
		})
	}
}

func TestWhatIsNoFileForAChatIsRefusedAndStoredNowhere(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t), func(s *chat) { s.limits = webchat.Limits{Uploads: 4} })
	session, over := s.opens(""), s.opens("guest-4711")
	b, _ := s.comes(over, "")
	b.sends(map[string]any{"type": "end"})
	b.closed()
	content := func(of string) io.Reader { return strings.NewReader(of) }
	picture := string(png(1000))
	for name, c := range map[string]struct {
		u      upload
		status int
		code   string
	}{
		"another site's page":   {upload{"https://evil.example", session.Token, "a", "a.png", content(picture), 0}, http.StatusForbidden, "origin"},
		"no page":               {upload{"", session.Token, "a", "a.png", content(picture), 0}, http.StatusForbidden, "origin"},
		"nobody":                {upload{site, "", "a", "a.png", content(picture), 0}, http.StatusUnauthorized, "session-ended"},
		"a guess":               {upload{site, "guessed", "a", "a.png", content(picture), 0}, http.StatusUnauthorized, "session-ended"},
		"a session that ended":  {upload{site, over.Token, "a", "a.png", content(picture), 0}, http.StatusUnauthorized, "session-ended"},
		"no id":                 {upload{site, session.Token, "", "a.png", content(picture), 0}, http.StatusBadRequest, "bad-id"},
		"an id with a dot":      {upload{site, session.Token, "m.1", "a.png", content(picture), 0}, http.StatusBadRequest, "bad-id"},
		"an endless name":       {upload{site, session.Token, "a", strings.Repeat("a", 2000), content(picture), 0}, http.StatusBadRequest, "malformed"},
		"nothing":               {upload{site, session.Token, "a", "a.png", http.NoBody, 0}, http.StatusUnprocessableEntity, "empty"},
		"too much":              {upload{site, session.Token, "a", "a.png", bytes.NewReader(png(16<<20 + 1)), 0}, http.StatusRequestEntityTooLarge, "too-large"},
		"who knows how much":    {upload{site, session.Token, "a", "a.png", content(picture), -1}, http.StatusLengthRequired, "no-length"},
		"a page called picture": {upload{site, session.Token, "a", "a.png", content("<html><script>alert(1)</script></html>"), 0}, http.StatusUnprocessableEntity, "type-not-allowed"},
		"a drawing that runs":   {upload{site, session.Token, "b", "a.png", content("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"), 0}, http.StatusUnprocessableEntity, "type-not-allowed"},
	} {
		a, err := s.tries(c.u)
		if c.u.length > 0 && err != nil || err == nil && (a.status != c.status || a.Code != c.code) {
			t.Errorf("%s: answered %d %s, want %d %s", name, a.status, a.Code, c.status, c.code)
		} else if err != nil && c.code != "too-large" { // a client that is told while it sends may not hear it
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.count("SELECT (SELECT count(*) FROM sb.message) + (SELECT count(*) FROM sb.attachment) + (SELECT count(*) FROM sb.file) + (SELECT count(*) FROM pg_largeobject_metadata)"); n != 0 {
		t.Errorf("%d rows are stored", n)
	}
	for i := range 2 { // the session's third and fourth
		if a := s.uploads(session, fmt.Sprint("c-", i), "a.png", png(1000)); a.status != http.StatusCreated {
			t.Errorf("a picture is answered %d %s", a.status, a.body)
		}
	}
	// One more may have been let in meanwhile: every ten seconds.
	s.until("one too many to be refused", func() (bool, string) {
		a := s.uploads(session, uuid.NewString(), "a.png", png(1000))
		return a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") != "", fmt.Sprint(a.status, string(a.body))
	})
}

// stalled is a body whose second half never comes.
type stalled struct {
	first io.Reader
	cut   <-chan struct{}
}

func (s *stalled) Read(b []byte) (int, error) {
	if n, err := s.first.Read(b); err == nil {
		return n, nil
	}
	<-s.cut
	return 0, io.ErrUnexpectedEOF
}

func TestAFileThatWasCutOffIsSentAgainOrGivenUp(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t), func(s *chat) { s.uploadAge, s.limits = 15*time.Second, webchat.Limits{Uploads: 1000} })
	session := s.opens("")
	picture := png(2 << 20)
	cutOff := func(id string) {
		t.Helper()
		cut, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			_, err := s.tries(upload{site, session.Token, id, "a.png", &stalled{bytes.NewReader(picture[:1<<20]), cut}, int64(len(picture))})
			ended <- err
		}()
		s.until("half of the file to be there", func() (bool, string) {
			n := s.count("SELECT count(*) FROM sb.attachment WHERE state = 'pending' AND draft IS NOT NULL")
			return n == 1, fmt.Sprint(n)
		})
		// One of a session at a time.
		if a := s.uploads(session, "other", "a.png", picture); a.status != http.StatusTooManyRequests {
			t.Errorf("another beside it is answered %d %s", a.status, a.body)
		}
		close(cut)
		if err := <-ended; err == nil {
			t.Error("half a file was acknowledged")
		}
	}
	cutOff("a")
	s.until("the session to be free", func() (bool, string) {
		a := s.uploads(session, "a", "a.png", picture)
		return a.status == http.StatusCreated, string(a.body)
	})
	if got := s.bytesOf(len(picture)); !bytes.Equal(got, picture) {
		t.Error("other bytes are kept")
	}
	picture = png(3 << 20)
	cutOff("b")
	if got := s.attached(); len(got) != 2 || got[0] != "stored" || got[1] != "refused unavailable" {
		t.Errorf("the attachments are %q", got)
	}
	s.until("what is given up to be told", func() (bool, string) {
		a := s.uploads(session, "b", "a.png", picture)
		return a.status == http.StatusGone, fmt.Sprint(a.status, string(a.body))
	})
	if n := s.count("SELECT count(*) FROM pg_largeobject_metadata"); n != 1 {
		t.Errorf("%d large objects", n)
	}
}

// TestAFileThatNobodyWaitsForAnyMoreIsNotAcknowledged: its guest is erased while it is on its way.
func TestAFileThatNobodyWaitsForAnyMoreIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]func(*chat){"in the database": func(*chat) {}, "in the store": withStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newChat(t, pgtest.New(t), where)
			session := s.opens("")
			picture := png(15 << 20)
			body, page := io.Pipe()
			answers := make(chan answered, 1)
			go func() {
				a, _ := s.tries(upload{site, session.Token, "a", "a.png", body, int64(len(picture))})
				answers <- a
			}()
			if _, err := page.Write(picture[:14<<20]); err != nil {
				t.Fatal(err)
			}
			// More than sockets hold: it is being kept by now.
			s.exec("DELETE FROM sb.attachment")
			if _, err := page.Write(picture[14<<20:]); err != nil {
				t.Fatal(err)
			}
			if err := page.Close(); err != nil {
				t.Fatal(err)
			}
			if a := <-answers; a.status != http.StatusGone || a.Code != "gone" {
				t.Errorf("answered %d %s", a.status, a.body)
			}
			if n := s.count("SELECT count(*) FROM sb.file"); n != 0 {
				t.Errorf("%d files are kept", n)
			}
		})
	}
}

func TestAFileOfStaffIsItsGuestsAlone(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]func(*chat){"in the database": func(*chat) {}, "in the store": withStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newChat(t, pgtest.New(t), where)
			session, other := s.opens("guest-4711"), s.opens("")
			b, _ := s.comes(session, "")
			b.says("a", "Hello")
			b.stored("a", "Hello")
			picture := png(600_000)
			id := s.replyWith(userAddress("guest-4711"), "Your room", picture)
			shown := b.gets("message")
			if shown.From != "staff" || shown.Text != "Your room" || len(shown.Files) != 1 || shown.Files[0].State != "stored" || shown.Files[0].Size != len(picture) {
				t.Fatalf("the thread shows %+v", shown)
			}
			file := shown.Files[0]
			got := s.fetches(site, session.Token, file.ID)
			if got.status != http.StatusOK || !bytes.Equal(got.body, picture) {
				t.Fatalf("answered %d", got.status)
			}
			for header, want := range map[string]string{
				"Content-Disposition": `attachment; filename="file 0.png"`, "Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox", "Access-Control-Allow-Origin": site,
			} {
				if got.header.Get(header) != want {
					t.Errorf("%s: %q, want %q", header, got.header.Get(header), want)
				}
			}
			s.becomes(id, "sent")
			for name, c := range map[string]struct {
				origin, token, id string
				want              int
			}{
				"another guest":       {site, other.Token, file.ID, http.StatusNotFound},
				"nobody":              {site, "", file.ID, http.StatusUnauthorized},
				"a guess":             {site, "guessed", file.ID, http.StatusNotFound},
				"another site":        {"https://evil.example", session.Token, file.ID, http.StatusForbidden},
				"no file":             {site, session.Token, uuid.NewString(), http.StatusNotFound},
				"an id that is none":  {site, session.Token, "x", http.StatusNotFound},
				"the message's id":    {site, session.Token, id.String(), http.StatusNotFound},
				"the guest, at last":  {site, s.opens("guest-4711").Token, file.ID, http.StatusOK},
				"the guest's session": {site, session.Token, file.ID, http.StatusOK},
			} {
				if a := s.fetches(c.origin, c.token, c.id); a.status != c.want {
					t.Errorf("%s is answered %d, want %d", name, a.status, c.want)
				}
			}
			// What has expired is not there from that instant on.
			s.limit(contract.CategoryAttachments)
			s.exec("SELECT sb.ensure_partition(now() - interval '1 day')")
			s.exec("UPDATE sb.attachment SET at = at - interval '1 day'")
			s.exec("UPDATE sb.message SET at = at - interval '1 day'")
			s.exec("UPDATE sb.message_body SET at = at - interval '1 day'")
			if a := s.fetches(site, session.Token, file.ID); a.status != http.StatusNotFound {
				t.Errorf("an expired one is answered %d", a.status)
			}
			again, _ := s.comes(session, "")
			if f := again.shows("Hello", "Your room")[1]; len(f.Files) != 0 {
				t.Errorf("an expired one is shown: %+v", f)
			}
		})
	}
}

// TestAFileThatIsNotShownIsNotGiven: of a message that was not released, or whose words have expired, or whose guest is erased.
func TestAFileThatIsNotShownIsNotGiven(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*chat){
		"suppressed": func(s *chat) { s.exec("UPDATE sb.message SET status = 'suppressed' WHERE direction = 'out'") },
		"not released": func(s *chat) {
			s.exec("UPDATE sb.message SET thread_seq = NULL, status = 'queued' WHERE direction = 'out'")
		},
		"its words have expired": func(s *chat) {
			s.limit(contract.CategoryMessages)
			s.exec("SELECT sb.ensure_partition(now() - interval '1 day')")
			for _, table := range []string{"attachment", "message", "message_body"} {
				s.exec("UPDATE sb." + table + " SET at = at - interval '1 day'")
			}
		},
		"its guest is erased": func(s *chat) { s.requests(contract.RequestErasure, userAddress("guest-4711")) },
		"its session ended":   func(s *chat) { s.exec("UPDATE sb.web_chat_session SET expires_at = now()") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newChat(t, pgtest.New(t))
			session := s.opens("guest-4711")
			b, _ := s.comes(session, "")
			b.says("a", "Hello")
			b.stored("a", "Hello")
			s.becomes(s.replyWith(userAddress("guest-4711"), "", png(1000)), "sent")
			id := b.gets("message").Files[0].ID
			if a := s.fetches(site, session.Token, id); a.status != http.StatusOK {
				t.Fatalf("control: answered %d", a.status)
			}
			change(s)
			if a := s.fetches(site, session.Token, id); a.status != http.StatusNotFound {
				t.Errorf("answered %d", a.status)
			}
		})
	}
}

// TestAGuestsFileIsHandedOutAndErasedWithTheGuest, as those of other channels are.
func TestAGuestsFileIsHandedOutAndErasedWithTheGuest(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]func(*chat){"in the database": func(*chat) {}, "in the store": withStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newChat(t, pgtest.New(t), where)
			session := s.opens("guest-4711")
			picture := png(100_000)
			if a := s.uploads(session, "a", "a.png", picture); a.status != http.StatusCreated {
				t.Fatalf("answered %d %s", a.status, a.body)
			}
			a, err := person.Parse(contract.KindWebChat, userAddress("guest-4711"))
			if err != nil {
				t.Fatal(err)
			}
			identity, err := age.GenerateX25519Identity()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := subject.Run(t.Context(), s.database.Subject(t), contract.Request{
				Name: "access", UID: uuid.NewString(), Type: contract.RequestAccess, ReceivedAt: time.Now(), ArchiveKey: identity.Recipient().String(),
			}, "hotel-berlin", subject.Person{Addresses: []person.Address{a}, Keys: s.keys(), Token: strings.Repeat("t", 43), Objects: s.objects}); err != nil {
				t.Fatal(err)
			}
			var sealed []byte
			if err := s.admin.QueryRow(t.Context(), "SELECT lo_get(content) FROM sb.archive").Scan(&sealed); err != nil {
				t.Fatal(err)
			}
			plain, err := age.Decrypt(bytes.NewReader(sealed), identity)
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
			handed := false
			for _, f := range archive.File {
				r, err := f.Open()
				if err != nil {
					t.Fatal(err)
				}
				content, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				handed = handed || bytes.Equal(content, picture)
			}
			if !handed {
				t.Error("the archive has no such file")
			}
			s.requests(contract.RequestErasure, userAddress("guest-4711"))
			if n := s.count("SELECT (SELECT count(*) FROM sb.attachment) + (SELECT count(*) FROM sb.file) + (SELECT count(*) FROM sb.message)"); n != 0 {
				t.Errorf("%d rows outlive the guest", n)
			}
			if a := s.uploads(session, "b", "a.png", picture); a.status != http.StatusUnauthorized {
				t.Errorf("then, a file is answered %d %s", a.status, a.body)
			}
		})
	}
}

func TestABrowserAsksWhetherItMaySendFiles(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	for path, want := range map[string][2]string{
		"/files": {"POST", "Authorization, Content-Type, Message-Id, File-Name"}, "/files/" + uuid.NewString(): {"GET", "Authorization"}, "/sessions": {"POST", "Content-Type"},
	} {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodOptions, s.connector.URL+chatPath+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.does(request, site, "")
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Methods") != want[0] || a.header.Get("Access-Control-Allow-Headers") != want[1] ||
			a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s is answered %d %v", path, a.status, a.header)
		}
	}
}
