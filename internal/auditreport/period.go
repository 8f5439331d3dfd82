package auditreport

import (
	"fmt"
	"time"
)

// MaxDays bounds a period.
const MaxDays = 3660

// Period is whole days in UTC, from the midnight that begins From to the one that ends To: what happened at the
// midnight that ends it is of the next.
type Period struct {
	From, To time.Time // midnights that begin the first and the last day
}

// ParsePeriod reads the days, as 2026-10-01. Both empty is the last month that is over at now. It refuses what is
// not over before the end of today. Its errors say what to write instead.
func ParsePeriod(from, to string, now time.Time) (Period, error) {
	today := midnight(now)
	if from == "" && to == "" {
		month := time.Date(today.Year(), today.Month(), 1, 0, 0, 0, 0, time.UTC)
		return Period{From: month.AddDate(0, -1, 0), To: month.AddDate(0, 0, -1)}, nil
	}
	if from == "" || to == "" {
		return Period{}, fmt.Errorf("give both --from and --to, or neither for the last full month")
	}
	var p Period
	for _, x := range []struct {
		flag, value string
		into        *time.Time
	}{{"from", from, &p.From}, {"to", to, &p.To}} {
		at, err := time.Parse(time.DateOnly, x.value)
		if err != nil {
			return Period{}, fmt.Errorf("--%s %q: write a day as 2026-10-01", x.flag, x.value)
		}
		*x.into = at
	}
	switch {
	case p.From.After(p.To):
		return Period{}, fmt.Errorf("--from %s is after --to %s: swap them", from, to)
	case p.To.After(today):
		return Period{}, fmt.Errorf("--to %s is in the future: today is %s in UTC, and the last whole day %s", to, today.Format(time.DateOnly), today.AddDate(0, 0, -1).Format(time.DateOnly))
	case p.Days() > MaxDays:
		return Period{}, fmt.Errorf("the period has %d days, at most %d are reported on: make several reports", p.Days(), MaxDays)
	}
	return p, nil
}

func midnight(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// End is the midnight that ends the last day.
func (p Period) End() time.Time { return p.To.AddDate(0, 0, 1) }

// Days counts the days.
func (p Period) Days() int { return int(p.End().Sub(p.From) / (24 * time.Hour)) }

// Has says whether an instant is in the period.
func (p Period) Has(t time.Time) bool { return !t.Before(p.From) && t.Before(p.End()) }

// overlaps says whether something that began and ended then, or is not known to have, was there in the period.
func (p Period) overlaps(since, until *time.Time) bool {
	return (since == nil || since.Before(p.End())) && (until == nil || !until.Before(p.From))
}

// Months lists the months that the period touches, as 2026-10.
func (p Period) Months() []string {
	var months []string
	for m := time.Date(p.From.Year(), p.From.Month(), 1, 0, 0, 0, 0, time.UTC); m.Before(p.End()); m = m.AddDate(0, 1, 0) {
		months = append(months, month(m))
	}
	return months
}

func month(t time.Time) string { return t.UTC().Format("2006-01") }
