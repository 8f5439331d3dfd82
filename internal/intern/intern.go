// Package intern lets cached objects share what is equal in them: of a thousand tenants, the pods' templates, labels and rules
// differ in little more than a name. It is hash consing, as compilers do it with terms.
package intern

import (
	"crypto/sha256"
	"reflect"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// generation is how many parts, and how many strings, a Table remembers before it begins to forget those that nobody has asked for
// meanwhile.
const generation = 1 << 14

// Table knows the parts that objects share. Its zero value is ready.
type Table struct {
	mu      sync.Mutex
	strings memory[string, string]
	parts   memory[key, reflect.Value]
}

// key is a part's type, and a digest of what it holds.
type key struct {
	of  reflect.Type
	sum sum
}

// sum is long enough that nobody finds two parts of the same one.
type sum [sha256.Size / 2]byte

// Share replaces the strings, slices, maps and pointers in what object points to by equal ones that other objects have already.
// Afterwards nobody may change any of them in place, as it is with whatever comes from a cache. Nor does Share: what is in object
// may be another's too, for an informer that lists anew hands the same object over twice. It writes into the object itself alone,
// and into copies of its parts.
func (t *Table) Share(object any) {
	v := reflect.ValueOf(object)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.share(v.Elem())
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	quantityType = reflect.TypeFor[resource.Quantity]()
)

// share replaces what is in v, which is nobody else's.
func (t *Table) share(v reflect.Value) {
	if !v.CanSet() || v.IsZero() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(t.string(v.String()))
	case reflect.Struct:
		if v.Type() == timeType {
			return
		}
		if q, is := v.Addr().Interface().(*resource.Quantity); is {
			_ = q.String() // it keeps its text when it is first asked for: that must not be when others have it
			return
		}
		for i := range v.NumField() {
			t.share(v.Field(i))
		}
	case reflect.Pointer, reflect.Slice, reflect.Map:
		b, described := describe(v, nil)
		if !described {
			return
		}
		full := sha256.Sum256(b)
		k := key{v.Type(), sum(full[:len(sum{})])}
		known, ok := t.parts.get(k)
		if !ok {
			known = t.copied(v)
			t.parts.put(k, known)
		}
		v.Set(known)
	default:
	}
}

func (t *Table) string(s string) string {
	if known, ok := t.strings.get(s); ok {
		return known
	}
	t.strings.put(s, s)
	return s
}

// copied copies a part, of shared parts itself. A slice has no room for more, as decoders leave it: who appends must not write into
// what others have.
func (t *Table) copied(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(v.Elem())
		t.share(c.Elem())
		return c
	case reflect.Slice:
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range c.Len() {
				t.share(c.Index(i))
			}
		}
		return c
	default:
		c := reflect.MakeMapWithSize(v.Type(), v.Len())
		for entries := v.MapRange(); entries.Next(); {
			name, item := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			name.Set(entries.Key())
			item.Set(entries.Value())
			t.share(name)
			t.share(item)
			c.SetMapIndex(name, item)
		}
		return c
	}
}
