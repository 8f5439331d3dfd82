// Package openid holds the sign-in by a provider to one that others wrote: ZITADEL's, which is certified for what it does. It is a module
// of its own: what a provider is made of stays out of the project's.
package openid

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/api"
	"github.com/switchboard-operator/switchboard/internal/instance/openid"
	"github.com/switchboard-operator/switchboard/internal/instance/web"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const (
	client   = "switchboard"
	secret   = "what the provider and the tenant know"
	password = "of the directory's own"
)

// people are those of the directory, by their subject there.
type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User { return p[id] }

func (p people) GetUserByUsername(name string) *storage.User {
	for _, user := range p {
		if user.Username == name {
			return user
		}
	}
	return nil
}

func (p people) ExampleClientID() string { return "service" }

// system is a tenant's staff API over a real database, and the directory that its staff sign in by.
type system struct {
	t         *testing.T
	people    people
	directory *httptest.Server
	server    *httptest.Server
	admin     *pgxpool.Pool
	log       *safeBuffer
}

// start serves both; change may change what the tenant says of the provider.
func start(t *testing.T, change func(*contract.StaffOIDC)) *system {
	t.Helper()
	db := pgtest.New(t)
	s := &system{t: t, people: people{}, admin: db.Admin(t), log: &safeBuffer{}}
	s.people["4711"] = &storage.User{ID: "4711", Username: "eva", Password: password, Email: pgtest.StaffEmail, EmailVerified: true}
	var tenant http.Handler
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tenant.ServeHTTP(w, r) }))
	t.Cleanup(s.server.Close)
	var directory http.Handler
	s.directory = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { directory.ServeHTTP(w, r) }))
	t.Cleanup(s.directory.Close)
	app := storage.WebClient(client, secret, s.server.URL+contract.PathSignInReturn)
	directory = exampleop.SetupServer(s.directory.URL, storage.NewStorageWithClients(s.people, map[string]*storage.Client{client: app}), slog.New(slog.DiscardHandler), false)

	config := contract.StaffOIDC{
		Name: "Directory", Issuer: s.directory.URL, ClientID: client, CIDRs: []string{"127.0.0.1/32"}, VerifiedClaim: "email_verified",
		CABundle: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.directory.Certificate().Raw})),
	}
	if change != nil {
		change(&config)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{contract.FileClientSecret: []byte(secret), contract.FileHashKeyPrefix + "1": bytes.Repeat([]byte{1}, 32)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	provider, err := openid.New(config, dir, s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	pages := http.NewServeMux()
	pages.Handle("GET "+web.InboxPath, web.Inbox())
	pages.Handle("/", api.New(db.Serve(t), slog.New(slog.NewTextHandler(s.log, nil)), dir).WithProvider(provider))
	tenant = pages
	return s
}

// browser keeps cookies, follows the directory's redirects, and stops at those of the tenant.
type browser struct {
	s    *system
	http *http.Client
}

func (s *system) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	b := &browser{s: s, http: &http.Client{Jar: jar, Transport: s.directory.Client().Transport}}
	b.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if "https://"+r.URL.Host == s.server.URL {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return b
}

// do asks the tenant, as its page does.
func (b *browser) do(method, path string, body any) (int, string) {
	b.s.t.Helper()
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	r, err := http.NewRequestWithContext(b.s.t.Context(), method, b.s.server.URL+path, bytes.NewReader(text))
	if err != nil {
		b.s.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	status, _, said := b.send(r)
	return status, said
}

func (b *browser) send(r *http.Request) (status int, location, body string) {
	b.s.t.Helper()
	response, err := b.http.Do(r)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Location"), string(said)
}

// begin goes to the directory as the page has it.
func (b *browser) begin() string {
	b.s.t.Helper()
	status, said := b.do("POST", "/api/v1/sign-in/provider", nil)
	var begun struct{ URL string }
	if err := json.Unmarshal([]byte(said), &begun); err != nil || status != http.StatusCreated {
		b.s.t.Fatalf("beginning: %d %s", status, said)
	}
	return begun.URL
}

// enter signs somebody in at the directory, and gives where that sends the browser.
func (b *browser) enter(at, username string) string {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, at, nil)
	if err != nil {
		b.s.t.Fatal(err)
	}
	_, _, page := b.send(r)
	_, id, _ := strings.Cut(page, `name="id" value="`)
	id, _, found := strings.Cut(id, `"`)
	if !found {
		b.s.t.Fatalf("the directory shows no form: %s", page)
	}
	form := url.Values{"id": {id}, "username": {username}, "password": {password}}
	if r, err = http.NewRequestWithContext(b.s.t.Context(), http.MethodPost, b.s.directory.URL+"/login/username", strings.NewReader(form.Encode())); err != nil {
		b.s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, back, said := b.send(r)
	if !strings.HasPrefix(back, b.s.server.URL+contract.PathSignInReturn+"?") {
		b.s.t.Fatalf("the directory sends the browser to %q: %s", back, said)
	}
	return back
}

// back has the browser come back to the tenant, and gives where that sends it.
func (b *browser) back(to string) string {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, to, nil)
	if err != nil {
		b.s.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Referer", b.s.directory.URL+"/login/?state=secret")
	status, location, said := b.send(r)
	if status != http.StatusSeeOther {
		b.s.t.Fatalf("coming back: %d %s", status, said)
	}
	return location
}

// signIn goes the whole way.
func (b *browser) signIn(username string) string { return b.back(b.enter(b.begin(), username)) }

// me is whom the browser's session is of; "" without one.
func (b *browser) me() string {
	b.s.t.Helper()
	status, said := b.do("GET", "/api/v1/me", nil)
	var me struct{ Email string }
	if status != http.StatusOK {
		return ""
	}
	if err := json.Unmarshal([]byte(said), &me); err != nil {
		b.s.t.Fatal(err)
	}
	return me.Email
}

func (s *system) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.admin.Exec(context.Background(), sql, args...); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func (s *system) count(sql string, args ...any) int {
	s.t.Helper()
	var n int
	if err := s.admin.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
