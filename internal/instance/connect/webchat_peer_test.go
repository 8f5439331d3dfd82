package connect

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/switchboard-operator/switchboard/internal/instance/webchat"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestAnotherImplementationOfWebSocketsAgrees: the library that serves is not its own judge.
func TestAnotherImplementationOfWebSocketsAgrees(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t), func(s *chat) { s.limits = webchat.Limits{PingEvery: 50 * time.Millisecond} })
	session := s.opens("")
	dialer := websocket.Dialer{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Subprotocols: []string{webchat.Protocol}, //nolint:gosec // httptest's own certificate
	}
	conn, response, err := dialer.DialContext(t.Context(), "wss"+strings.TrimPrefix(s.connector.URL, "https")+chatPath+"/socket", http.Header{"Origin": {site}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	response.Body.Close()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	pinged := 0
	answer := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		pinged++
		return answer(data)
	})
	write := func(f map[string]string) {
		t.Helper()
		if err := conn.WriteJSON(f); err != nil {
			t.Fatal(err)
		}
	}
	write(map[string]string{"type": "hello", "token": session.Token})
	write(map[string]string{"type": "message", "id": "a", "text": "Grüße 🗝"})
	seen := map[string]bool{}
	for !seen["welcome"] || !seen["ack"] || !seen["message"] || pinged < 2 {
		if seen["message"] && pinged < 2 { // what is read next comes after pings
			s.reply(session.address(), "Once more")
		}
		var f frame
		if err := conn.ReadJSON(&f); err != nil {
			t.Fatal(err)
		}
		seen[f.Type] = true
	}
	write(map[string]string{"type": "end"})
	for {
		if _, _, err = conn.ReadMessage(); err != nil {
			break
		}
	}
	if !websocket.IsCloseError(err, 4401) {
		t.Errorf("closed with %v", err)
	}
}
