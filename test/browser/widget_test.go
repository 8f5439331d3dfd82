//go:build browser

package browser_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/api"
	"github.com/switchboard-operator/switchboard/internal/instance/connect"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/wire"
)

const (
	hotel          = "https://www.hotel-berlin.example"
	chatHost       = "https://chat.hotel-berlin.example"
	chatPath       = "/webhooks/" + pgtest.OtherChannel + "/chat"
	identitySecret = "identity-secret-of-the-test-0123456789"
)

// TestTheWidget has widget.mjs use the guests' chat on pages of a client's site: the site, the connector and the staff's
// API are servers of their own, the connector behind a wire that can be cut.
func TestTheWidget(t *testing.T) {
	d := pgtest.New(t)
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		contract.FileHashKeyPrefix + "1": bytes.Repeat([]byte{1}, 32), contract.FileIdentitySecret: []byte(identitySecret),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.Limits(t, map[string]int32{contract.CategoryMessages: 30})
	admin := d.Admin(t)
	if _, err := admin.Exec(t.Context(), "UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeWebChat, pgtest.OtherChannel); err != nil {
		t.Fatal(err)
	}
	staff := api.New(d.Serve(t), slog.New(slog.DiscardHandler), dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	line := wire.New(listener, nil)
	t.Cleanup(func() { _ = line.Close() })
	c := &chats{t: t, database: d, dir: dir, wire: line, channel: contract.WebChat{
		AllowedOrigins: []string{hotel}, Identity: contract.IdentityOptional, WelcomeText: "Welcome to Hotel Berlin.",
		PrivacyNoticeURL: hotel + "/privacy", SessionHours: 24, MaxMessageLength: 200,
	}}
	c.start()
	t.Cleanup(func() { c.stop() })
	site := httptest.NewUnstartedServer(http.HandlerFunc(page))
	site.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes: the browser does not know the certificate
	site.StartTLS()
	desk := httptest.NewServer(staff)
	steps := http.NewServeMux()
	steps.HandleFunc("POST /wire", func(_ http.ResponseWriter, r *http.Request) { line.Set(wire.State(r.URL.Query().Get("is"))) })
	steps.HandleFunc("POST /restart", func(w http.ResponseWriter, r *http.Request) {
		c.stop()
		if err := json.NewDecoder(r.Body).Decode(&c.channel); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		c.start()
	})
	steps.HandleFunc("POST /exec", func(w http.ResponseWriter, r *http.Request) {
		if _, err := admin.Exec(r.Context(), r.URL.Query().Get("statement")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	steps.HandleFunc("POST /query", func(w http.ResponseWriter, r *http.Request) {
		var answer string
		if err := admin.QueryRow(r.Context(), r.URL.Query().Get("statement")).Scan(&answer); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, answer)
	})
	director := httptest.NewServer(steps)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		staff.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ran
		for _, s := range []*httptest.Server{site, desk, director} {
			s.CloseClientConnections()
			s.Close()
		}
	})
	output, err := filepath.Abs("../output/browser")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(map[string]any{
		"hotel": hotel, "chat": chatHost + chatPath, "channel": c.channel, "steps": director.URL, "staff": desk.URL,
		"email": pgtest.StaffEmail, "password": pgtest.Password, "output": output, "signature": sign("4711"),
		"rules": fmt.Sprintf("MAP www.hotel-berlin.example:443 %s, MAP evil.example:443 %s, MAP chat.hotel-berlin.example:443 %s",
			site.Listener.Addr(), site.Listener.Addr(), line.Addr()),
	})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "widget.mjs")
	node.Env = append(os.Environ(), "SETTINGS="+string(settings))
	node.Stdout, node.Stderr = t.Output(), t.Output()
	if err := node.Run(); err != nil {
		t.Fatalf("the browser's test failed: %v", err)
	}
}

// chats is the connector of a web chat, which can be stopped and started with other settings.
type chats struct {
	t        *testing.T
	database *pgtest.Database
	dir      string
	channel  contract.WebChat
	wire     *wire.Wire
	stop     func()
}

func (c *chats) start() {
	pool := c.database.Connector(c.t, pgtest.OtherChannel)
	channel := c.channel
	connector, err := connect.New(connect.Config{
		Channel:   contract.Channel{Name: pgtest.OtherChannel, Type: contract.ChannelTypeWebChat, WebChat: &channel},
		PublicURL: chatHost, Pool: pool, ChannelDir: c.dir, KeysDir: c.dir, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		c.t.Error(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- connector.Run(ctx) }()
	server := httptest.NewUnstartedServer(connector.Handler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // as the site's
	server.StartTLS()
	c.wire.Lead(wire.To(server.Listener.Addr().String()))
	c.stop = func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Errorf("the connector ended with: %v", err)
		}
		server.CloseClientConnections()
		server.Close()
		pool.Close()
	}
}

// strict lets a page have the widget, and nothing else beside: no style, no frame, no text as script or markup.
const strict = "default-src 'none'; script-src " + chatHost + "; connect-src " + chatHost + " wss://chat.hotel-berlin.example; " +
	"base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// sign vouches for a user, as the site's server does.
func sign(user string) string {
	mac := hmac.New(sha256.New, []byte(identitySecret))
	mac.Write([]byte(user))
	return hex.EncodeToString(mac.Sum(nil))
}

// page is one of the client's site. The query says what is in it: lang of the page, each attribute of the tag, style, script.
func page(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if !q.Has("style") && !q.Has("script") {
		w.Header().Set("Content-Security-Policy", strict)
	}
	user, signed := q.Get("user"), ""
	if user != "" {
		signed = sign(user)
	}
	if q.Has("hash") {
		signed = q.Get("hash")
	}
	var tag strings.Builder
	for name, value := range map[string]string{"data-lang": q.Get("tongue"), "data-user-id": user, "data-user-hash": signed, "data-storage": q.Get("storage"), "integrity": q.Get("integrity")} {
		if value != "" {
			fmt.Fprintf(&tag, " %s=%q", name, html.EscapeString(value))
		}
	}
	if q.Has("integrity") {
		tag.WriteString(" crossorigin")
	}
	src := html.EscapeString((&url.URL{Scheme: "https", Host: "chat.hotel-berlin.example", Path: chatPath + "/widget.js"}).String())
	again := ""
	if q.Has("twice") {
		again = fmt.Sprintf("<script src=%q async></script>", src)
	}
	own := ""
	for _, element := range []string{"style", "script"} {
		if q.Has(element) {
			own += "<" + element + ">" + q.Get(element) + "</" + element + ">"
		}
	}
	fmt.Fprintf(w, `<!doctype html><html lang=%q><head><title>Hotel</title>%s<script src=%q%s async></script>%s</head>
<body><main><h1>Hotel Berlin</h1><p>Rooms with a view.</p><button>Book</button></main></body></html>`,
		html.EscapeString(cmp.Or(q.Get("lang"), "en")), own, src, tag.String(), again)
}
