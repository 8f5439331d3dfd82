// Package web holds the pages that an instance serves, as `npm run build` made them of src, and serves them: nothing
// in them comes from elsewhere, and nothing that others wrote is run.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

// InboxPath is where the staff's page is.
const InboxPath = "/inbox/"

//go:embed dist/inbox
var dist embed.FS

// policy lets a page load its own files, speak to its own server, and nothing else. Texts can't become markup or script,
// whatever a mistake of ours does with them.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Inbox serves the staff's page under InboxPath.
func Inbox() http.Handler {
	files, err := fs.Sub(dist, "dist/inbox")
	if err != nil {
		panic(err) // the name of a directory that is embedded: cannot happen
	}
	served := http.StripPrefix(InboxPath, http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		if strings.HasPrefix(r.URL.Path, InboxPath+"assets/") { // their names change with what is in them
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		served.ServeHTTP(w, r)
	})
}
