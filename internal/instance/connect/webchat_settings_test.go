package connect

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// get asks as a page of an origin does.
func (s *chat) get(path, origin string) *http.Response {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.connector.URL+chatPath+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if origin != "" {
		request.Header.Set("Origin", origin)
	}
	response, err := s.connector.Client().Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestAGuestIsToldWhatTheChatIsBeforeThereIsASession(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t), func(s *chat) { s.channel.WebChat.Identity = contract.IdentityNone })
	answer := s.get("/settings", site)
	var told struct {
		WelcomeText, PrivacyNoticeURL, Identity string
		MaxMessageLength                        int
	}
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
		t.Fatal(err)
	}
	if told.WelcomeText != "Welcome" || told.PrivacyNoticeURL != site+"/privacy" || told.MaxMessageLength != 200 || told.Identity != "None" {
		t.Errorf("told %+v", told)
	}
	if h := answer.Header; h.Get("Access-Control-Allow-Origin") != site || h.Get("Cache-Control") != "no-store" || len(h.Values("Set-Cookie")) != 0 {
		t.Errorf("told with %v", h)
	}
	for _, origin := range []string{"", "null", "https://evil.example"} {
		if answer := s.get("/settings", origin); answer.StatusCode != http.StatusForbidden || answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a page of %q is answered %s %v", origin, answer.Status, answer.Header)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.web_chat_session"); n != 0 {
		t.Errorf("%d sessions were opened", n)
	}
}

func TestAnySiteMayLoadTheWidgetAndNoPageMayFrameIt(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t))
	for _, origin := range []string{"", "https://evil.example"} {
		answer := s.get("/widget.js", origin)
		if h := answer.Header; answer.StatusCode != http.StatusOK || h.Get("X-Frame-Options") != "DENY" || len(h.Values("Set-Cookie")) != 0 {
			t.Errorf("a page of %q is answered %s %v", origin, answer.Status, answer.Header)
		}
	}
}
