package connect

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// get asks as a page of an origin does.
// got is an answer to a page.
type got struct {
	status int
	header http.Header
	body   []byte
}

// get asks as a page of a site would.
func (s *chat) get(path, origin string) got {
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
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return got{response.StatusCode, response.Header, body}
}

func TestAGuestIsToldWhatTheChatIsBeforeThereIsASession(t *testing.T) {
	t.Parallel()
	s := newChat(t, pgtest.New(t), func(s *chat) { s.channel.WebChat.Identity = contract.IdentityNone })
	answer := s.get("/settings", site)
	var told struct {
		WelcomeText, PrivacyNoticeURL, Identity string
		NoticeVersion, MaxMessageLength         int
	}
	if err := json.Unmarshal(answer.body, &told); err != nil {
		t.Fatal(err)
	}
	if told.WelcomeText != "Welcome" || told.PrivacyNoticeURL != site+"/privacy" || told.NoticeVersion != 2 || told.MaxMessageLength != 200 || told.Identity != "None" {
		t.Errorf("told %+v", told)
	}
	if h := answer.header; h.Get("Access-Control-Allow-Origin") != site || h.Get("Cache-Control") != "no-store" || len(h.Values("Set-Cookie")) != 0 {
		t.Errorf("told with %v", h)
	}
	for _, origin := range []string{"", "null", "https://evil.example"} {
		if answer := s.get("/settings", origin); answer.status != http.StatusForbidden || answer.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a page of %q is answered %d %v", origin, answer.status, answer.header)
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
		if h := answer.header; answer.status != http.StatusOK || h.Get("X-Frame-Options") != "DENY" || len(h.Values("Set-Cookie")) != 0 {
			t.Errorf("a page of %q is answered %d %v", origin, answer.status, answer.header)
		}
	}
}
