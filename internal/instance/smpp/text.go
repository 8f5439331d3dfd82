package smpp

import (
	"encoding/binary"
	"iter"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/linxGnu/gosmpp/data"
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
	var read func([]byte) iter.Seq[rune]
	switch charset(coding) {
	case codingDefault:
		read = alphabet().characters
	case codingASCII:
		read = utf8Characters // some send UTF-8
	case codingLatin1:
		read = latin1
	case codingUCS2:
		read = ucs2
	default:
		return "", false
	}
	size := 0 // found first, so that nothing is allocated twice
	for r := range read(octets) {
		size += utf8.RuneLen(r)
	}
	var b strings.Builder
	b.Grow(size)
	for r := range read(octets) {
		b.WriteRune(r)
	}
	return b.String(), true
}

func utf8Characters(octets []byte) iter.Seq[rune] {
	return func(yield func(rune) bool) {
		broken := false // octets that follow each other and can't be read are one U+FFFD
		for len(octets) > 0 {
			r, n := utf8.DecodeRune(octets)
			octets = octets[n:]
			is := r == utf8.RuneError && n == 1
			if (!is || !broken) && !yield(r) {
				return
			}
			broken = is
		}
	}
}

func latin1(octets []byte) iter.Seq[rune] {
	return func(yield func(rune) bool) {
		for _, o := range octets {
			if !yield(rune(o)) {
				return
			}
		}
	}
}

func ucs2(octets []byte) iter.Seq[rune] {
	return func(yield func(rune) bool) {
		for len(octets) >= 2 {
			r := rune(binary.BigEndian.Uint16(octets))
			octets = octets[2:]
			if utf16.IsSurrogate(r) {
				r2 := rune(utf8.RuneError)
				if len(octets) >= 2 {
					r2 = utf16.DecodeRune(r, rune(binary.BigEndian.Uint16(octets)))
				}
				if r = r2; r != utf8.RuneError {
					octets = octets[2:]
				}
			}
			if !yield(r) {
				return
			}
		}
	}
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

// characters reads GSM 03.38.
func (g *gsm) characters(octets []byte) iter.Seq[rune] {
	return func(yield func(rune) bool) {
		for i := 0; i < len(octets); i++ {
			o := octets[i]
			table := &g.basic
			if o == escape && i+1 < len(octets) {
				i++
				if o = octets[i]; o < 128 && g.extended[o] != 0 {
					table = &g.extended
				}
			}
			r := utf8.RuneError
			switch {
			case o == escape:
				r = ' '
			case o < 128 && table[o] != 0:
				r = table[o]
			}
			if !yield(r) {
				return
			}
		}
	}
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
