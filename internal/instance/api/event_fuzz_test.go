package api

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/fuzztest"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// room is what reading an event may take besides, in octets: reading its body grows by steps, and regular expressions and telephone
// numbers are made once.
const room = 256 << 10

// TestALittleEventTakesLittleMemory: of what takes the fewest octets for the most that is made of it.
func TestALittleEventTakesLittleMemory(t *testing.T) {
	const event = `"kind":"guest.arrived","guest":{"kind":"phone","address":"+4915112345678"},"data":`
	for name, c := range map[string]struct{ before, repeated, after string }{
		"fields that there are not":      {`{`, `"a":1,`, event + `{}}`},
		"fields that a guest has not":    {`{"guest":{`, `"a":1,`, `"b":1}}`},
		"one of another type":            {`{`, `"kind":1,`, event + `{}}`},
		"one that is there many times":   {`{`, `"guest":{},`, event + `{}}`},
		"data of many members":           {`{` + event + `{`, `"a":1,`, `"b":1}}`},
		"data of lists":                  {`{` + event + `{"a":[`, `[],`, `[]]}}`},
		"data in data":                   {`{` + event + `{"a":`, `[`, `]`},
		"a kind of escapes":              {`{"kind":"`, `\n`, `"}`},
		"a kind of halves of characters": {`{"kind":"`, `\ud800`, `"}`},
		"a name of escapes":              {`{"`, `\u0061`, `":1}`},
	} {
		for _, octets := range []int{4 << 10, 16 << 10, 32 << 10, 63 << 10} {
			body := []byte(c.before + strings.Repeat(c.repeated, octets/len(c.repeated)) + c.after)
			t.Run(fmt.Sprintf("%s/%d", name, octets), func(t *testing.T) {
				fuzztest.Bounded(t, len(body), room, func() {
					var in eventRequest
					if decodeObject(bytes.NewReader(body), &in) == nil {
						_ = in.check()
					}
				})
			})
		}
	}
}

// Each object within is held to its fields, too: a request must not be filed for another address than whoever sent it believes.
func TestFieldsWithinAreChecked(t *testing.T) {
	for body, want := range map[string]string{
		`{"addresses":[{"kind":"phone","address":"+1","address":"+2"}]}`:                      `"address" is there twice`,
		`{"addresses":[{"kind":"phone","address":"+1"},{"kind":"phone","Address":"+3"}]}`:     `no field "Address" here; the fields are kind, address`,
		`{"addresses":[{"kind":"phone","address":"+1","alias":"x"}]}`:                         `no field "alias" here`,
		`{"addresses":[{"kind":"phone","address":"+1"},7]}`:                                   `must be a`,
		`{"addresses":[{"kind":"phone","address":"+1"}],"receivedAt":"2026-01-02T03:04:05Z"}`: "",
	} {
		var in postPrivacyRequestRequest
		err := decodeObject(strings.NewReader(body), &in)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

// FuzzEvent: what another system tells of a guest is read without a panic, with bounds.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"kind":"guest.arrived","at":"2026-01-02T03:04:05Z","guest":{"kind":"phone","address":"+4915112345678"},"data":{"room":"12"}}`))
	f.Add([]byte(`{"kind":"guest.arrived","guest":{},"data":{"a":[[[]]]}}`))
	f.Add([]byte(`{"kind":"x","data":null} 7`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > maxBody { // refused before
			return
		}
		var in eventRequest
		var err error
		fuzztest.Bounded(t, len(body), room, func() {
			in = eventRequest{}
			if err = decodeObject(bytes.NewReader(body), &in); err == nil {
				if err = in.check(); err == nil {
					_, err = person.Parse(in.Guest.Kind, in.Guest.Address)
				}
			}
		})
		if err != nil {
			return
		}
		if len(in.Kind) > 64 || len(in.Data) > maxEvent || in.Data[0] != '{' || in.At != nil && time.Until(*in.At) > maxAhead {
			t.Errorf("let through: %+v", in)
		}
	})
}
