package provider

import (
	"strings"
	"testing"
)

func TestJSONIsBoundedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, want string
		ok       bool
	}{
		"as it is":                      {`{"a":["b,c","d\",["]}`, `{"a":["b,c","d\",["]}`, true},
		"as many as may be":             {`[[1,2],[3]]`, `[[1,2],[3]]`, true},
		"members of objects are free":   {`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}`, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}`, true},
		"one too many":                  {`[1,2,3,4,5,6]`, "", false},
		"too many lists":                {`{"a":[],"b":[],"c":[],"d":[],"e":[],"f":[]}`, "", false},
		"too deep":                      {strings.Repeat(`{"a":`, 65), "", false},
		"what is no UTF-8":              {"{\"a\":\"b\xff\xfec\"}", `{"a":"b?c"}`, true},
		"a string without end":          {`["a\`, `["a\`, true},
		"more closed than opened":       {`]]}[1]`, `]]}[1]`, true},
		"a comma in an object in lists": {`[{"a":1,"b":2,"c":3,"d":4,"e":5}]`, `[{"a":1,"b":2,"c":3,"d":4,"e":5}]`, true},
	} {
		if got, ok := Legible([]byte(c.in), 5); string(got) != c.want || ok != c.ok {
			t.Errorf("%s: %q, %t; want %q, %t", name, got, ok, c.want, c.ok)
		}
	}
}
