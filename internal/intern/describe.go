package intern

import (
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// describe appends what is in v: equal descriptions are of equal values of a type. It changes nothing. false says that there is
// something in v that can't be described.
func describe(v reflect.Value, b []byte) ([]byte, bool) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1), true
		}
		return append(b, 0), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return number(v.Int(), b), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.BigEndian.AppendUint64(b, v.Uint()), true
	case reflect.String:
		return append(number(int64(v.Len()), b), v.String()...), true
	case reflect.Struct:
		return structure(v, b)
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0), true
		}
		return describe(v.Elem(), append(b, 1))
	case reflect.Slice:
		if v.IsNil() {
			return append(b, 0), true
		}
		return items(v, number(int64(v.Len()), append(b, 1)))
	case reflect.Map:
		if v.IsNil() {
			return append(b, 0), true
		}
		return entries(v, number(int64(v.Len()), append(b, 1)))
	case reflect.Interface:
		return append(b, 0), v.IsNil()
	default:
		return b, false
	}
}

func number(n int64, b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // the bits alone count
}

func text(s string, b []byte) []byte { return append(number(int64(len(s)), b), s...) }

func structure(v reflect.Value, b []byte) ([]byte, bool) {
	if v.Type() == timeType || v.Type() == quantityType {
		if !v.CanInterface() {
			return b, false
		}
		switch o := v.Interface().(type) { // a copy: a Quantity keeps its text when it is first asked for
		case time.Time:
			zone, offset := o.Zone()
			return number(int64(offset), text(zone, number(int64(o.Nanosecond()), number(o.Unix(), b)))), true
		case resource.Quantity:
			return text(string(o.Format), text(o.String(), b)), true
		}
	}
	for i := range v.NumField() {
		var described bool
		if b, described = describe(v.Field(i), b); !described {
			return b, false
		}
	}
	return b, true
}

func items(v reflect.Value, b []byte) ([]byte, bool) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return append(b, v.Bytes()...), true
	}
	for i := range v.Len() {
		var described bool
		if b, described = describe(v.Index(i), b); !described {
			return b, false
		}
	}
	return b, true
}

// entries of a map are described in an order of their own: a map has none.
func entries(v reflect.Value, b []byte) ([]byte, bool) {
	start := len(b)
	var sums []sum
	for all := v.MapRange(); all.Next(); {
		for _, half := range []reflect.Value{all.Key(), all.Value()} {
			var described bool
			if b, described = describe(half, b); !described {
				return b, false
			}
		}
		full := sha256.Sum256(b[start:])
		sums, b = append(sums, sum(full[:len(sum{})])), b[:start]
	}
	slices.SortFunc(sums, func(a, b sum) int { return slices.Compare(a[:], b[:]) })
	for _, s := range sums {
		b = append(b, s[:]...)
	}
	return b, true
}
