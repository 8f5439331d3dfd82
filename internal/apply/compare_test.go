package apply

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

func TestContains(t *testing.T) {
	for name, c := range map[string]struct {
		live, desired string
		want          bool
	}{
		"equal":                                 {`{"spec":{"a":1}}`, `{"spec":{"a":1}}`, true},
		"a default of the API server":           {`{"spec":{"a":1,"b":2}}`, `{"spec":{"a":1}}`, true},
		"another value":                         {`{"spec":{"a":2}}`, `{"spec":{"a":1}}`, false},
		"a field gone":                          {`{"spec":{}}`, `{"spec":{"a":1}}`, false},
		"a default inside a list":               {`{"spec":{"l":[{"n":"x","d":1}]}}`, `{"spec":{"l":[{"n":"x"}]}}`, true},
		"an item too many":                      {`{"spec":{"l":[{"n":"x"},{"n":"y"}]}}`, `{"spec":{"l":[{"n":"x"}]}}`, false},
		"an item too few":                       {`{"spec":{"l":[]}}`, `{"spec":{"l":[{"n":"x"}]}}`, false},
		"items in another order":                {`{"spec":{"l":[2,1]}}`, `{"spec":{"l":[1,2]}}`, false},
		"an empty list that got an item":        {`{"spec":{"l":[{}]}}`, `{"spec":{"l":[]}}`, false},
		"an empty list that isn't there":        {`{"spec":{}}`, `{"spec":{"l":[]}}`, true},
		"an empty map that isn't there":         {`{}`, `{"spec":{"m":{}}}`, true},
		"null that is an empty map":             {`{"spec":{"m":{}}}`, `{"spec":{"m":null}}`, true},
		"a map that became text":                {`{"spec":{"m":"x"}}`, `{"spec":{"m":{}}}`, false},
		"a list that became a map":              {`{"spec":{"l":{}}}`, `{"spec":{"l":[]}}`, false},
		"false that isn't there":                {`{"spec":{}}`, `{"spec":{"b":false}}`, false},
		"another owner beside ours":             {`{"metadata":{"ownerReferences":[{"uid":"2"},{"uid":"1","x":1}]}}`, `{"metadata":{"ownerReferences":[{"uid":"1"}]}}`, true},
		"our owner gone":                        {`{"metadata":{"ownerReferences":[{"uid":"2"}]}}`, `{"metadata":{"ownerReferences":[{"uid":"1"}]}}`, false},
		"another label beside ours":             {`{"metadata":{"labels":{"a":"1","b":"2"}}}`, `{"metadata":{"labels":{"a":"1"}}}`, true},
		"our label changed":                     {`{"metadata":{"labels":{"a":"2"}}}`, `{"metadata":{"labels":{"a":"1"}}}`, false},
		"ownerReferences outside of metadata":   {`{"spec":{"ownerReferences":[1,2]}}`, `{"spec":{"ownerReferences":[1]}}`, false},
		"our metadata where there is none left": {`{}`, `{"metadata":{"labels":{"a":"1"}}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := contains(parse(t, c.live), parse(t, c.desired)); got != c.want {
				t.Errorf("contains(%s, %s) = %t", c.live, c.desired, got)
			}
		})
	}
}

// FuzzContains holds four laws for any JSON: an object contains itself; a field
// more does no harm; a changed or removed field is seen; an item more is seen.
func FuzzContains(f *testing.F) {
	f.Add([]byte(`{"spec":{"a":1,"l":[{"n":"x"},[]],"m":{},"z":null}}`), uint8(0))
	f.Add([]byte(`{"spec":{"ports":[{"port":443}],"s":"text"},"data":{"k":"v"}}`), uint8(3))
	f.Add([]byte(`{"metadata":{"labels":{"a":"b"},"ownerReferences":[{"uid":"1"}]}}`), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, which uint8) {
		object := map[string]any{}
		if json.Unmarshal(raw, &object) != nil {
			return // not an object of JSON
		}
		if !contains(object, object) {
			t.Fatalf("%s doesn't contain itself", raw)
		}
		delete(object, "metadata") // which has laws of its own
		places := mutations(object)
		if len(places) == 0 {
			return
		}
		live := copyOf(t, object)
		mutate := mutations(live)[int(which)%len(places)]
		before, harmless := mustJSON(t, live), mutate()
		if bytes.Equal(before, mustJSON(t, live)) {
			t.Fatal("the mutation changed nothing")
		}
		if got := contains(live, object); got != harmless {
			t.Fatalf("contains(%s, %s) = %t, want %t", mustJSON(t, live), mustJSON(t, object), got, harmless)
		}
	})
}

// mutations of a value, in place; each tells whether it is harmless.
func mutations(value any) []func() bool {
	var all []func() bool
	switch v := value.(type) {
	case map[string]any:
		all = append(all, func() bool { v["a field that nobody has set"] = "x"; return true })
		for _, key := range slices.Sorted(maps.Keys(v)) {
			item := v[key]
			all = append(all, mutations(item)...)
			if !isEmpty(item) && !containsOnlyEmpty(item) {
				all = append(all, func() bool { delete(v, key); return false })
			}
			all = append(all, func() bool { v[key] = "another value \x00"; return item == any("another value \x00") })
			if l, ok := item.([]any); ok {
				all = append(all, func() bool { v[key] = append(l[:len(l):len(l)], "x"); return false })
			}
		}
	case []any:
		for _, item := range v {
			all = append(all, mutations(item)...)
		}
	}
	return all
}

// containsOnlyEmpty tells whether value equals nothing: maps of nothing.
func containsOnlyEmpty(value any) bool {
	m, ok := value.(map[string]any)
	if !ok {
		return isEmpty(value)
	}
	for _, item := range m {
		if !containsOnlyEmpty(item) {
			return false
		}
	}
	return true
}

func parse(t *testing.T, raw string) map[string]any {
	t.Helper()
	object := map[string]any{}
	if err := json.Unmarshal([]byte(raw), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func copyOf(t *testing.T, object map[string]any) map[string]any {
	t.Helper()
	return parse(t, string(mustJSON(t, object)))
}

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
