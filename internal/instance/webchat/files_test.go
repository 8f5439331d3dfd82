package webchat

import (
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/switchboard-operator/switchboard/internal/fuzztest"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
)

// TestNobodyHasAllSlots: one session has few of them, and one address half.
func TestNobodyHasAllSlots(t *testing.T) {
	s := newSlots(4, 1)
	takes := func(session byte, from string, status int) func() {
		t.Helper()
		leave, err := s.take(Hash{session}, netip.MustParsePrefix(from))
		var refused *refusal
		if status == 0 && err != nil || status != 0 && (!errors.As(err, &refused) || refused.status != status) {
			t.Fatalf("session %d of %s: %v, want %d", session, from, err, status)
		}
		return leave
	}
	leave := takes(1, "198.51.100.1/32", 0)
	takes(1, "198.51.100.1/32", http.StatusTooManyRequests)
	takes(2, "198.51.100.1/32", 0)
	takes(3, "198.51.100.1/32", http.StatusServiceUnavailable)
	takes(3, "198.51.100.2/32", 0)
	takes(4, "198.51.100.2/32", 0)
	takes(5, "198.51.100.3/32", http.StatusServiceUnavailable)
	leave()
	takes(3, "198.51.100.3/32", http.StatusTooManyRequests)
	takes(1, "198.51.100.3/32", 0)
	takes(5, "198.51.100.1/32", http.StatusServiceUnavailable)
	if len(s.sessions) != 4 || len(s.addresses) != 3 {
		t.Errorf("%d sessions and %d addresses are remembered", len(s.sessions), len(s.addresses))
	}
}

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
