package smpp

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/switchboard-operator/switchboard/internal/fuzztest"
)

func TestTextsAreReadInTheirAlphabet(t *testing.T) {
	for name, c := range map[string]struct {
		coding byte
		octets string
		want   string
		ok     bool
	}{
		"GSM 03.38":                         {0x00, "\x00\x02\x1e\x7f Hallo", "@$ßà Hallo", true},
		"the extension table":               {0x00, "5 \x1be \x1b<x\x1b>", "5 € [x]", true},
		"an escape of nothing":              {0x00, "\x1bA", "A", true},
		"an escape at the end":              {0x00, "A\x1b", "A ", true},
		"octets that are no septets":        {0x00, "A\x80\xff", "A\uFFFD\uFFFD", true},
		"ASCII":                             {0x01, "@$ Hallo", "@$ Hallo", true},
		"Latin-1":                           {0x03, "Gr\xfc\xdfe", "Grüße", true},
		"UCS-2":                             {0x08, "\x04\x1f\x04\x40", "Пр", true},
		"a surrogate pair":                  {0x08, "\xd8\x3d\xdd\x11", "🔑", true},
		"half a surrogate pair":             {0x08, "\xd8\x3d\x00A", "\uFFFDA", true},
		"an octet too many":                 {0x08, "\x00A\x00", "A", true},
		"message class, GSM 03.38":          {0xF1, "\x00", "@", true},
		"message class, 8 bits":             {0xF5, "x", "", false},
		"8 bits":                            {0x04, "x", "", false},
		"group with message class, UCS-2":   {0x18, "\x00A", "A", true},
		"message waiting, GSM 03.38":        {0xC0, "\x00", "@", true},
		"message waiting, UCS-2":            {0xE0, "\x00A", "A", true},
		"Japanese, which is not read":       {0x05, "x", "", false},
		"no text":                           {0x00, "", "", true},
		"carriage return and line feed":     {0x00, "a\r\nb", "a\r\nb", true},
		"Greek capitals of the basic table": {0x00, "\x10\x12\x13", "ΔΦΓ", true},
	} {
		if got, ok := decode(c.coding, []byte(c.octets)); got != c.want || ok != c.ok {
			t.Errorf("%s: %q, %t; want %q, %t", name, got, ok, c.want, c.ok)
		}
	}
}

func TestTextsAreSplitBetweenCharacters(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		way    string
		coding byte
		want   []int // octets
	}{
		"160 septets":                         {strings.Repeat("a", 160), longUDH8, 0, []int{160}},
		"161 septets":                         {strings.Repeat("a", 161), longUDH8, 0, []int{153, 8}},
		"161 septets, 16 bits":                {strings.Repeat("a", 161), longUDH16, 0, []int{152, 9}},
		"161 septets, sar":                    {strings.Repeat("a", 161), longSAR, 0, []int{153, 8}},
		"an escape is not split":              {strings.Repeat("a", 152) + "€" + strings.Repeat("a", 20), longUDH8, 0, []int{152, 22}},
		"70 units":                            {strings.Repeat("ж", 70), longUDH8, codingUCS2, []int{140}},
		"71 units":                            {strings.Repeat("ж", 71), longUDH8, codingUCS2, []int{134, 8}},
		"71 units, 16 bits":                   {strings.Repeat("ж", 71), longUDH16, codingUCS2, []int{132, 10}},
		"a pair is not split":                 {strings.Repeat("ж", 66) + "🔑" + strings.Repeat("ж", 5), longUDH8, codingUCS2, []int{132, 14}},
		"one character that GSM 03.38 hasn't": {strings.Repeat("a", 69) + "ж", longUDH8, codingUCS2, []int{140}},
		"a payload":                           {strings.Repeat("a", 4000), longPayload, 0, []int{4000}},
		"nothing":                             {"", longUDH8, 0, []int{0}},
	} {
		coding, parts := split(c.text, lengthsOf(c.way))
		var got []int
		var joined strings.Builder
		for _, p := range parts {
			got = append(got, len(p))
			text, _ := decode(coding, p)
			joined.WriteString(text)
		}
		if coding != c.coding || len(got) != len(c.want) || joined.String() != c.text {
			t.Errorf("%s: coding %d, parts of %v; want %d, %v", name, coding, got, c.coding, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: parts of %v, want %v", name, got, c.want)
			}
		}
	}
}

// FuzzSplit: whatever is split is the same text once it is joined, and no part is longer than allowed.
func FuzzSplit(f *testing.F) {
	f.Add("Grüße 🗝", "UDH8")
	f.Add(strings.Repeat("€", 200), "UDH16")
	f.Fuzz(func(t *testing.T, text, way string) {
		if !utf8.ValidString(text) {
			return
		}
		l := lengthsOf(way)
		coding, parts := split(text, l)
		var joined strings.Builder
		for _, p := range parts {
			if most := max(l.gsmSingle, l.ucsSingle); len(p) > most {
				t.Fatalf("a part of %d octets", len(p))
			}
			got, ok := decode(coding, p)
			if !ok {
				t.Fatal("a part can't be read")
			}
			joined.WriteString(got)
		}
		if joined.String() != text {
			t.Fatalf("%q became %q", text, joined.String())
		}
	})
}

// FuzzDecode: whatever comes in is read without a panic, and no longer than it was.
func FuzzDecode(f *testing.F) {
	f.Add(byte(0), []byte("\x1be"))
	f.Add(byte(8), []byte("\xd8\x3d\xdd\x11\x00"))
	f.Fuzz(func(t *testing.T, coding byte, octets []byte) {
		var text string
		alphabet() // made once
		fuzztest.Bounded(t, len(octets), 1<<10, func() { text, _ = decode(coding, octets) })
		if !utf8.ValidString(text) || utf8.RuneCountInString(text) > len(octets) {
			t.Fatalf("%q of %d octets", text, len(octets))
		}
	})
}

// FuzzFrame: what a message centre says is read without a panic, with bounds.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x10\x80\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		// Of the last, which may break off, as much is allocated as it says that it has.
		fuzztest.Bounded(t, len(octets), maxFrame+16<<10, func() {
			r := bytes.NewReader(octets)
			for {
				p, err := readFrame(r)
				if err != nil {
					return
				}
				if len(p.body) > maxFrame {
					t.Fatalf("a body of %d octets", len(p.body))
				}
				_ = messageID(p.body)
			}
		})
	})
}
