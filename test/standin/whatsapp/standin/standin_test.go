package standin

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const good = `{"messaging_product":"whatsapp","recipient_type":"individual","to":"4915112345678","type":"text","text":{"body":"Grüße","preview_url":false}}`

// send posts a request to send and gives status, code and id.
func send(t *testing.T, s *Server, path, token, body string) (status, code int, id string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var a struct {
		Messages []struct{ ID string }
		Error    struct{ Code int }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if len(a.Messages) == 1 {
		id = a.Messages[0].ID
	}
	return w.Code, a.Error.Code, id
}

func TestItIsAsStrictAsMeta(t *testing.T) {
	s := New(Number{PhoneNumberID: "1065", BusinessAccountID: "1022", AccessToken: "token", AppSecret: "secret"})
	defer s.Close()
	const path = "/v23.0/1065/messages"
	if status, _, id := send(t, s, path, "token", good); status != http.StatusOK || !strings.HasPrefix(id, "wamid.") {
		t.Errorf("a right request was answered %d", status)
	}
	for what, c := range map[string]struct {
		path, token, body string
		status, code      int
	}{
		"another token":        {path, "guess", good, 401, 190},
		"another number":       {"/v23.0/1066/messages", "token", good, 401, 190},
		"no product":           {path, "token", strings.Replace(good, `"whatsapp"`, `""`, 1), 400, 100},
		"a plus":               {path, "token", strings.Replace(good, "49151", "+49151", 1), 400, 100},
		"no text":              {path, "token", strings.Replace(good, "Grüße", "", 1), 400, 100},
		"a text that is long":  {path, "token", strings.Replace(good, "Grüße", strings.Repeat("ü", 4097), 1), 400, 100},
		"another type":         {path, "token", strings.Replace(good, `"type":"text"`, `"type":"template"`, 1), 400, 100},
		"a field that is none": {path, "token", strings.Replace(good, `"to"`, `"too"`, 1), 400, 100},
		"a form":               {path, "token", "to=4915112345678", 400, 100},
	} {
		if status, code, _ := send(t, s, c.path, c.token, c.body); status != c.status || code != c.code {
			t.Errorf("%s: answered %d, code %d", what, status, code)
		}
	}
	if n := len(s.Messages("")); n != 1 {
		t.Errorf("%d messages were taken, want 1", n)
	}
}

func TestStatusesAreSigned(t *testing.T) {
	got := make(chan string, 3)
	app := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("X-Hub-Signature-256") != Sign("secret", body) {
			t.Errorf("the signature is not that of the body (%v)", err)
		}
		got <- string(body)
	}))
	defer app.Close()
	s := New(Number{
		PhoneNumberID: "1065", BusinessAccountID: "1022", AccessToken: "token", AppSecret: "secret",
		WebhookURL: "https://example.com/webhooks/chat/whatsapp", Address: app.Listener.Addr().String(),
		CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: app.Certificate().Raw})),
	})
	defer s.Close()
	_, _, id := send(t, s, "/v23.0/1065/messages", "token", strings.Replace(good, `"type"`, `"biz_opaque_callback_data":"mine","type"`, 1))
	for _, status := range []string{"sent", "delivered", "read"} {
		body := <-got
		if !strings.Contains(body, `"status":"`+status+`"`) || !strings.Contains(body, `"biz_opaque_callback_data":"mine"`) || !strings.Contains(strings.ReplaceAll(body, `\/`, "/"), id) {
			t.Errorf("want %s of %s: %s", status, id, body)
		}
	}
}
