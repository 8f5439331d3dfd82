package provider

import (
	"bytes"
	"unicode/utf8"
)

// maxDepth is how deep lists and objects of a webhook may stand in each other.
const maxDepth = 64

// Legible gives the JSON of a webhook as it may be read: an octet that is no UTF-8 is a question mark, since a decoder makes three
// octets of it. It is false for JSON with more than most members of lists, or deeper than any provider's: a list of nothing takes
// many times its size in memory. Whether it is JSON at all is for the decoder to say.
func Legible(body []byte, most int) ([]byte, bool) {
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("?"))
	}
	var list [maxDepth]bool
	depth, members := 0, 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if depth == maxDepth {
				return nil, false
			}
			if list[depth] = body[i] == '['; list[depth] {
				members++
			}
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case ',':
			if depth > 0 && list[depth-1] {
				members++
			}
		}
		if members > most {
			return nil, false
		}
	}
	return body, true
}
