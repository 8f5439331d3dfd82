package webchat

import (
	"errors"
	"net/http"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/switchboard-operator/switchboard/internal/fuzztest"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
)

// FuzzUpload reads what a page says of a file: what is taken can be stored, and saved anywhere.
func FuzzUpload(f *testing.F) {
	f.Add("a-1", "Zimmer%207.png", int64(1000))
	f.Add("a", `..%5C..%2Fetc%2Fpasswd`, int64(1))
	f.Add("a", "%00%e2%80%aegnp.exe", int64(16<<20))
	f.Add("a", "%zz", int64(-1))
	f.Add("m.1", "%ff\xff", int64(16<<20+1))
	f.Fuzz(func(t *testing.T, id, name string, length int64) {
		r := &http.Request{Header: http.Header{headerMessage: {id}, headerName: {name}}, ContentLength: length}
		var u uploaded
		var err error
		fuzztest.Bounded(t, len(id)+len(name), 16<<10, func() { u, err = readUpload(r) })
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			if refused.status < http.StatusBadRequest || refused.status >= http.StatusInternalServerError {
				t.Errorf("it is answered %d", refused.status)
			}
		case err != nil:
			t.Errorf("it fails with %v", err)
		case len(u.id) > maxClientID || !clientID.MatchString(u.id) || length < 1 || length > media.MaxInbound:
			t.Errorf("%q of %d bytes is taken", u.id, length)
		case !utf8.ValidString(u.name) || utf8.RuneCountInString(u.name) > 120:
			t.Errorf("it is called %q", u.name)
		default:
			for _, c := range u.name {
				if !unicode.IsPrint(c) || c == '/' || c == '\\' {
					t.Errorf("it is called %q", u.name)
				}
			}
		}
	})
}
