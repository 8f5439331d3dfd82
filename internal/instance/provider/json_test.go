package provider

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/buger/jsonparser"
	"github.com/switchboard-operator/switchboard/internal/fuzztest"
)

func TestJSONIsReadWhereItStands(t *testing.T) {
	t.Parallel()
	v, ok := ReadJSON([]byte(` {"text":"Gr\u00fc\u00dfe \ud83d\udddd","half":"a\ud83db","n":-7,"part":7.5,"many":1e400,"yes":true,"null":null,"list":[1,"b",[]],"in":{"in":{"a":"b"}},"twice":1,"twice":2} `))
	if !ok || !v.IsObject() || !v.Is() || v.IsList() || v.IsText() || v.Text() != "" {
		t.Fatalf("read as %+v, %t", v, ok)
	}
	for name, want := range map[string]string{"text": "Grüße 🗝", "half": "a\uFFFDb", "n": "", "null": "", "list": "", "missing": ""} {
		if got := v.Member(name).Text(); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if n, ok := v.Member("n").Int(); n != -7 || !ok {
		t.Errorf("a number is %d, %t", n, ok)
	}
	for _, name := range []string{"text", "part", "many", "null", "missing"} {
		if n, ok := v.Member(name).Int(); ok {
			t.Errorf("%s is the number %d", name, n)
		}
	}
	if !v.Member("yes").True() || v.Member("text").True() || v.Member("null").Is() || v.Member("missing").Is() || !v.Member("part").Is() {
		t.Error("values are taken for others")
	}
	if n, _ := v.Member("twice").Int(); n != 2 {
		t.Errorf("of a member that is there twice, %d counts", n)
	}
	if got := v.Member("in").Member("in").Member("a").Text(); got != "b" || v.Member("list").Member("0").Is() {
		t.Errorf("a member within is %q", got)
	}
	var kinds []string
	for member := range v.Member("list").List {
		kinds = append(kinds, member.kind.String())
	}
	if !slices.Equal(kinds, []string{"number", "string", "array"}) || v.Member("list").Len() != 3 || v.Len() != 0 || v.Member("text").Len() != 0 {
		t.Errorf("a list is of %v", kinds)
	}
	for range v.Member("list").List { // ends when its reader does
		break
	}
	for range v.Members {
		break
	}
}

func TestWhatIsNoJSONIsNotRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in string
		ok bool
	}{
		"as deep as may be":       {strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), true},
		"too deep":                {strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), false},
		"too deep, without end":   {strings.Repeat(`{"a":`, maxDepth+1), false},
		"brackets in a string":    {`"` + strings.Repeat(`[\"`, 2*maxDepth) + `"`, true},
		"a string without end":    {`["a\`, false},
		"more closed than opened": {`]]}[1]`, false},
		"two":                     {`{} {}`, false},
		"nothing":                 {``, false},
		"single quotes":           {`{'a':1}`, false},
	} {
		if v, ok := ReadJSON([]byte(c.in)); ok != c.ok || v.Is() != c.ok {
			t.Errorf("%s: %t", name, ok)
		}
	}
	if v, ok := ReadJSON([]byte("{\"a\":\"b\xff\xfec\"}")); !ok || v.Member("a").Text() != "b?c" {
		t.Errorf("what is no UTF-8 is %q, %t", v.Member("a").Text(), ok)
	}
}

// FuzzJSON: encoding/json judges what is read.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"\ud800":1,"\udc00b":[2]}`, `{"a":[1,"b",null,true,{}],"\u0061\n":"\ud83d\udddd","c":"\ud83d"}`, ` [ 7 , -0.5e3 , "" ] `, `"\\\""`, `7`, `{"a":1,"a":[]}`, "{\"a\":\"\xff\"}", `[}`, `{"a"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v JSON
		var ok bool
		fuzztest.Bounded(t, len(body), 4<<10, func() { v, ok = ReadJSON(body) })
		legible := bytes.ToValidUTF8(body, []byte("?"))
		if valid := json.Valid(legible) && !deeper(legible, maxDepth); ok != valid {
			t.Fatalf("%q is read: %t", body, ok)
		}
		if !ok {
			return
		}
		var want any
		d := json.NewDecoder(bytes.NewReader(legible))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := rebuilt(v); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as %#v, by encoding/json as %#v", body, got, want)
		}
	})
}

// rebuilt is a value as encoding/json gives it.
func rebuilt(v JSON) any {
	switch v.kind {
	case jsonparser.Object:
		object := map[string]any{}
		for name, v := range v.Members {
			object[string(name)] = rebuilt(v)
		}
		return object
	case jsonparser.Array:
		list := []any{}
		for v := range v.List {
			list = append(list, rebuilt(v))
		}
		return list
	case jsonparser.String:
		return v.Text()
	case jsonparser.Number:
		return json.Number(v.raw)
	case jsonparser.Boolean:
		return v.True()
	}
	return nil
}
