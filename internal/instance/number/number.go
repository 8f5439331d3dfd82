// Package number knows the world's telephone numbers as far as the instance needs to: what is possibly one, how it is written, and
// in whose time zone it rings. It reads tables that its test makes of Google's metadata, of which a library keeps 3 MiB in
// the memory of every process that has it.
package number

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// codes has a line for each calling code: the code, the lengths that its national numbers may have, and 0 where they may begin
// with one.
//
//go:embed codes.txt
var codes string

// zones has a line for each prefix that tells time zones, sorted: the digits, and the zone's IANA name, or that there are several.
// The longest prefix of a number counts.
//
//go:embed zones.txt
var zones string

const (
	several = "several"
	longest = 9 // digits of a prefix
)

// maxLength bounds what is read of a number as somebody wrote it, in bytes.
const maxLength = 64

var (
	errForm = errors.New("this is no phone number in E.164; write it as +4930901820")
	errZero = errors.New("this is no phone number in E.164: no number there begins with 0; leave out the 0 after the country's code, as in +4930901820")
)

// E164 gives a number as ITU-T E.164 has it, such as +4930901820. It may be written with spaces, hyphens, dots, slashes and
// parentheses, and begins with a plus sign. The error says what to do, and nothing of the number.
func E164(written string) (string, error) {
	if len(written) > maxLength {
		return "", errForm
	}
	digits, found := strings.CutPrefix(strings.TrimSpace(written), "+")
	if !found {
		return "", errForm
	}
	digits = strings.NewReplacer(" ", "", "\u00a0", "", "-", "", ".", "", "/", "", "(", "", ")", "").Replace(digits)
	if strings.Trim(digits, "0123456789") != "" {
		return "", errForm
	}
	code, lengths, zero := plan(digits)
	national := strings.TrimPrefix(digits, code)
	switch {
	case code == "":
		return "", errForm
	case strings.HasPrefix(national, "0") && !zero:
		return "", errZero
	}
	for length := range strings.SplitSeq(lengths, ",") {
		if strconv.Itoa(len(national)) == length {
			return "+" + digits, nil
		}
	}
	return "", fmt.Errorf("this is no phone number: of those that begin with +%s none has %d digits; write all of it, as in +4930901820", code, len(digits))
}

// plan gives the calling code that a number begins with, "" for none, and what is known of the numbers after it.
func plan(digits string) (code, lengths string, zero bool) {
	for line := range strings.Lines(codes) {
		fields := strings.Fields(line)
		if strings.HasPrefix(digits, fields[0]) {
			return fields[0], fields[1], len(fields) > 2
		}
	}
	return "", "", false
}

// TimeZone gives the IANA name of the time zone that the beginning of a number tells, which is digits alone, and "" when it tells
// none or several.
func TimeZone(digits string) string {
	for n := min(len(digits), longest); n > 0; n-- {
		if zone, found := zoneOf(digits[:n]); found {
			return zone
		}
	}
	return ""
}

// zoneOf looks a prefix up.
func zoneOf(prefix string) (zone string, found bool) {
	from, to := 0, len(zones) // where lines begin
	for from < to {
		line := from + strings.LastIndexByte(zones[from:(from+to)/2], '\n') + 1
		end := line + strings.IndexByte(zones[line:], '\n')
		at, zone, _ := strings.Cut(zones[line:end], " ")
		switch strings.Compare(prefix, at) {
		case 0:
			if zone == several {
				zone = ""
			}
			return zone, true
		case -1:
			to = line
		default:
			from = end + 1
		}
	}
	return "", false
}
