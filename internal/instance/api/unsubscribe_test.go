package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const (
	form     = "application/x-www-form-urlencoded"
	oneClick = "List-Unsubscribe=One-Click"
)

// link is what staff get for a guest; in is {} for all channels.
func (s *system) link(v thread, in map[string]any) string {
	s.t.Helper()
	var made struct {
		URL     string
		Headers map[string]string
	}
	s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/unsubscribe-links", in).want(http.StatusCreated).into(&made)
	if made.Headers["List-Unsubscribe"] != "<"+made.URL+">" || made.Headers["List-Unsubscribe-Post"] != oneClick {
		s.t.Errorf("headers %v", made.Headers)
	}
	for _, secret := range []string{v.guest.String(), "493090182", "Ada"} {
		if strings.Contains(made.URL, secret) {
			s.t.Errorf("the link says %s", secret)
		}
	}
	return made.URL
}

// guestly drops the session: who opens a link has none.
func (s *system) guestly() *system {
	other := *s
	other.token = ""
	return &other
}

func TestALinkOptsOutByAClickAndNotByALook(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	v.wrote(s.now(), "Hello")
	link, guest := s.link(v, map[string]any{}), s.guestly()
	for _, method := range []string{"GET", "HEAD"} {
		s.t.Run(method, func(*testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), method, s.url+link, nil)
			if err != nil {
				t.Fatal(err)
			}
			a, err := http.DefaultClient.Do(r)
			if err != nil || a.StatusCode != http.StatusOK {
				t.Fatalf("%v, %v", a, err)
			}
			_ = a.Body.Close()
		})
	}
	page := guest.do("GET", link, nil).want(http.StatusOK).saying("<form method=\"post\">", "Stop messages", `value="One-Click"`)
	for _, outside := range []string{"http:", "https:", "src=", "<script", "Ada"} {
		if strings.Contains(string(page.body), outside) {
			t.Errorf("the page has %s:\n%s", outside, page.body)
		}
	}
	csp := page.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("the policy is %q, without %s", csp, part)
		}
	}
	if len(page.header.Values("Set-Cookie")) > 0 || page.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers %v", page.header)
	}
	guest.do("POST", link, "confirm=yes", "Content-Type", form)
	if got := s.consents(); got != "" {
		t.Fatalf("a look has changed: %s", got)
	}

	first := guest.do("POST", link, oneClick, "Content-Type", form).want(http.StatusOK).saying("You will get no more messages.")
	again := guest.do("POST", link, oneClick, "Content-Type", form).want(http.StatusOK)
	if string(first.body) != string(again.body) {
		t.Error("the answer tells whether something has changed")
	}
	if got := s.consents(); got != "stop by link on *" {
		t.Errorf("logged %s", got)
	}
	if got := s.confirmations(); len(got) > 0 {
		t.Errorf("the guest is written to: %q", got)
	}
	s.do("POST", v.path()+"/messages", map[string]any{"body": "One more thing"}).want(http.StatusConflict).saying("opted-out")
}

func TestALinkOfOneChannelEndsThatOne(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	guest := s.guestly()
	guest.do("POST", s.link(v, map[string]any{"channel": pgtest.OtherChannel}), oneClick, "Content-Type", form).want(http.StatusOK).saying("on this channel")
	s.do("GET", v.path(), nil).want(http.StatusOK).saying(`"optOut":"none"`)
	if got := s.consents(); got != "stop by link on "+pgtest.OtherChannel {
		t.Errorf("logged %s", got)
	}
	s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/unsubscribe-links", map[string]any{"channel": "nothing"}).want(http.StatusBadRequest)
}

func TestALinkCountsAfterItsGuestWasErased(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	link := s.link(v, map[string]any{})
	s.exec("DELETE FROM sb.conversation")
	s.exec("DELETE FROM sb.contact")
	s.guestly().do("POST", link, oneClick, "Content-Type", form).want(http.StatusOK).saying("You will get no more messages.")
	if n := s.count("SELECT count(*) FROM sb.suppression WHERE channel = '*' AND address_hash = $1", v.addressHash); n != 1 {
		t.Errorf("the number is suppressed %d times", n)
	}
	// Whoever bears the number later is not written to either.
	w := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	s.do("GET", w.path(), nil).want(http.StatusOK).saying(`"optOut":"optedOut"`)
}

func TestWhatIsNoLinkSaysTheSameOfEverybody(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	link, guest := s.link(v, map[string]any{}), s.guestly()
	flipped := []byte(link)
	flipped[len(flipped)-3] ^= 1
	var bodies []string
	for _, bad := range []string{string(flipped), "/u/nothing", link[:len(link)-4]} {
		bodies = append(bodies, string(guest.do("GET", bad, nil).want404().body), string(guest.do("POST", bad, oneClick, "Content-Type", form).want404().body))
	}
	if slices.Sort(bodies); len(slices.Compact(bodies)) != 1 {
		t.Error("links that are none are told apart")
	}
	if got := s.consents(); got != "" {
		t.Errorf("logged %s", got)
	}
}

func (a answer) want404() answer {
	a.t.Helper()
	if a.status != http.StatusNotFound || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		a.t.Fatalf("%s: status %d of %s", a.what, a.status, a.header.Get("Content-Type"))
	}
	return a
}

func TestAPageSpeaksTheGuestsLanguage(t *testing.T) {
	s := start(t)
	link, guest := s.link(s.guest("Ada", "+4930901820", pgtest.Channel, s.now()), map[string]any{}), s.guestly()
	for accept, want := range map[string]string{
		"": "en", "de-AT,en;q=0.5": "de", "es-MX": "es", "fr;q=0.9, en;q=0.1": "fr", "ja": "en", "x;;;q": "en", strings.Repeat("de,", 200): "de",
	} {
		if got := guest.do("GET", link, nil, "Accept-Language", accept).want(http.StatusOK).header.Get("Content-Language"); got != want {
			t.Errorf("%q is answered in %s, want %s", accept, got, want)
		}
	}
}
