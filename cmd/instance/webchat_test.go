package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/webchat"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// What a connector may need at most with this many guests who have the page open and say nothing, in KiB; and when as many of them
// as it takes at once send files of the largest size, and fetch them.
const (
	idleGuests   = 2000
	maxChatRSS   = 150 << 10
	filesAtOnce  = 4
	maxFilesRSS  = 200 << 10
	chatFileSize = 16 << 20
)

// TestAConnectorOfTwoThousandIdleGuests opens a session and a socket for each, over TLS as a gateway does.
func TestAConnectorOfTwoThousandIdleGuests(t *testing.T) {
	d := pgtest.New(t)
	if _, err := d.Admin(t).Exec(t.Context(), "UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeWebChat, pgtest.Channel); err != nil {
		t.Fatal(err)
	}
	d.Setenv(t, contract.LoginRole(contract.ComponentConnector(pgtest.Channel), 1))
	keys := t.TempDir()
	if err := os.WriteFile(filepath.Join(keys, contract.FileHashKeyPrefix+"1"), bytes.Repeat([]byte("k"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	const origin = "https://www.hotel-berlin.example"
	channel, err := json.Marshal(contract.Channel{Name: pgtest.Channel, Type: contract.ChannelTypeWebChat, WebChat: &contract.WebChat{
		AllowedOrigins: []string{origin}, PrivacyNoticeURL: origin + "/privacy", SessionHours: 1, MaxMessageLength: 2000,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(contract.EnvTenant, "hotel-berlin")
	t.Setenv(contract.EnvPublicURL, "https://hotel-berlin.example")
	t.Setenv(contract.EnvChannel, string(channel))
	t.Setenv("SWITCHBOARD_TLS_DIR", d.Dir(t, "localhost"))
	t.Setenv("SWITCHBOARD_KEYS_DIR", keys)
	p := launch(t, "connect")
	path := public + "/webhooks/" + pgtest.Channel + "/chat"
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	sockets, told, tokens := make([]*websocket.Conn, idleGuests), make([]chan websocket.StatusCode, idleGuests), make([]string, idleGuests)
	for i := range told {
		told[i] = make(chan websocket.StatusCode, 1)
	}
	var files [filesAtOnce]chan []byte
	for i := range files {
		files[i] = make(chan []byte, 1)
	}
	join := func(i int) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, path+"/sessions", strings.NewReader("{}"))
		if err != nil {
			return err
		}
		request.Header = http.Header{
			"Origin": {origin}, "Content-Type": {"application/json"}, "X-Forwarded-For": {fmt.Sprintf("198.18.%d.%d", i>>8, i&255)}, "User-Agent": {"a browser"},
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		var session struct{ Token string }
		if err := json.NewDecoder(response.Body).Decode(&session); err != nil || session.Token == "" {
			return fmt.Errorf("a session was answered %s: %w", response.Status, err)
		}
		tokens[i] = session.Token
		sockets[i], _, err = websocket.Dial(ctx, path+"/socket", &websocket.DialOptions{ //nolint:bodyclose // the library's
			HTTPClient: client, Subprotocols: []string{webchat.Protocol}, HTTPHeader: http.Header{"Origin": {origin}},
		})
		if err != nil {
			return err
		}
		if err := sockets[i].Write(ctx, websocket.MessageText, []byte(`{"type":"hello","token":"`+session.Token+`"}`)); err != nil {
			return err
		}
		_, welcome, err := sockets[i].Read(ctx)
		if err != nil || !bytes.Contains(welcome, []byte(`"type":"welcome"`)) {
			return fmt.Errorf("welcomed by %s: %w", welcome, err)
		}
		// As a browser does: who does not read answers no ping, and is taken for gone before the last one has come.
		go func() {
			for {
				_, shown, err := sockets[i].Read(ctx)
				if err != nil {
					told[i] <- websocket.CloseStatus(err)
					return
				}
				if i < filesAtOnce {
					files[i] <- shown
				}
			}
		}()
		return nil
	}
	next, failed := make(chan int), make(chan error, idleGuests)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range next {
				if err := join(i); err != nil {
					failed <- err
				}
			}
		})
	}
	for i := range idleGuests {
		next <- i
	}
	close(next)
	all.Wait()
	close(failed)
	for err := range failed {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range sockets {
			_ = s.CloseNow()
		}
	})
	waitForMetric(ctx, t, fmt.Sprintf("switchboard_web_chat_sockets %d", idleGuests))
	p.staysWithin(t, maxChatRSS)
	// ask asks for something about files, as a page does, and gives what is answered.
	ask := func(i int, method, at string, body io.Reader) (int64, error) {
		request, err := http.NewRequestWithContext(ctx, method, path+"/files"+at, body)
		if err != nil {
			return 0, err
		}
		request.Header = http.Header{
			"Origin": {origin}, "Authorization": {"Bearer " + tokens[i]}, "Message-Id": {"f"}, "X-Forwarded-For": {fmt.Sprintf("198.18.0.%d", i)},
		}
		if body != nil {
			request.ContentLength = chatFileSize
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		n, err := io.Copy(io.Discard, response.Body)
		if err == nil && response.StatusCode >= http.StatusBadRequest {
			err = fmt.Errorf("a file was answered %s", response.Status)
		}
		return n, err
	}
	sendAndFetch := func(i int) error {
		content := io.LimitReader(io.MultiReader(strings.NewReader("%PDF-1.7 "), rand.NewChaCha8([32]byte{byte(i)})), chatFileSize)
		if _, err := ask(i, http.MethodPost, "", content); err != nil {
			return err
		}
		var frame []byte
		select {
		case frame = <-files[i]:
		case <-ctx.Done():
			return errors.New("the thread shows no file")
		}
		var shown struct{ Files []struct{ ID string } }
		if err := json.Unmarshal(frame, &shown); err != nil || len(shown.Files) != 1 {
			return fmt.Errorf("the thread shows %+v: %w", shown, err)
		}
		n, err := ask(i, http.MethodGet, "/"+shown.Files[0].ID, nil)
		if err == nil && n != chatFileSize {
			err = fmt.Errorf("%d bytes came back", n)
		}
		return err
	}
	sent := make(chan error, len(files))
	for i := range files {
		go func() { sent <- sendAndFetch(i) }()
	}
	for range files {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	p.staysWithin(t, maxFilesRSS)
	log := p.terminate(t)
	for _, code := range told {
		if code := <-code; code != websocket.StatusGoingAway {
			t.Fatalf("a guest is told %d in place of coming back elsewhere", code)
		}
	}
	if strings.Contains(log, "198.18.") {
		t.Error("the log holds a guest's address")
	}
}

// waitForMetric waits until the metrics have a line.
func waitForMetric(ctx context.Context, t *testing.T, line string) {
	t.Helper()
	metrics := strings.Replace(readiness, "/readyz", "/metrics", 1)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, metrics, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		_, err = b.ReadFrom(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), line+"\n") {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited for %s", line)
		case <-tick.C:
		}
	}
}
