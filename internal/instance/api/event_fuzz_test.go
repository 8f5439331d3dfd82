package api

import (
	"bytes"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/fuzztest"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

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
		// Reading it and the decoder's own buffer grow by steps; besides, regular expressions and telephone numbers are made once.
		fuzztest.Bounded(t, len(body), 256<<10, func() {
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
