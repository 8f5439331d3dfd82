package importer_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/importer"
)

func TestBadLinesAreRefusedWithTheirNumber(t *testing.T) {
	future := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	tests := map[string]struct{ line, says string }{
		"not JSON":            {"channel,address\n", "no JSON object"},
		"an array":            {"[]\n", "no JSON object"},
		"two objects":         {`{"channel":"front-desk","address":"+4930901820","at":"2026-01-31T18:04:05Z","direction":"in","body":"a"} {}` + "\n", "one object a line"},
		"unknown field":       {jsonLine(t, map[string]any{"to": "x"}), "a field other than"},
		"number for a string": {jsonLine(t, map[string]any{"body": 7}), "body must be a string, not a number"},
		"unknown channel":     {jsonLine(t, map[string]any{"channel": "pool"}), "create the Channel first"},
		"no channel":          {jsonLine(t, map[string]any{"channel": nil}), "create the Channel first"},
		"no phone number":     {jsonLine(t, map[string]any{"address": "reception"}), "+4930901820"},
		"national number":     {jsonLine(t, map[string]any{"address": "030 901820"}), "international form"},
		"short number":        {jsonLine(t, map[string]any{"address": "+4"}), "international form"},
		"SQL for a number":    {jsonLine(t, map[string]any{"address": "+49'); DROP TABLE sb.message; --"}), "international form"},
		"no offset":           {jsonLine(t, map[string]any{"at": "2026-01-31 18:04"}), "RFC 3339"},
		"the future":          {jsonLine(t, map[string]any{"at": future}), "in the future"},
		"long ago":            {jsonLine(t, map[string]any{"at": "1970-01-01T00:00:00Z"}), "before the year 2000"},
		"direction":           {jsonLine(t, map[string]any{"direction": "sideways"}), `must be "in"`},
		"no body":             {jsonLine(t, map[string]any{"body": ""}), "body is empty"},
		"long body":           {jsonLine(t, map[string]any{"body": strings.Repeat("ä", 65537)}), "more than 65536"},
		"long name":           {jsonLine(t, map[string]any{"name": strings.Repeat("ä", 201)}), "more than 200"},
		"long id":             {jsonLine(t, map[string]any{"providerId": strings.Repeat("x", 129)}), "more than 128"},
		"NUL":                 {jsonLine(t, map[string]any{"body": "a\x00b"}), "NUL"},
		"not UTF-8":           {"{\"body\":\"\xff\"}\n", "not UTF-8"},
		"endless line":        {strings.Repeat("x", 1<<20) + "\n", "longer than 524288 bytes"},
	}
	s := start(t)
	good := jsonLine(t, map[string]any{"body": "good"})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, errs, err := s.run(good + test.line + good)
			if !errors.Is(err, importer.ErrBadLines) || !strings.HasPrefix(errs, "line 2: ") || !strings.Contains(errs, test.says) {
				t.Errorf("want line 2 refused with %q, got %v\n%s", test.says, err, errs)
			}
			if strings.Count(errs, "\n") != 1 {
				t.Errorf("more than the bad line is refused:\n%s", errs)
			}
		})
	}
	if n := s.text("SELECT count(*) FROM sb.message"); n != "0" {
		t.Errorf("%s messages of refused batches are stored", n)
	}
}

func TestAllBadLinesAreCountedAndSomeAreShown(t *testing.T) {
	s := start(t)
	summary, errs, err := s.run(strings.Repeat("bad\n", 25))
	if err == nil || summary.Read != 25 || !strings.Contains(err.Error(), "25 of 25") || !strings.Contains(errs, "line 20:") || strings.Contains(errs, "line 21:") || !strings.Contains(errs, "and 5 more") {
		t.Errorf("%+v, %v\n%s", summary, err, errs)
	}
}

func TestErrorsRepeatNoPersonalData(t *testing.T) {
	s := start(t)
	_, errs, err := s.run(jsonLine(t, map[string]any{"address": "Ada at 030-12345", "name": "Lovelace"}) + `{"phone":"+49301234567"}` + "\n")
	for _, secret := range []string{"Ada", "12345", "Lovelace", "+49301"} {
		if err == nil || strings.Contains(errs+err.Error(), secret) {
			t.Errorf("an error repeats %q: %v\n%s", secret, err, errs)
		}
	}
}
