package smpp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// codeTooLong is what staff are shown of a text that no message centre takes.
const codeTooLong = "too-long"

// Send submits a message, part by part. Each is noted before, and its id after: a part that was taken is not submitted again.
func (p *Provider) Send(ctx context.Context, out provider.Outgoing) (provider.Sent, error) {
	done := p.sending.begin()
	defer done()
	coding, texts := split(out.Body, lengthsOf(p.channel.LongMessages))
	if len(texts) > maxParts || len(texts) > 1 && p.channel.LongMessages == longPayload {
		return provider.Sent{}, &provider.RefusedError{Code: codeTooLong, Reason: "the text is longer than a message can be; send it in several"}
	}
	p.mu.Lock()
	desk := p.desk
	p.mu.Unlock()
	if desk == nil {
		return provider.Sent{}, &provider.NotSentError{Cause: errNotWritten}
	}
	before, err := desk.Parts(ctx, out.Key)
	if err != nil {
		return provider.Sent{}, &provider.NotSentError{Cause: err}
	}
	taken := map[int]bool{}
	part := provider.Part{Of: len(texts), Reference: uint16(rand.N(1 << 16))} //nolint:gosec // it fits
	for _, b := range before {
		if b.Of != len(texts) { // the Channel has changed in between
			return provider.Sent{}, &provider.UnknownError{Cause: errors.New("the message was begun in another number of parts")}
		}
		taken[b.Number], part.Reference = b.Taken, b.Reference
	}
	for i, text := range texts {
		part.Number = i + 1
		if taken[part.Number] {
			continue
		}
		request, err := p.submit(out.To, coding, text, part)
		if err != nil {
			return provider.Sent{}, err
		}
		if err := p.part(ctx, desk, out.Key, part, request); err != nil {
			return provider.Sent{}, err
		}
	}
	// Ids are unique for as long as the message centre keeps them alone.
	return provider.Sent{ID: "smpp." + out.ID.String()}, nil
}

// part submits one part, and notes what came of it.
func (p *Provider) part(ctx context.Context, desk provider.Desk, k provider.Key, part provider.Part, request pdu.PDU) error {
	if err := p.pace.Wait(ctx); err != nil {
		return &provider.NotSentError{Cause: fmt.Errorf("waiting for its turn: %w", err)}
	}
	select {
	case p.window <- struct{}{}:
		defer func() { <-p.window }()
	case <-ctx.Done():
		return &provider.NotSentError{Cause: fmt.Errorf("waiting for its turn: %w", ctx.Err())}
	}
	l, err := p.current()
	if err != nil {
		return &provider.NotSentError{Cause: err}
	}
	if err := desk.Begin(ctx, k, part); err != nil {
		return &provider.NotSentError{Cause: err}
	}
	// What was begun is ended, even when the connector is told to stop.
	f, err := l.ask(context.WithoutCancel(ctx), request)
	if err != nil && !errors.Is(err, errNotWritten) {
		return &provider.UnknownError{Cause: err}
	}
	id := ""
	if err == nil {
		if f.status == data.ESME_ROK && f.id == data.SUBMIT_SM_RESP {
			if id = messageID(f.body); id == "" {
				return &provider.UnknownError{Cause: errors.New("the message centre answered without an id")}
			}
		} else if err = outcome(f.status); err == nil {
			return &provider.UnknownError{Cause: errors.New("the message centre answered with another command")}
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), responseTimeout)
	defer cancel()
	if noting := desk.End(ctx, k, part.Number, id); noting != nil {
		return &provider.UnknownError{Cause: noting}
	}
	if errors.Is(err, errNotWritten) {
		return &provider.NotSentError{Cause: err}
	}
	return err
}

// messageID reads the body of a submit_sm_resp.
func messageID(body []byte) string {
	f := fields{rest: body}
	return strings.TrimSpace(f.text(maxID))
}

// Recall tells what is known of an attempt that was cut off: of a part that was begun and has no id, nobody can be asked, as query_sm
// wants the id.
func (p *Provider) Recall(ctx context.Context, k provider.Key) (provider.Sent, bool, error) {
	p.mu.Lock()
	desk := p.desk
	p.mu.Unlock()
	if desk == nil {
		return provider.Sent{}, false, errNotWritten
	}
	parts, err := desk.Parts(ctx, k)
	if err != nil {
		return provider.Sent{}, false, err
	}
	taken := 0
	for _, part := range parts {
		if !part.Taken {
			return provider.Sent{}, false, &provider.UnknownError{Cause: errors.New("the message centre did not answer, and can't be asked")}
		}
		taken++
	}
	if taken > 0 && taken == parts[0].Of {
		return provider.Sent{ID: "smpp." + k.ID.String()}, true, nil
	}
	return provider.Sent{}, false, nil
}

// submit makes the PDU of one part.
func (p *Provider) submit(to string, coding byte, text []byte, part provider.Part) (pdu.PDU, error) {
	s := pdu.NewSubmitSM().(*pdu.SubmitSM)
	s.SourceAddr = pdu.NewAddressWithTonNpi(byte(p.channel.SourceTON), byte(p.channel.SourceNPI)) //nolint:gosec // bounded by the resource
	s.DestAddr = pdu.NewAddressWithTonNpi(tonUnknown, npiUnknown)
	if e164, is := strings.CutPrefix(to, "+"); is {
		to, s.DestAddr = e164, pdu.NewAddressWithTonNpi(tonInternational, npiISDN)
	}
	if s.SourceAddr.SetAddress(strings.TrimPrefix(p.channel.From, "+")) != nil || s.DestAddr.SetAddress(to) != nil {
		return nil, outcome(data.ESME_RINVDSTADR)
	}
	s.RegisteredDelivery = 1 // a receipt, whatever becomes of it
	s.RegisterOptionalParam(pdu.Field{Tag: tagUserReference, Data: binary.BigEndian.AppendUint16(nil, part.Reference)})
	encoding := data.GSM7BIT
	if coding == codingUCS2 {
		encoding = data.UCS2
	}
	if p.channel.LongMessages == longPayload && len(text) > lengthsOf(longUDH8).ucsSingle {
		_ = s.Message.SetMessageDataWithEncoding(nil, encoding) // nothing is never too long
		s.RegisterOptionalParam(pdu.Field{Tag: tagMessagePayload, Data: text})
		return s, nil
	}
	if err := s.Message.SetMessageDataWithEncoding(text, encoding); err != nil {
		return nil, &provider.RefusedError{Code: codeTooLong, Reason: "a part of the text is longer than a PDU can hold"}
	}
	if part.Of == 1 {
		return s, nil
	}
	number, of := byte(part.Number), byte(part.Of) //nolint:gosec // of maxParts at most
	switch p.channel.LongMessages {
	case longSAR:
		s.RegisterOptionalParam(pdu.Field{Tag: tagSarReference, Data: binary.BigEndian.AppendUint16(nil, part.Reference)})
		s.RegisterOptionalParam(pdu.Field{Tag: tagSarTotal, Data: []byte{of}})
		s.RegisterOptionalParam(pdu.Field{Tag: tagSarNumber, Data: []byte{number}})
	case longUDH16:
		s.EsmClass |= esmHeader
		s.Message.SetUDH(pdu.UDH{{ID: 0x08, Data: append(binary.BigEndian.AppendUint16(nil, part.Reference), of, number)}})
	default:
		s.EsmClass |= esmHeader
		s.Message.SetUDH(pdu.UDH{{ID: 0x00, Data: []byte{byte(part.Reference), of, number}}}) //nolint:gosec // its lower half
	}
	return s, nil
}

// sending counts the messages whose outcome is not noted yet.
type sending struct {
	mu    sync.Mutex
	under map[chan struct{}]bool
}

func (s *sending) begin() (done func()) {
	c := make(chan struct{})
	s.mu.Lock()
	if s.under == nil {
		s.under = map[chan struct{}]bool{}
	}
	s.under[c] = true
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		delete(s.under, c)
		s.mu.Unlock()
		close(c)
	}
}

// mark gives what waits for all that are under way now; it is false when there were none.
func (s *sending) mark() func(context.Context) bool {
	s.mu.Lock()
	var all []chan struct{}
	for c := range s.under {
		all = append(all, c)
	}
	s.mu.Unlock()
	return func(ctx context.Context) bool {
		for _, c := range all {
			select {
			case <-c:
			case <-ctx.Done():
				return false
			}
		}
		return len(all) > 0
	}
}

func (s *sending) wait(ctx context.Context) { s.mark()(ctx) }
