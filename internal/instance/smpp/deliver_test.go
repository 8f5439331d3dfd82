package smpp

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/fuzztest"
)

// body makes the body of a deliver_sm.
func body(esmClass, coding byte, text string, optional ...any) []byte {
	b := []byte("\x00\x01\x014915112345678\x00\x01\x01493023125177\x00")
	b = append(b, esmClass, 0, 0, 0, 0, 0, 0, coding, 0, byte(len(text)))
	b = append(b, text...)
	for i := 0; i < len(optional); i += 2 {
		value := optional[i+1].(string)
		b = binary.BigEndian.AppendUint16(b, uint16(optional[i].(int)))
		b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
		b = append(b, value...)
	}
	return b
}

func TestThePlaceOfAPartIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		text string
		want *place
	}{
		"one part":                              {body(0, 0, "Hallo"), "Hallo", nil},
		"8 bits":                                {body(0x40, 0, "\x05\x00\x03\x07\x02\x01Hal"), "Hal", &place{"8 7", 1, 2}},
		"16 bits":                               {body(0x40, 0, "\x06\x08\x04\x01\x02\x03\x02Hal"), "Hal", &place{"16 258", 2, 3}},
		"behind another element":                {body(0x40, 0, "\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x07\x02\x01Hal"), "Hal", &place{"8 7", 1, 2}},
		"sar":                                   {body(0, 0, "Hal", tagSarReference, "\x01\x02", tagSarTotal, "\x03", tagSarNumber, "\x01"), "Hal", &place{"sar 258", 1, 3}},
		"payload":                               {body(0, 0, "", tagMessagePayload, "Hallo"), "Hallo", nil},
		"a part of none":                        {body(0x40, 0, "\x05\x00\x03\x07\x00\x00Hal"), "Hal", nil},
		"a part past the end":                   {body(0x40, 0, "\x05\x00\x03\x07\x02\x03Hal"), "Hal", nil},
		"of more parts than are joined":         {body(0x40, 0, "\x05\x00\x03\x07\xff\x01Hal"), "Hal", nil},
		"a header that is longer than the text": {body(0x40, 0, "\xffHal"), "\xffHal", nil},
		"an element that is longer than the header": {body(0x40, 0, "\x03\x00\xff\x01Hal"), "Hal", nil},
		"a header and no text":                      {body(0x40, 0, ""), "", nil},
		"parameters that end early":                 {append(body(0, 0, "Hallo"), 2, 0x0c, 0xff, 0xff, 1), "Hallo", nil},
	} {
		d, err := parseDeliver(c.body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, p := d.placed()
		if string(text) != c.text || (p == nil) != (c.want == nil) || p != nil && *p != *c.want {
			t.Errorf("%s: %q, %+v; want %q, %+v", name, text, p, c.text, c.want)
		}
	}
	for n := range len(body(0, 0, "Hallo")) {
		if _, err := parseDeliver(body(0, 0, "Hallo")[:n]); err == nil {
			t.Errorf("%d octets of it are taken", n)
		}
	}
}

func TestReceiptsAreRead(t *testing.T) {
	const text = "id:0123456789 sub:001 dlvrd:001 submit date:0809011130 done date:0809011131 stat:%s err:000 text:Hello"
	said := func(stat string) string { return strings.ReplaceAll(text, "%s", stat) }
	for name, c := range map[string]struct {
		body             []byte
		id, status, code string
		ok               bool
	}{
		"delivered":                     {body(4, 0, said("DELIVRD")), "0123456789", "delivered", "", true},
		"undeliverable":                 {body(4, 0, said("UNDELIV")), "0123456789", "failed", "undeliverable", true},
		"expired":                       {body(4, 0, said("EXPIRED")), "0123456789", "failed", "expired-at-provider", true},
		"rejected":                      {body(4, 0, said("REJECTD")), "0123456789", "failed", "rejected", true},
		"on its way":                    {body(4, 0, said("ENROUTE")), "0123456789", "accepted", "", true},
		"unknown says nothing":          {body(4, 0, said("UNKNOWN")), "", "", "", false},
		"in small letters":              {body(4, 0, strings.ToLower(said("DELIVRD"))), "0123456789", "delivered", "", true},
		"parameters":                    {body(4, 0, "", tagReceiptedID, "70BA8A69\x00", tagMessageState, "\x02"), "70BA8A69", "delivered", "", true},
		"parameters before the text":    {body(4, 0, said("ENROUTE"), tagReceiptedID, "AB\x00", tagMessageState, "\x05"), "AB", "failed", "undeliverable", true},
		"in UCS-2":                      {body(4, 8, "\x00i\x00d\x00:\x007\x00 \x00s\x00t\x00a\x00t\x00:\x00D\x00E\x00L\x00I\x00V\x00R\x00D"), "7", "delivered", "", true},
		"text of the guest's behind":    {body(4, 0, "id:7 stat:DELIVRD text:id:8 stat:UNDELIV"), "7", "delivered", "", true},
		"without id":                    {body(4, 0, "stat:DELIVRD"), "", "", "", false},
		"an id that is longer than any": {body(4, 0, "id:"+strings.Repeat("7", 81)+" stat:DELIVRD"), "", "", "", false},
	} {
		d, err := parseDeliver(c.body)
		if err != nil || !d.isReceipt() {
			t.Errorf("%s: %v, or no receipt", name, err)
			continue
		}
		r, ok := d.receipt()
		if ok != c.ok || ok && (r.ID != c.id || r.Status != c.status || r.ErrorCode != c.code) {
			t.Errorf("%s: %+v, %t", name, r, ok)
		}
	}
}

func TestAnIDIsKnownInOtherSpellings(t *testing.T) {
	for id, want := range map[string]string{"1891273321": "70BA8A69", "70BA8A69": "1891273321", "0000000042": "42", "0042": "2a", "ab": "AB", "2A": "0000000042"} {
		if !slices.Contains(alike(id), want) {
			t.Errorf("%s is not taken for %s: %v", want, id, alike(id))
		}
	}
}

func TestANumberIsKnownInE164WhereItIsThat(t *testing.T) {
	for _, c := range []struct {
		ton                    byte
		address, country, want string
	}{
		{1, "4915112345678", "", "+4915112345678"}, {0, "4915112345678", "", "+4915112345678"}, {0, "72001", "", "72001"}, {3, "72001", "", "72001"}, {5, "Hotel", "", "Hotel"},
		{2, "15112345678", "", "15112345678"}, {0, "015112345678", "", "015112345678"}, {1, "+4915112345678", "", "+4915112345678"},
		// with a country of its own, each form is one guest
		{1, "447700900123", "44", "+447700900123"}, {0, "447700900123", "44", "+447700900123"}, {0, "+447700900123", "44", "+447700900123"},
		{0, "07700900123", "44", "+447700900123"}, {2, "07700900123", "44", "+447700900123"}, {2, "7700900123", "44", "+447700900123"},
		{0, "00447700900123", "44", "+447700900123"}, {0, "004915112345678", "44", "+4915112345678"},
		{2, "6175550100", "1", "+16175550100"}, {2, "16175550100", "1", "+16175550100"}, {2, "0612345678", "39", "+390612345678"},
		// and what is none stays as it is
		{0, "72001", "44", "72001"}, {3, "07700900123", "44", "07700900123"}, {5, "Hotel", "44", "Hotel"}, {2, "72001", "44", "72001"},
		{0, "00000000000", "44", "00000000000"}, {2, "0770090012345678", "44", "0770090012345678"},
	} {
		got := number(c.ton, c.address, c.country)
		if got != c.want {
			t.Errorf("%s of type %d in country %q is %s, want %s", c.address, c.ton, c.country, got, c.want)
		}
		// Who opted out by what was kept while no country was set is found by what is kept now.
		if before := number(c.ton, c.address, ""); got != before && strings.HasPrefix(got, "+"+c.country) && !slices.Contains(nationalForms(got, c.country), before) {
			t.Errorf("%s is not looked for as %s", got, before)
		}
	}
}

func FuzzDeliver(f *testing.F) {
	f.Add(body(0x40, 0, "\x05\x00\x03\x07\x02\x01Hal"))
	f.Add(body(4, 0, "id:7 stat:DELIVRD", tagUserReference, "\x00\x01"))
	f.Add(body(0, 8, "", tagMessagePayload, "\x00A"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		var d deliver
		var err error
		var text []byte
		var p *place
		alphabet() // made once
		receiptForm()
		fuzztest.Bounded(t, len(octets), 64<<10, func() {
			if d, err = parseDeliver(octets); err != nil {
				return
			}
			if d.isReceipt() {
				_, _ = d.receipt()
				return
			}
			text, p = d.placed()
			_, _ = decode(d.coding, text)
		})
		if err != nil {
			return
		}
		if len(text) > len(octets) || p != nil && (p.part < 1 || p.part > p.of || p.of > maxParts) {
			t.Fatalf("%d octets, place %+v", len(text), p)
		}
		if r, ok := d.receipt(); ok && (r.ID == "" || len(r.ID) > maxID || len(r.Alike) > 16) {
			t.Fatalf("receipt %+v", r)
		}
	})
}
