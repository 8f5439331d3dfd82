package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// maxWidget is how much a guest's browser may have to load, in bytes as they go out.
const maxWidget = 30 << 10

func asks(header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/webhooks/web-chat/chat/widget.js", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Widget().ServeHTTP(w, r)
	return w
}

func TestTheWidgetIsServedAsItWasBuilt(t *testing.T) {
	built, err := os.ReadFile("dist/widget/widget.js")
	if err != nil {
		t.Fatal(err)
	}
	plain := asks()
	if plain.Code != http.StatusOK || !bytes.Equal(plain.Body.Bytes(), built) || plain.Header().Get("Content-Encoding") != "" {
		t.Errorf("without compression: %d, %d bytes of %d, %v", plain.Code, plain.Body.Len(), len(built), plain.Header())
	}
	compressed := asks("Accept-Encoding", "br, gzip")
	if compressed.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("it is not compressed: %v", compressed.Header())
	}
	if size := compressed.Body.Len(); size > maxWidget {
		t.Errorf("the widget has %d bytes, more than %d", size, maxWidget)
	}
	reader, err := gzip.NewReader(compressed.Body)
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(reader); err != nil || !bytes.Equal(unpacked, built) {
		t.Errorf("what is sent compressed is not what was built: %v; run make web", err)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/javascript; charset=utf-8", "X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*",
		"Cross-Origin-Resource-Policy": "cross-origin", "X-Frame-Options": "DENY", "Vary": "Accept-Encoding",
	} {
		if got := compressed.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := compressed.Header().Get("Cache-Control"); !strings.HasPrefix(got, "public, max-age=") {
		t.Errorf("Cache-Control is %q", got)
	}
	if cookies := compressed.Result().Cookies(); len(cookies) != 0 {
		t.Errorf("it sets %v", cookies)
	}
}

func TestAWidgetThatABrowserHasIsNotSentAgain(t *testing.T) {
	etag := asks().Header().Get("ETag")
	again := asks("If-None-Match", etag, "Accept-Encoding", "gzip")
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("Cache-Control") == "" {
		t.Errorf("asked again for %s: %d, %d bytes, %v", etag, again.Code, again.Body.Len(), again.Header())
	}
	if other := asks("If-None-Match", `W/"another"`); other.Code != http.StatusOK {
		t.Errorf("asked for another: %d", other.Code)
	}
}

// The documentation names the hash for an integrity attribute.
func TestTheHashInTheDocumentationIsTheWidgets(t *testing.T) {
	page, err := os.ReadFile("../../../docs/channels-webchat.md")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum384(asks().Body.Bytes())
	want := "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
	found := regexp.MustCompile(`sha384-[A-Za-z0-9+/=]{64}`).FindAll(page, -1)
	if len(found) == 0 {
		t.Fatal("docs/channels-webchat.md names no hash")
	}
	for _, hash := range found {
		if string(hash) != want {
			t.Errorf("docs/channels-webchat.md names %s; the widget's is %s", hash, want)
		}
	}
}
