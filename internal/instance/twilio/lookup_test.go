package twilio

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// TestAPageElsewhereIsNotAskedFor: the account's credentials go to the origin that
// the Channel names, whatever an answer says.
func TestAPageElsewhereIsNotAskedFor(t *testing.T) {
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, credentials := r.BasicAuth()
		t.Errorf("another server was asked, credentials: %t", credentials)
		fmt.Fprint(w, `{"messages":[]}`)
	}))
	defer elsewhere.Close()
	host := strings.TrimPrefix(elsewhere.URL, "https://")
	for _, next := range []string{"@" + host + "/page", ":x@" + host + "/page", ".example/page", "page"} {
		api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"messages":[],"next_page_uri":%q}`, next)
		}))
		roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
		c, err := NewClient(contract.TwilioSMS{AccountSID: "AC00112233445566778899aabbccddeeff", From: "+493023125177", APIBaseURL: api.URL, CABundle: string(roots)},
			func() (string, error) { return "token", nil })
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Sent(t.Context(), "+4915112345678", "Hello", time.Now())
		if err == nil || !strings.Contains(err.Error(), "no path") {
			t.Errorf("next page %q: %v, want an error that says it is no path", next, err)
		}
		api.Close()
	}
}
