package auditreport_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/auditreport"
)

func TestAPeriodIsWholeDaysInUTC(t *testing.T) {
	now := time.Date(2026, time.November, 30, 23, 30, 0, 0, time.FixedZone("west", -5*3600)) // December 1 in UTC
	for name, c := range map[string]struct{ from, to, first, last, says string }{
		"neither is the last full month": {"", "", "2026-11-01", "2026-11-30", ""},
		"one day":                        {"2026-10-07", "2026-10-07", "2026-10-07", "2026-10-07", ""},
		"today":                          {"2026-12-01", "2026-12-01", "2026-12-01", "2026-12-01", ""},
		"a leap day":                     {"2024-02-01", "2024-02-29", "2024-02-01", "2024-02-29", ""},
		"a day that is not":              {"2026-02-01", "2026-02-29", "", "", `--to "2026-02-29": write a day as`},
		"words":                          {"yesterday", "2026-02-28", "", "", "--from"},
		"one of them alone":              {"2026-10-07", "", "", "", "give both"},
		"swapped":                        {"2026-10-08", "2026-10-07", "", "", "swap them"},
		"tomorrow":                       {"2026-12-01", "2026-12-02", "", "", "in the future: today is 2026-12-01"},
		"too long":                       {"1900-01-01", "2026-10-07", "", "", "at most 3660"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := auditreport.ParsePeriod(c.from, c.to, now)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				return
			}
			if err != nil || p.From.Format(time.DateOnly) != c.first || p.To.Format(time.DateOnly) != c.last || p.From.Hour() != 0 || p.From.Location() != time.UTC {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
	january, err := auditreport.ParsePeriod("", "", utc(time.January, 31, 12, 0))
	if err != nil || january.From.Format(time.DateOnly) != "2025-12-01" || january.To.Format(time.DateOnly) != "2025-12-31" {
		t.Errorf("in January: %+v, %v", january, err)
	}
}

func TestTheEdgesOfAPeriod(t *testing.T) {
	p := auditreport.Period{From: utc(time.October, 31, 0, 0), To: utc(time.November, 1, 0, 0)}
	for at, in := range map[time.Time]bool{
		p.From: true, p.From.Add(-time.Nanosecond): false, p.End(): false, p.End().Add(-time.Nanosecond): true,
		utc(time.November, 1, 23, 59).In(time.FixedZone("west", -5*3600)): true,
	} {
		if p.Has(at) != in {
			t.Errorf("%s in: %t", at, !in)
		}
	}
	if got := p.Months(); !slices.Equal(got, []string{"2026-10", "2026-11"}) || p.Days() != 2 {
		t.Errorf("%d days in %v", p.Days(), got)
	}

	// A run counts on the day on which it ended, and in that day's month.
	h := newHistory(t, []evidenceReceipt{
		run(p.From.Add(-time.Microsecond), 1, 90, 1), run(p.From, 1, 90, 20), run(utc(time.October, 31, 23, 59), 1, 90, 300),
		run(utc(time.November, 1, 0, 0), 1, 90, 4000), run(p.End().Add(-time.Microsecond), 1, 90, 50000), run(p.End(), 1, 90, 600000),
	})
	r := build(t, sources(h, p))
	for _, d := range r.Deletions.Rows {
		if d.Category == "Messages" && (!slices.Equal(d.Months, []int64{320, 54000}) || d.Total != 54320) {
			t.Errorf("deleted %+v", d)
		}
	}
	if len(r.Runs) != 4 || len(r.Deletions.Rows) != 2 {
		t.Errorf("%d runs, deletions %+v", len(r.Runs), r.Deletions)
	}
}
