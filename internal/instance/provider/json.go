package provider

import (
	"bytes"
	"unicode/utf8"
)

// maxDepth is how deep lists and objects of a webhook may stand in each other.
const maxDepth = 64 // as many as a number has bits

// Legible gives the JSON of a webhook as it may be read: an octet that is no UTF-8 is a question mark, since a decoder makes three
// octets of it. It is false for JSON with more than most members of lists, or deeper than any provider's: a list of nothing takes
// many times its size in memory. Whether it is JSON at all is for the decoder to say.
func Legible(body []byte, most int) ([]byte, bool) {
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("?"))
	}
	var lists uint64 // a bit for each that is open, the innermost the lowest: whether it is a list
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
			lists, depth = lists<<1, depth+1
			if body[i] == '[' {
				lists, members = lists|1, members+1
			}
		case ']', '}':
			lists, depth = lists>>1, max(depth-1, 0)
		case ',':
			if lists&1 == 1 {
				members++
			}
		}
		if members > most {
			return nil, false
		}
	}
	return body, true
}
