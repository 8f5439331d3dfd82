// Package intern lets cached objects share what is equal in them: of a thousand tenants, the pods' templates, labels and rules
// differ in little more than a name. It is hash consing, as compilers do it with terms.
package intern

import (
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"slices"
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
	buffer  []byte
}

// key is a part's type, and a digest of what it holds.
type key struct {
	of  reflect.Type
	sum sum
}

// sum is long enough that nobody finds two parts of the same one.
type sum [sha256.Size / 2]byte

// Share replaces the strings, slices, maps and pointers in what object points to by equal ones that other objects have already.
// Afterwards nobody may change any of them in place, as it is with whatever comes from a cache.
func (t *Table) Share(object any) {
	v := reflect.ValueOf(object)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buffer, _ = t.structure(v.Elem(), t.buffer[:0])
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	quantityType = reflect.TypeFor[resource.Quantity]()
)

// value shares what is in v and appends a description of it; equal ones are of equal values. false says that there is something
// in v that can't be described: then nothing that it is part of is shared as a whole.
func (t *Table) value(v reflect.Value, b []byte) ([]byte, bool) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1), true
		}
		return append(b, 0), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.BigEndian.AppendUint64(b, uint64(v.Int())), true //nolint:gosec // the bits alone count
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.BigEndian.AppendUint64(b, v.Uint()), true
	case reflect.String:
		return t.text(v, b), true
	case reflect.Struct:
		return t.structure(v, b)
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if v.IsNil() {
			return append(b, 0), true
		}
		return t.part(v, append(b, 1))
	case reflect.Interface:
		return append(b, 0), v.IsNil()
	default:
		return b, false
	}
}

// text shares a string.
func (t *Table) text(v reflect.Value, b []byte) []byte {
	s := v.String()
	if s != "" && v.CanSet() {
		v.SetString(t.string(s))
	}
	return append(binary.BigEndian.AppendUint64(b, uint64(len(s))), s...)
}

func (t *Table) string(s string) string {
	if known, ok := t.strings.get(s); ok {
		return known
	}
	t.strings.put(s, s)
	return s
}

func (t *Table) structure(v reflect.Value, b []byte) ([]byte, bool) {
	switch v.Type() {
	case timeType:
		if !v.CanInterface() {
			return b, false
		}
		at, _ := v.Interface().(time.Time)
		b = binary.BigEndian.AppendUint64(b, uint64(at.Unix())) //nolint:gosec // the bits alone count
		b = binary.BigEndian.AppendUint64(b, uint64(at.Nanosecond()))
		zone, offset := at.Zone()
		return binary.BigEndian.AppendUint64(append(append(b, zone...), 0), uint64(offset)), true //nolint:gosec // the bits alone count
	case quantityType:
		if !v.CanInterface() {
			return b, false
		}
		q, _ := v.Interface().(resource.Quantity)
		if v.CanAddr() { // it keeps its text when it is first asked for: who shares it must not be the first
			if at, ok := v.Addr().Interface().(*resource.Quantity); ok {
				q.Format, b = at.Format, append(b, at.String()...)
			}
		} else {
			b = append(b, q.String()...)
		}
		return append(append(append(b, 0), q.Format...), 0), true
	}
	all := true
	for i := range v.NumField() {
		described := false
		b, described = t.value(v.Field(i), b)
		all = all && described
	}
	return b, all
}

// part shares a pointer, slice or map that is not nil.
func (t *Table) part(v reflect.Value, b []byte) ([]byte, bool) {
	if !v.CanSet() {
		return b, false // of a type that hides it
	}
	start, all := len(b), true
	switch v.Kind() {
	case reflect.Pointer:
		b, all = t.value(v.Elem(), b)
	case reflect.Slice:
		b, all = t.items(v, b)
	default:
		b, all = t.entries(v, b)
	}
	if !all {
		return b[:start], false
	}
	full := sha256.Sum256(b[start:])
	k := key{v.Type(), sum(full[:len(sum{})])}
	if known, ok := t.parts.get(k); ok {
		v.Set(known)
	} else {
		kept := reflect.New(v.Type()).Elem() // v itself goes on to be a field of the object
		kept.Set(v)
		t.parts.put(k, kept)
	}
	return append(b[:start], k.sum[:]...), true
}

func (t *Table) items(v reflect.Value, b []byte) ([]byte, bool) {
	if v.Cap() > v.Len() { // as decoders leave it; and whoever appends must not write into what others share
		short := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(short, v)
		v.Set(short)
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return append(b, v.Bytes()...), true
	}
	all := true
	for i := range v.Len() {
		described := false
		b, described = t.value(v.Index(i), append(b, 1))
		all = all && described
	}
	return b, all
}

// entries of a map are described in an order of their own: a map has none.
func (t *Table) entries(v reflect.Value, b []byte) ([]byte, bool) {
	start, all := len(b), true
	var sums []sum
	for entries := v.MapRange(); entries.Next(); {
		name, item := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		name.Set(entries.Key())
		item.Set(entries.Value())
		for _, half := range []reflect.Value{name, item} {
			described := false
			b, described = t.value(half, b)
			all = all && described
		}
		v.SetMapIndex(name, item) // the same name, of shared text
		full := sha256.Sum256(b[start:])
		sums, b = append(sums, sum(full[:len(sum{})])), b[:start]
	}
	slices.SortFunc(sums, func(a, b sum) int { return slices.Compare(a[:], b[:]) })
	for _, s := range sums {
		b = append(b, s[:]...)
	}
	return b, all
}
