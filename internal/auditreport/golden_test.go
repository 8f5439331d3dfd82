package auditreport_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/auditreport"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is a quarter of a tenant that is there, with one receipt of every kind.
func golden(t testing.TB) auditreport.Report {
	h := newHistory(t, autumn(), 3)
	s := sources(h, quarter())
	s.Objects = objects()
	return build(t, s)
}

func TestTheReportIsAsItWas(t *testing.T) {
	r := golden(t)
	erased := sources(newHistory(t, autumn()), auditreport.Period{From: utc(time.October, 1, 0, 0), To: utc(time.November, 30, 0, 0)})
	erased.Evidence.Receipts = nil
	erased.Objects = &auditreport.Objects{}
	h := newHistory(t, autumn())
	last := h.signed[len(h.signed)-1]
	head := last.Sequence
	erased.Certificates = append(erased.Certificates, certificate(t, h.key, linkOf(head, last.Digest), utc(time.November, 24, 9, 1)))
	for file, render := range map[string]func(*bytes.Buffer) error{
		"report.html": func(b *bytes.Buffer) error { return r.WriteHTML(b) },
		"report.json": func(b *bytes.Buffer) error { return r.WriteJSON(b) },
		"erased.html": func(b *bytes.Buffer) error { return build(t, erased).WriteHTML(b) },
		"erased.json": func(b *bytes.Buffer) error { return build(t, erased).WriteJSON(b) },
	} {
		t.Run(file, func(t *testing.T) {
			var got bytes.Buffer
			if err := render(&got); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(got.String(), marker) {
				t.Error("something personal is in it")
			}
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("it differs from %s: run go test ./internal/auditreport -update, and read the diff", path)
			}
		})
	}
}
