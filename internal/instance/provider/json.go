package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/buger/jsonparser"
)

// maxDepth is how deep lists and objects of a document may stand in each other.
const maxDepth = 64

// JSON is a value of a document. It is read where it stands: encoding/json takes many times its size in memory of a list of nothing,
// and of members of other types than expected. The zero value is none.
type JSON struct {
	raw  []byte // of a string, what stands between the quotes
	kind jsonparser.ValueType
}

// ReadJSON gives the value of a document. It is false for what is no JSON, or deeper than any provider's. An octet that is no UTF-8
// is a question mark.
func ReadJSON(body []byte) (JSON, bool) {
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("?"))
	}
	if deeper(body, maxDepth) || !json.Valid(body) {
		return JSON{}, false
	}
	raw, kind, _, err := jsonparser.Get(body)
	return JSON{raw, kind}, err == nil
}

// deeper says whether lists and objects stand more than most deep in each other.
func deeper(body []byte, most int) bool {
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if depth++; depth > most {
				return true
			}
		case ']', '}':
			depth--
		}
	}
	return false
}

// Is says whether there is a value, and not null.
func (v JSON) Is() bool { return v.kind != jsonparser.NotExist && v.kind != jsonparser.Null }

// IsObject says whether it is one.
func (v JSON) IsObject() bool { return v.kind == jsonparser.Object }

// IsList says whether it is one.
func (v JSON) IsList() bool { return v.kind == jsonparser.Array }

// IsText says whether it is a string.
func (v JSON) IsText() bool { return v.kind == jsonparser.String }

// errEnough ends a walk.
var errEnough = errors.New("enough")

// Members are those of an object, in their order, for range; there are none of anything else. A name is valid until the next.
func (v JSON) Members(yield func(name []byte, v JSON) bool) {
	if v.kind != jsonparser.Object {
		return
	}
	_ = jsonparser.ObjectEach(v.raw, func(name, raw []byte, kind jsonparser.ValueType, _ int) error { // only ours: it is JSON
		if !yield(name, JSON{raw, kind}) {
			return errEnough
		}
		return nil
	})
}

// Member is that of an object; none when it has no such, or is no object. To read more than two of one object, walk through its
// Members.
func (v JSON) Member(name string) (found JSON) {
	for other, v := range v.Members {
		if string(other) == name {
			found = v
		}
	}
	return found
}

// List are the members of a list, for range; there are none of anything else.
func (v JSON) List(yield func(v JSON) bool) {
	if v.kind != jsonparser.Array {
		return
	}
	_, _ = jsonparser.ArrayEachErr(v.raw, func(raw []byte, kind jsonparser.ValueType, _ int, _ error) error { // only ours: it is JSON
		if !yield(JSON{raw, kind}) {
			return errEnough
		}
		return nil
	})
}

// Len counts the members of a list.
func (v JSON) Len() (n int) {
	for range v.List {
		n++
	}
	return n
}

// Text is a string, "" for anything else. Half of a surrogate pair is U+FFFD.
func (v JSON) Text() string {
	if v.kind != jsonparser.String {
		return ""
	}
	text, err := jsonparser.ParseString(v.raw)
	if err != nil {
		_ = json.Unmarshal(slices.Concat([]byte{'"'}, v.raw, []byte{'"'}), &text) // it is a string of JSON
	}
	return text
}

// Int is a whole number; false for anything else.
func (v JSON) Int() (int64, bool) {
	if v.kind != jsonparser.Number {
		return 0, false
	}
	n, err := jsonparser.ParseInt(v.raw)
	return n, err == nil
}

// True is false for anything else.
func (v JSON) True() bool { return v.kind == jsonparser.Boolean && string(v.raw) == "true" }
