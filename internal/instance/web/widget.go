package web

import (
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
)

// widget is the guests' script, compressed, as it goes out: a pod holds it once, in the binary.
//
//go:embed dist/widget/widget.js.gz
var widget string

// Widget serves the script that a client's site loads to have a web chat on its pages. It is the same for everybody and holds
// nothing of a tenant's, so that any site may load it; what it may ask then is decided where it asks.
func Widget() http.Handler {
	sum := sha256.Sum256([]byte(widget))
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*") // for an integrity attribute
		h.Set("Cache-Control", "public, max-age=300, stale-while-revalidate=86400")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("ETag", "W/"+tag) // it is the same script, compressed or not
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		h.Set("Vary", "Accept-Encoding")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		if strings.Contains(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, widget) // who went away can't be told
			return
		}
		plain, err := gzip.NewReader(strings.NewReader(widget))
		if err != nil {
			panic(err) // what is embedded is compressed, as a test sees to
		}
		_, _ = io.Copy(w, plain) //nolint:gosec // what is embedded, and not what others sent
	})
}
