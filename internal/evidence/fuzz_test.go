package evidence

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// FuzzDecode holds the decoder to its word: whatever it takes is canonical, so
// that no two bodies are one receipt.
func FuzzDecode(f *testing.F) {
	for _, s := range chainOf(f, 3) {
		f.Add([]byte(s.Body))
	}
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"startedAt":"2026-03-02T02:30:00+02:00"}`))
	f.Add(bytes.Repeat([]byte("["), 20000))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Decode(body)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("decoded %q, which encodes to %q, %v", body, again, err)
		}
	})
}

// FuzzReadLines feeds files to the reader of exports and its receipts to the verifier.
func FuzzReadLines(f *testing.F) {
	var file bytes.Buffer
	for _, s := range chainOf(f, 2) {
		if err := WriteLine(&file, s); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(file.String())
	f.Add(fmt.Sprintf(`{"sequence":%d}`, int64(1)<<62))
	f.Fuzz(func(t *testing.T, content string) {
		v, n := NewVerifier(nil), int64(0)
		err := ReadLines(strings.NewReader(content), func(s Sealed) error { v.Add(s); n++; return nil })
		report := v.Finish()
		if report.Receipts != n || len(report.Findings) > MaxFindings+1 {
			t.Fatalf("%d receipts of %d, %d findings, error %v", report.Receipts, n, len(report.Findings), err)
		}
	})
}
