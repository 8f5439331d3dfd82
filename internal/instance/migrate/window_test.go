package migrate_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// opening asks when a window opens, as the database computes it.
func opening(t *testing.T, d *pgtest.Database, opens, closes string, days []int, zone, from string) string {
	t.Helper()
	var at string
	err := d.Admin(t).QueryRow(t.Context(), `SELECT COALESCE(to_char(NULLIF(o, 'infinity') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'), 'never')
		FROM sb.window_opening(ROW(true, $1::text::time, $2::text::time, $3::int[], 'UTC')::sb.send_window, $4, $5::text::timestamptz) o`,
		opens, closes, days, zone, from).Scan(&at)
	if err != nil {
		t.Fatalf("%s to %s in %s from %s: %v", opens, closes, zone, from, err)
	}
	return at
}

var allDays = []int{1, 2, 3, 4, 5, 6, 7}

func TestAWindowOpensByTheRecipientsClock(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	for name, c := range map[string]struct {
		opens, closes string
		days          []int
		zone          string
		from, want    string // UTC
	}{
		"within it, now":                           {"08:00", "20:00", allDays, "Europe/Berlin", "2026-11-30T12:00Z", "2026-11-30T12:00Z"},
		"at its first minute":                      {"08:00", "20:00", allDays, "Europe/Berlin", "2026-11-30T07:00Z", "2026-11-30T07:00Z"},
		"before it, today":                         {"08:00", "20:00", allDays, "Europe/Berlin", "2026-11-30T06:59Z", "2026-11-30T07:00Z"},
		"at its end, tomorrow":                     {"08:00", "20:00", allDays, "Europe/Berlin", "2026-11-30T19:00Z", "2026-12-01T07:00Z"},
		"a day on which it does not open":          {"08:00", "20:00", []int{1, 2, 3, 4, 5}, "Europe/Berlin", "2026-12-05T12:00Z", "2026-12-07T07:00Z"},
		"a Saturday there that is a Friday here":   {"08:00", "20:00", []int{1, 2, 3, 4, 5}, "Pacific/Auckland", "2026-12-04T19:00Z", "2026-12-06T19:00Z"},
		"one day in the week":                      {"08:00", "20:00", []int{7}, "Europe/Berlin", "2026-12-06T19:00Z", "2026-12-13T07:00Z"},
		"no day":                                   {"08:00", "20:00", []int{}, "Europe/Berlin", "2026-12-06T12:00Z", "never"},
		"the whole day":                            {"00:00", "24:00", allDays, "Europe/Berlin", "2026-12-06T22:59Z", "2026-12-06T22:59Z"},
		"half an hour beside the full ones":        {"08:00", "20:00", allDays, "Asia/Kolkata", "2026-11-30T02:29Z", "2026-11-30T02:30Z"},
		"three quarters of an hour":                {"08:00", "20:00", allDays, "Asia/Kathmandu", "2026-11-30T00:00Z", "2026-11-30T02:15Z"},
		"over midnight, before it":                 {"18:00", "02:00", allDays, "Europe/Berlin", "2026-11-30T23:30Z", "2026-11-30T23:30Z"},
		"over midnight, after it":                  {"18:00", "02:00", allDays, "Europe/Berlin", "2026-12-01T00:59Z", "2026-12-01T00:59Z"},
		"over midnight, at its end":                {"18:00", "02:00", allDays, "Europe/Berlin", "2026-12-01T01:00Z", "2026-12-01T17:00Z"},
		"the night after its day":                  {"18:00", "02:00", []int{5}, "Europe/Berlin", "2026-12-05T00:30Z", "2026-12-05T00:30Z"},
		"the night before its day":                 {"18:00", "02:00", []int{5}, "Europe/Berlin", "2026-12-04T00:30Z", "2026-12-04T17:00Z"},
		"spring: an hour earlier from then on":     {"08:00", "20:00", allDays, "Europe/Berlin", "2026-03-28T19:00Z", "2026-03-29T06:00Z"},
		"the day before spring":                    {"08:00", "20:00", allDays, "Europe/Berlin", "2026-03-27T19:00Z", "2026-03-28T07:00Z"},
		"autumn: an hour later":                    {"08:00", "20:00", allDays, "Europe/Berlin", "2026-10-24T18:00Z", "2026-10-25T07:00Z"},
		"its last minute before autumn":            {"08:00", "20:00", allDays, "Europe/Berlin", "2026-10-24T17:59Z", "2026-10-24T17:59Z"},
		"opening in the hour that spring skips":    {"02:30", "06:00", allDays, "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:00Z"},
		"all of it in the hour that is skipped":    {"02:10", "02:40", allDays, "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-30T00:10Z"},
		"the only one of the week skipped":         {"02:10", "02:40", []int{7}, "Europe/Berlin", "2026-03-29T00:00Z", "2026-04-05T00:10Z"},
		"in the first of two same hours":           {"02:30", "06:00", allDays, "Europe/Berlin", "2026-10-25T00:45Z", "2026-10-25T00:45Z"},
		"the clock is put back before its opening": {"02:30", "06:00", allDays, "Europe/Berlin", "2026-10-25T01:05Z", "2026-10-25T01:30Z"},
		"closing between two same hours":           {"01:00", "02:30", allDays, "Europe/Berlin", "2026-10-25T00:40Z", "2026-10-26T00:00Z"},
		"half an hour in summer":                   {"08:00", "20:00", allDays, "Australia/Lord_Howe", "2026-10-03T12:00Z", "2026-10-03T21:00Z"},
		"and none in winter":                       {"08:00", "20:00", allDays, "Australia/Lord_Howe", "2026-06-01T12:00Z", "2026-06-01T21:30Z"},
		"New York, spring":                         {"08:00", "20:00", allDays, "America/New_York", "2026-03-08T06:00Z", "2026-03-08T12:00Z"},
		"New York, autumn":                         {"08:00", "20:00", allDays, "America/New_York", "2026-11-01T05:00Z", "2026-11-01T13:00Z"},
		"west of the date line":                    {"08:00", "20:00", []int{1}, "Pacific/Kiritimati", "2026-11-29T17:00Z", "2026-11-29T18:00Z"},
	} {
		if got := opening(t, d, c.opens, c.closes, c.days, c.zone, c.from); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Whatever the window, zone and instant, what it gives is within the window by Go's own time zones, never before what was asked, and
// no minute between is within.
func TestAWindowAgreesWithAnotherClock(t *testing.T) {
	t.Parallel()
	admin := pgtest.New(t).Admin(t)
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca", "Pacific/Chatham"} {
		place, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []struct {
			opens, closes string
			days          []int
		}{{"08:00", "20:00", allDays}, {"22:15", "02:45", []int{1, 6, 7}}, {"02:30", "03:15", allDays}} {
			within := func(at time.Time) bool {
				local := at.In(place)
				day := func(t time.Time) bool { return slices.Contains(w.days, (int(t.Weekday())+6)%7+1) }
				clock := local.Format("15:04")
				if w.opens < w.closes {
					return clock >= w.opens && clock < w.closes && day(local)
				}
				return clock >= w.opens && day(local) || clock < w.closes && day(time.Date(local.Year(), local.Month(), local.Day()-1, 12, 0, 0, 0, place))
			}
			rows, err := admin.Query(t.Context(), `SELECT f, sb.window_opening(ROW(true, $1::text::time, $2::text::time, $3::int[], 'UTC')::sb.send_window, $4, f)
				FROM unnest(ARRAY['2026-03-07', '2026-03-28', '2026-04-04', '2026-10-03', '2026-10-24', '2026-10-31']::timestamptz[]) d,
					generate_series(d, d + interval '2 days', interval '37 minutes') f`, w.opens, w.closes, w.days, zone)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for rows.Next() {
				var from, opens time.Time
				if err := rows.Scan(&from, &opens); err != nil {
					t.Fatal(err)
				}
				n++
				if opens.Before(from) || !within(opens) {
					t.Errorf("%s, %s to %s on %v from %s: %s is not within", zone, w.opens, w.closes, w.days, from.UTC(), opens.In(place))
				}
				_, before := from.In(place).Zone()
				_, after := opens.In(place).Zone()
				if after < before {
					continue // clocks that are put back may show a time within it once more
				}
				for at := from; at.Before(opens); at = at.Add(time.Minute) {
					if within(at) {
						t.Errorf("%s, %s to %s on %v from %s: opens %s, and %s was within", zone, w.opens, w.closes, w.days, from.UTC(), opens.In(place), at.In(place))
						break
					}
				}
			}
			if err := rows.Err(); err != nil || n == 0 {
				t.Fatalf("%d instants: %v", n, err)
			}
		}
	}
}

func TestTheSendWindowIsReplaced(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	in := pgtest.Input()
	run := func(w *contract.SendWindow) (string, error) {
		in.Setup.SendWindow = w
		if _, err := migrate.Run(t.Context(), slog.New(slog.DiscardHandler), d.Config(t, contract.AdminRole), in); err != nil {
			return "", err
		}
		var got string
		err := d.Admin(t).QueryRow(t.Context(), "SELECT COALESCE((SELECT concat_ws(' ', opens, closes, days, time_zone) FROM sb.send_window), 'none')").Scan(&got)
		return got, err
	}
	for _, c := range []struct {
		window *contract.SendWindow
		want   string
	}{
		{&contract.SendWindow{Opens: "08:00", Closes: "20:00", Days: []int{1, 2}, TimeZone: "Europe/Berlin"}, "08:00:00 20:00:00 {1,2} Europe/Berlin"},
		{&contract.SendWindow{Opens: "22:00", Closes: "24:00", Days: nil, TimeZone: "UTC"}, "22:00:00 24:00:00 {} UTC"},
		// PostgreSQL may know fewer zones than the operator: nobody is written to at night by that.
		{&contract.SendWindow{Opens: "08:00", Closes: "20:00", Days: []int{1}, TimeZone: "Europe/Atlantis"}, "08:00:00 20:00:00 {} UTC"},
		{&contract.SendWindow{Opens: "08:00", Closes: "20:00", Days: []int{1}, TimeZone: "FOO5"}, "08:00:00 20:00:00 {} UTC"},
		{nil, "none"},
	} {
		if got, err := run(c.window); err != nil || got != c.want {
			t.Errorf("%+v: %s (%v), want %s", c.window, got, err, c.want)
		}
	}
	for _, w := range []contract.SendWindow{
		{Opens: "8:00", Closes: "20:00"}, {Opens: "24:00", Closes: "20:00"}, {Opens: "08:00", Closes: "08:00"}, {Opens: "08:00", Closes: "24:01"}, {Opens: "08:00", Closes: "20:00", Days: []int{0}},
	} {
		if _, err := run(&w); err == nil || !strings.Contains(err.Error(), "send window") {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
