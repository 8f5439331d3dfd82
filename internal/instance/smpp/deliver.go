package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
)

// Bits of esm_class (SMPP 3.4, 5.2.12).
const (
	esmReceipt = 0x04
	esmType    = 0x3C
	esmHeader  = 0x40
)

// Tags of optional parameters (SMPP 3.4, 5.3.2).
const (
	tagReceiptedID      = 0x001E
	tagUserReference    = 0x0204
	tagSarReference     = 0x020C
	tagSarTotal         = 0x020E
	tagSarNumber        = 0x020F
	tagMessagePayload   = 0x0424
	tagMessageState     = 0x0427
	tagNetworkErrorCode = 0x0423
)

// read are the tags that are looked at: others take no memory.
var read = map[uint16]bool{
	tagReceiptedID: true, tagUserReference: true, tagSarReference: true, tagSarTotal: true, tagSarNumber: true, tagMessagePayload: true,
	tagMessageState: true, tagNetworkErrorCode: true,
}

// maxAddress is the longest address, in octets; 21 in the standard with its NUL.
const maxAddress = 64

// deliver is a deliver_sm, as far as it is read. gosmpp's has no raw data coding, and reads lengths of optional parameters as
// signed; for requests of the message centre this is read instead.
type deliver struct {
	sourceTON, sourceNPI byte
	source, destination  string
	esmClass, coding     byte
	octets               []byte // the text, with its header if it has one
	optional             map[uint16][]byte
}

// errMalformed is a PDU that can't be read.
var errMalformed = errors.New("a PDU is malformed")

// fields reads the body of a PDU. After a failure all reads give nothing.
type fields struct {
	rest   []byte
	failed bool
}

func (f *fields) take(n int) []byte {
	if f.failed || n > len(f.rest) {
		f.failed = true
		return nil
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) octet() byte {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) text(most int) string {
	i := bytes.IndexByte(f.rest, 0)
	if i < 0 || i > most {
		f.failed = true
		return ""
	}
	return string(f.take(i + 1)[:i])
}

func parseDeliver(body []byte) (deliver, error) {
	var d deliver
	f := fields{rest: body}
	f.text(maxAddress) // service_type
	d.sourceTON, d.sourceNPI, d.source = f.octet(), f.octet(), f.text(maxAddress)
	f.take(2)
	d.destination = f.text(maxAddress)
	d.esmClass = f.octet()
	f.take(2)
	f.text(maxAddress) // schedule_delivery_time
	f.text(maxAddress) // validity_period
	f.take(2)
	d.coding = f.octet()
	f.octet()
	d.octets = f.take(int(f.octet()))
	if f.failed {
		return d, errMalformed
	}
	d.optional = map[uint16][]byte{}
	for len(f.rest) > 0 {
		head := f.take(4)
		if f.failed {
			break
		}
		value := f.take(int(binary.BigEndian.Uint16(head[2:])))
		if f.failed {
			break // what stands before counts
		}
		if tag := binary.BigEndian.Uint16(head); read[tag] {
			d.optional[tag] = value
		}
	}
	if payload := d.optional[tagMessagePayload]; len(d.octets) == 0 && len(payload) > 0 {
		d.octets = payload
	}
	return d, nil
}

// isReceipt: a delivery receipt, or news of a message on its way.
func (d deliver) isReceipt() bool { return d.esmClass&esmReceipt != 0 || d.esmClass&esmType == 0x20 }

// number reads an optional parameter that is a whole number of at most two octets.
func (d deliver) number(tag uint16) (int, bool) {
	switch v := d.optional[tag]; len(v) {
	case 1:
		return int(v[0]), true
	case 2:
		return int(binary.BigEndian.Uint16(v)), true
	default:
		return 0, false
	}
}

// place says which part of a long message this is. reference tells it from others of the same sender: header and parameters count
// apart.
type place struct {
	reference string
	part, of  int
}

// placed splits the text from its header, and finds its place: nil when it is a message of one part.
func (d deliver) placed() (text []byte, p *place) {
	text = d.octets
	if d.esmClass&esmHeader != 0 && len(text) > 0 && 1+int(text[0]) <= len(text) {
		header := text[1 : 1+text[0]]
		text = text[1+len(header):]
		p = inHeader(header)
	}
	if reference, ok := d.number(tagSarReference); ok && p == nil {
		of, _ := d.number(tagSarTotal)
		part, _ := d.number(tagSarNumber)
		p = &place{"sar " + strconv.Itoa(reference), part, of}
	}
	if p != nil && (p.of < 2 || p.of > maxParts || p.part < 1 || p.part > p.of) {
		p = nil // shown as a message of its own
	}
	return text, p
}

// inHeader finds the place in a user data header (3GPP TS 23.040, 9.2.3.24): element 0 has a reference of 8 bits, element 8 of 16.
func inHeader(header []byte) *place {
	for len(header) >= 2 && 2+int(header[1]) <= len(header) {
		v := header[2 : 2+header[1]]
		switch {
		case header[0] == 0x00 && len(v) == 3:
			return &place{"8 " + strconv.Itoa(int(v[0])), int(v[2]), int(v[1])}
		case header[0] == 0x08 && len(v) == 4:
			return &place{"16 " + strconv.Itoa(int(binary.BigEndian.Uint16(v))), int(v[3]), int(v[2])}
		}
		header = header[2+len(v):]
	}
	return nil
}
