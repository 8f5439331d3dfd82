package number

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

var update = flag.Bool("update", false, "write the tables anew, of the library's metadata")

// TestTablesAreTheLibrarys makes both tables of the library's metadata, and compares them with those that are checked in.
func TestTablesAreTheLibrarys(t *testing.T) {
	wantCodes := tableOfCodes(t)
	if *update {
		write(t, "codes.txt", wantCodes)
		write(t, "zones.txt", tableOfZones(t))
		return
	}
	if codes != wantCodes {
		t.Error("codes.txt is not what the library's metadata makes; run go test ./internal/instance/number -update")
	}
	previous := ""
	for line := range strings.Lines(zones) {
		prefix, zone, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if zone == several {
			zone = ""
		}
		if got := zoneByLibrary(prefix); got != zone {
			t.Errorf("+%s tells %q, and the library says %q; run go test ./internal/instance/number -update", prefix, zone, got)
		}
		if prefix <= previous || len(prefix) > longest {
			t.Errorf("+%s does not stand in order after +%s, or is longer than is looked for", prefix, previous)
		}
		previous = prefix
	}
	if previous == "" {
		t.Error("there is no time zone")
	}
}

// tableOfCodes tells, by calling code, how long national numbers may be, and whether one may begin with 0.
func tableOfCodes(t *testing.T) string {
	t.Helper()
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	type numbers struct {
		lengths map[int32]bool
		zero    bool
	}
	byCode := map[string]*numbers{}
	for _, m := range all.GetMetadata() {
		code := strconv.Itoa(int(m.GetCountryCode()))
		if byCode[code] == nil {
			byCode[code] = &numbers{lengths: map[int32]bool{}}
		}
		// Lengths of a code with several regions are those of its main one, as the library has it.
		if m.GetId() == phonenumbers.GetRegionCodeForCountryCode(int(m.GetCountryCode())) {
			for _, n := range m.GetGeneralDesc().GetPossibleLength() {
				byCode[code].lengths[n] = true
			}
		}
		byCode[code].zero = byCode[code].zero || mayBeginWithZero(t, m.GetGeneralDesc().GetNationalNumberPattern())
	}
	var table strings.Builder
	for _, code := range slices.Sorted(maps.Keys(byCode)) {
		var lengths []string
		for n := range int32(18) {
			if byCode[code].lengths[n] {
				lengths = append(lengths, strconv.Itoa(int(n)))
			}
		}
		fmt.Fprintf(&table, "%s %s", code, strings.Join(lengths, ","))
		if byCode[code].zero {
			table.WriteString(" 0")
		}
		table.WriteString("\n")
	}
	return table.String()
}

// mayBeginWithZero walks what a regular expression may match first.
func mayBeginWithZero(t *testing.T, pattern string) bool {
	t.Helper()
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	var walk func(uint32) bool
	walk = func(at uint32) bool {
		if seen[at] {
			return false
		}
		seen[at] = true
		switch i := program.Inst[at]; i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			return walk(i.Out) || walk(i.Arg)
		case syntax.InstCapture, syntax.InstEmptyWidth, syntax.InstNop:
			return walk(i.Out)
		case syntax.InstMatch, syntax.InstFail:
			return false
		default:
			return i.MatchRune('0')
		}
	}
	return walk(uint32(program.Start))
}

// tableOfZones has the library's prefixes, which stand in its module as it reads them: how many bytes the zones' names take, the
// names, how many prefixes there are, and each as its distance from the one before, how many zones it has, and which.
func tableOfZones(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/nyaruka/phonenumbers").Output()
	if err != nil {
		t.Fatal(err)
	}
	compressed, err := os.Open(filepath.Join(strings.TrimSpace(string(dir)), "data", "prefix_to_timezone.xml.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer compressed.Close()
	unzipped, err := gzip.NewReader(compressed)
	if err != nil {
		t.Fatal(err)
	}
	from := bufio.NewReader(unzipped)
	read := func(into any) {
		if err := binary.Read(from, binary.LittleEndian, into); err != nil {
			t.Fatal(err)
		}
	}
	var size, prefixes uint32
	read(&size)
	text := make([]byte, size)
	read(text)
	names := strings.Split(string(text), "\n")
	read(&prefixes)
	lines, prefix := []string{}, uint64(0)
	for range prefixes {
		distance, err := binary.ReadUvarint(from)
		if err != nil {
			t.Fatal(err)
		}
		prefix += distance
		var count uint8
		read(&count)
		zones := make([]uint16, count)
		read(zones)
		name := several
		if count == 1 {
			name = names[zones[0]]
		}
		lines = append(lines, fmt.Sprintf("%d %s\n", prefix, name))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func zoneByLibrary(digits string) string {
	zones, err := phonenumbers.GetTimezonesForPrefix(digits)
	if err != nil || len(zones) != 1 || zones[0] == phonenumbers.UNKNOWN_TIMEZONE {
		return ""
	}
	return zones[0]
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNumbersAreReadAsTheLibraryReadsThem compares what people and providers write with what the library makes of it.
func TestNumbersAreReadAsTheLibraryReadsThem(t *testing.T) {
	examples := 0
	for region := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE, phonenumbers.TOLL_FREE, phonenumbers.VOIP} {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			examples++
			want := phonenumbers.Format(example, phonenumbers.E164)
			for _, written := range []string{want, phonenumbers.Format(example, phonenumbers.INTERNATIONAL)} {
				if got, err := E164(written); err != nil || got != want {
					t.Errorf("%s of %s is read as %q, %v, and is %s", written, region, got, err, want)
				}
			}
			if got, zone := TimeZone(want[1:]), zoneByLibrary(want[1:]); got != zone {
				t.Errorf("%s rings in %q, the library says %q", want, got, zone)
			}
		}
	}
	if examples < 500 {
		t.Errorf("only %d examples were compared", examples)
	}

	random, read := rand.New(rand.NewPCG(1, 2)), 0 //nolint:gosec // numbers to compare
	for range 100_000 {
		digits := strconv.FormatUint(random.Uint64N(10_000_000_000_000_000), 10)
		if n := 5 + random.IntN(11); n < len(digits) {
			digits = digits[:n]
		}
		if got, want := TimeZone(digits), zoneByLibrary(digits); got != want {
			t.Fatalf("+%s rings in %q, the library says %q", digits, got, want)
		}
		got, err := E164("+" + digits)
		if err != nil {
			continue
		}
		read++
		if parsed, err := phonenumbers.Parse(got, ""); err != nil || !phonenumbers.IsPossibleNumber(parsed) {
			t.Fatalf("%s is taken for a number, and the library refuses it: %v", got, err)
		}
	}
	if read < 1000 {
		t.Errorf("only %d random numbers were taken for one", read)
	}
}

func TestWhatIsNoNumberIsRefusedWithTheNextStep(t *testing.T) {
	for written, want := range map[string]string{
		"":                       "+4930901820",
		"030 901820":             "+4930901820",
		"reception":              "+4930901820",
		"+49 151 CALLME":         "+4930901820",
		"++4930901820":           "+4930901820",
		"+999 123456":            "+4930901820",
		"+":                      "+4930901820",
		strings.Repeat("+4", 40): "+4930901820",
		"+49 (0)151 12345678":    "leave out the 0",
		"+49 0151 12345678":      "leave out the 0",
		"+49 15":                 "none has 4 digits",
		"+1 212 555 01234":       "none has 12 digits",
	} {
		if got, err := E164(written); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v; want an error with %q", written, got, err, want)
		} else if len(written) > 4 && strings.Contains(err.Error(), written) {
			t.Errorf("the error tells the number: %v", err)
		}
	}
	// Italy's begin with 0.
	if got, err := E164("+39 06 698 1"); err != nil || got != "+39066981" {
		t.Errorf("got %q, %v", got, err)
	}
}
