package smpp

import (
	"encoding/binary"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/linxGnu/gosmpp/data"
	"golang.org/x/text/encoding/charmap"
)

// Data codings (SMPP 3.4, 5.2.19).
const (
	codingDefault = 0x00 // GSM 03.38, one septet in an octet
	codingASCII   = 0x01
	codingLatin1  = 0x03
	codingUCS2    = 0x08
)

const (
	// maxParts bounds a long message: a text of staff's is not as long.
	maxParts = 64
	escape   = 0x1B
)

// gsm is GSM 03.38 with its extension table, as gosmpp has it.
type gsm struct {
	basic, extended [128]rune // 0 where there is none
	octets          map[rune][]byte
}

var alphabet = sync.OnceValue(func() *gsm {
	g := &gsm{octets: map[rune][]byte{}}
	note := func(table *[128]rune, octets ...byte) {
		text, err := data.GSM7BIT.Decode(octets)
		if err != nil || text == "" {
			return
		}
		r := []rune(text)[0]
		table[octets[len(octets)-1]], g.octets[r] = r, octets
	}
	for b := byte(0); b < 128; b++ {
		note(&g.basic, b)
		note(&g.extended, escape, b)
	}
	return g
})

// septets gives a text in GSM 03.38, a character with its escape in one piece; false when it can't be written so.
func septets(text string) (characters [][]byte, ok bool) {
	g := alphabet()
	for _, r := range text {
		octets, is := g.octets[r]
		if !is {
			return nil, false
		}
		characters = append(characters, octets)
	}
	return characters, true
}

// units gives a text in UCS-2, which phones take for UTF-16: a surrogate pair is in one piece.
func units(text string) [][]byte {
	characters := make([][]byte, 0, len(text))
	for _, r := range text {
		var octets []byte
		for _, u := range utf16.Encode([]rune{r}) {
			octets = binary.BigEndian.AppendUint16(octets, u)
		}
		characters = append(characters, octets)
	}
	return characters
}

// decode reads a text. What can't be read is shown as U+FFFD; of an octet that stands for nothing in the extension table, the
// character of the basic one is shown (3GPP TS 23.038, 6.2.1.1).
func decode(coding byte, octets []byte) (text string, ok bool) {
	switch charset(coding) {
	case codingDefault:
		return alphabet().decode(octets), true
	case codingASCII:
		return strings.ToValidUTF8(string(octets), "\uFFFD"), true // some send UTF-8
	case codingLatin1:
		text, err := charmap.ISO8859_1.NewDecoder().String(string(octets))
		return text, err == nil
	case codingUCS2:
		u := make([]uint16, len(octets)/2)
		for i := range u {
			u[i] = binary.BigEndian.Uint16(octets[2*i:])
		}
		return string(utf16.Decode(u)), true
	}
	return "", false
}

// charset reduces a data coding to the alphabet that it names, 0xFF for none: pictures, ring tones and what is rare.
func charset(coding byte) byte {
	switch {
	case coding <= codingASCII, coding == codingLatin1, coding == codingUCS2:
		return coding
	case coding&0xF0 == 0xF0: // message class: GSM 03.38 or 8 bits
		if coding&0x04 == 0 {
			return codingDefault
		}
	case coding&0xC0 == 0x00 && coding&0x10 != 0, coding&0xE0 == 0xC0, coding&0xF0 == 0xE0: // GSM data coding groups
		switch {
		case coding&0xF0 == 0xE0 || coding&0xC0 == 0 && coding&0x0C == 0x08:
			return codingUCS2
		case coding&0xE0 == 0xC0 || coding&0x0C == 0:
			return codingDefault
		}
	}
	return 0xFF
}

func (g *gsm) decode(octets []byte) string {
	var b strings.Builder
	for i := 0; i < len(octets); i++ {
		o := octets[i]
		table := &g.basic
		if o == escape && i+1 < len(octets) {
			i++
			if o = octets[i]; o < 128 && g.extended[o] != 0 {
				table = &g.extended
			}
		}
		if o >= 128 || table[o] == 0 && o != escape {
			b.WriteRune('\uFFFD')
			continue
		}
		if o == escape {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(table[o])
	}
	return b.String()
}

// split gives a text in parts, and its data coding. A text of one part has single octets at most; each of several has part.
// gsmSingle and gsmPart are septets, the others octets.
func split(text string, l lengths) (coding byte, parts [][]byte) {
	characters, ok := septets(text)
	single, part := l.gsmSingle, l.gsmPart
	if !ok {
		coding, characters, single, part = codingUCS2, units(text), l.ucsSingle, l.ucsPart
	}
	total := 0
	for _, c := range characters {
		total += len(c)
	}
	if total <= single {
		part = single
	}
	parts = [][]byte{nil}
	for _, c := range characters {
		last := len(parts) - 1
		if len(parts[last])+len(c) > part {
			parts, last = append(parts, nil), last+1
		}
		parts[last] = append(parts[last], c...)
	}
	return coding, parts
}

// lengths are how much goes into one message, and into a part of several.
type lengths struct{ gsmSingle, gsmPart, ucsSingle, ucsPart int }

// lengthsOf the ways to send long messages: 140 octets, less the header of each.
func lengthsOf(way string) lengths {
	switch way {
	case longUDH16:
		return lengths{160, 152, 140, 132}
	case longPayload:
		return lengths{maxPayload, maxPayload, maxPayload, maxPayload}
	default: // the message centre puts a header of six octets before a part of sar_*
		return lengths{160, 153, 140, 134}
	}
}
