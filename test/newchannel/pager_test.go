package newchannel

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/fuzztest"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const token = "a token of the account"

var _ provider.Provider = (*Provider)(nil)

func pager(t *testing.T, service http.HandlerFunc) *Provider {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.FileAuthToken), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(service)
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	p, err := New(Settings{Account: "hotel", APIBaseURL: server.URL, CABundle: string(ca)}, provider.Site{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func post(t *testing.T, p *Provider, secret, body string) (provider.Delivery, error) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	r := httptest.NewRequest(http.MethodPost, "/webhooks/desk/pager", nil)
	r.Header.Set("X-Pager-Signature", hex.EncodeToString(mac.Sum(nil)))
	return p.Webhooks()[0].Read(r, []byte(body))
}

func TestAPageComesIn(t *testing.T) {
	p := pager(t, nil)
	d, err := post(t, p, token, `{"id":"1","from":"+447700900123","text":"STOP\u0000"}`)
	if err != nil || len(d.Messages) != 1 || d.Messages[0].Body != "STOP\uFFFD" || d.Messages[0].From[0] != p.Addresses("+447700900123")[0] {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = post(t, p, token, `{"id":"1","status":"delivered"}`); err != nil || len(d.Statuses) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = post(t, p, token, `{"id":"1","from":"Hotel","text":"x"}`); err != nil || d.Unreadable != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	for _, c := range []struct {
		secret, body string
		status       int
	}{{"another", `{"id":"1","from":"+447700900123"}`, http.StatusForbidden}, {token, `[]`, http.StatusBadRequest}} {
		var rejected *provider.RejectedError
		if d, err = post(t, p, c.secret, c.body); !errors.As(err, &rejected) || rejected.Status != c.status || len(d.Messages) != 0 {
			t.Errorf("%s: %+v, %v", c.body, d, err)
		}
	}
}

func TestAPageGoesOut(t *testing.T) {
	status, answer := http.StatusOK, `{"id":"page-1"}`
	p := pager(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token || r.URL.Path != "/pages" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	})
	send := func() (provider.Sent, error) {
		return p.Send(t.Context(), provider.Outgoing{To: "+447700900123", Body: "Your room is ready."})
	}
	if sent, err := send(); err != nil || sent.ID != "page-1" {
		t.Errorf("%+v, %v", sent, err)
	}
	var notSent *provider.NotSentError
	var refused *provider.RefusedError
	var unknown *provider.UnknownError
	for s, into := range map[int]any{429: &notSent, 401: &notSent, 400: &refused, 500: &unknown, 302: &unknown} {
		status, answer = s, "{}"
		if _, err := send(); !errors.As(err, into) {
			t.Errorf("%d: %v", s, err)
		}
	}
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"id":"1","from":"+447700900123","text":"Hello"}`))
	f.Add([]byte("{\"id\":\"1\",\"text\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var d provider.Delivery
		var err error
		fuzztest.Bounded(t, len(body), 16<<10, func() { d, err = parse(body) })
		if err != nil && len(d.Messages)+len(d.Statuses) != 0 {
			t.Errorf("%v, and yet %+v", err, d)
		}
	})
}

// TestThePageSaysWhatIsBuilt holds docs/new-channel.md to this package, step by step, and to the files that it names.
func TestThePageSaysWhatIsBuilt(t *testing.T) {
	root := filepath.Join("..", "..")
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	page, source := read(filepath.Join(root, "docs", "new-channel.md")), read("pager.go")
	steps := regexp.MustCompile(`(?m)^// (step [0-9]+: .*|end)$`).FindAllStringIndex(source, -1)
	var shown []string
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(page, -1) {
		shown = append(shown, strings.TrimSpace(block[1]))
	}
	if len(shown) != len(steps)-1 || len(shown) == 0 {
		t.Fatalf("the page shows %d pieces of Go, the package has %d steps", len(shown), len(steps)-1)
	}
	for i, code := range shown {
		if want := strings.TrimSpace(source[steps[i][1]:steps[i+1][0]]); code != want {
			t.Errorf("piece %d of the page is not what is built; it is now\n%s", i+1, want)
		}
	}
	// The table says where the type is registered: each place must be there, and name a type that exists.
	places := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)` \\|").FindAllStringSubmatch(page, -1)
	if len(places) < 8 {
		t.Fatalf("the page names %d places", len(places))
	}
	for _, place := range places {
		if !strings.Contains(read(filepath.Join(root, filepath.FromSlash(place[1]))), place[2]) {
			t.Errorf("%s has no %q", place[1], place[2])
		}
	}
}
