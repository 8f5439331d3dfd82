package standin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const good = `{"recipient":{"id":"5551234567890"},"messaging_type":"RESPONSE","message":{"text":"Grüße","metadata":"mine"}}`

func TestItIsAsStrictAsMeta(t *testing.T) {
	s := New(Page{ID: "104512345678901", AccessToken: "token", AppSecret: "secret"})
	s.Wrote("5551234567890", time.Now())
	s.Wrote("5551234567891", time.Now().Add(-25*time.Hour))
	const path = "/v23.0/104512345678901/messages"
	for what, c := range map[string]struct {
		path, token, body     string
		status, code, subcode int
	}{
		"a right request":      {path, "token", good, 200, 0, 0},
		"another token":        {path, "guess", good, 400, 190, 0},
		"another page":         {"/v23.0/104512345678902/messages", "token", good, 400, 100, 0},
		"a stranger":           {path, "token", strings.Replace(good, "7890", "7899", 1), 400, 100, 2018001},
		"after a day":          {path, "token", strings.Replace(good, "7890", "7891", 1), 403, 10, 2018278},
		"no type":              {path, "token", strings.Replace(good, "RESPONSE", "", 1), 400, 100, 0},
		"no text":              {path, "token", strings.Replace(good, "Grüße", "", 1), 400, 100, 0},
		"a text that is long":  {path, "token", strings.Replace(good, "Grüße", strings.Repeat("ü", 2001), 1), 400, 100, 0},
		"a field that is none": {path, "token", strings.Replace(good, `"recipient"`, `"to"`, 1), 400, 100, 0},
	} {
		r := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer "+c.token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var a struct {
			Error struct {
				Code    int
				Subcode int `json:"error_subcode"`
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != c.status || a.Error.Code != c.code || a.Error.Subcode != c.subcode {
			t.Errorf("%s: answered %d: %s", what, w.Code, w.Body)
		}
	}
	if n := len(s.Messages()); n != 1 {
		t.Errorf("%d messages were taken, want 1", n)
	}
}
