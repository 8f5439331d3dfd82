package smpp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// maxReceipts bounds receipts in memory; more are asked for again.
	maxReceipts = 256
	// confirmAfter is how many messages are taken before the message centre is asked whether it knows.
	confirmAfter = 256
	// slow is when a message centre may have stopped waiting for an answer.
	slow = 5 * time.Second
	// maxDoubts bounds the messages that may come a second time by the same connection.
	maxDoubts = 4096
)

// session is one bind: what comes in by it, and what is known of it.
type session struct {
	p          *Provider
	link       *link
	desk       provider.Desk
	connection provider.Connection
	receipts   chan receiptOf

	mu     sync.Mutex
	taken  []int64         // messages whose answer was written since the message centre was asked last
	doubts map[string]bool // fingerprints of messages that it was told were not taken, or too late
	asked  chan struct{}   // asks that the message centre be asked
}

type receiptOf struct {
	number int32
	r      provider.Receipt
}

// run reads until the connection ends. At the end of ctx it unbinds; when the line is lost it hangs up at once.
func (s *session) run(ctx context.Context, lost <-chan struct{}) error {
	s.receipts, s.doubts, s.asked = make(chan receiptOf, maxReceipts), map[string]bool{}, make(chan struct{}, 1)
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	var others sync.WaitGroup
	others.Go(func() { s.takeReceipts(working) })
	read := make(chan error, 1)
	others.Go(func() { read <- s.read() })
	others.Go(func() {
		select {
		case <-lost: // at once, whatever is waited for
			s.link.hangUp()
		case <-working.Done():
		}
	})
	defer others.Wait()
	defer stop()
	defer s.link.hangUp()

	every := time.Duration(s.p.channel.EnquireLinkSeconds) * time.Second
	enquiries := time.NewTicker(every)
	defer enquiries.Stop()
	purges := time.NewTicker(11 * time.Minute)
	defer purges.Stop()
	s.purge(working)
	for {
		select {
		case <-ctx.Done():
			return s.end(working)
		case <-lost:
			return errors.New("the database does not say any more that this connector alone is bound")
		case err := <-read:
			return err
		case <-purges.C:
			s.purge(working)
			continue
		case <-s.asked:
		case <-enquiries.C:
		}
		if err := s.enquire(working, func(ctx context.Context) error {
			_, err := s.link.ask(ctx, pdu.NewEnquireLink())
			return err
		}); err != nil {
			return err
		}
	}
}

// end unbinds once no answer is awaited any more.
func (s *session) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hangUpTimeout)
	defer cancel()
	s.p.sending.wait(ctx)
	return s.enquire(ctx, s.link.unbind)
}

// enquire asks something. Once it is answered, the message centre knows of all messages whose answer was written before.
func (s *session) enquire(ctx context.Context, ask func(context.Context) error) error {
	s.mu.Lock()
	taken := s.taken
	s.taken = nil
	s.mu.Unlock()
	if err := ask(ctx); err != nil {
		return err
	}
	if len(taken) == 0 {
		return nil
	}
	if err := s.desk.Confirm(ctx, taken); err != nil {
		s.p.log.Warn("that the message centre knows of messages was not noted; should the connector start anew now, repetitions may be taken for such", "error", err.Error())
	}
	return nil
}

func (s *session) purge(ctx context.Context) {
	if err := s.desk.Purge(ctx, s.connection); err != nil {
		s.p.log.Warn("notes of older connections were not removed", "error", err.Error())
	}
}

// read takes what the message centre says until the connection ends.
func (s *session) read() error {
	for {
		f, err := readFrame(s.link.conn)
		if err != nil {
			s.link.hangUp()
			return err
		}
		switch {
		case f.id < 0: // an answer: its highest bit is set
			s.link.answered(f)
		case f.id == data.DELIVER_SM:
			s.deliver(f)
		case f.id == data.ENQUIRE_LINK:
			s.answer(pdu.NewEnquireLinkResp(), f.number, data.ESME_ROK)
		case f.id == data.UNBIND:
			s.answer(pdu.NewUnbindResp(), f.number, data.ESME_ROK)
			s.link.hangUp()
			return errors.New("the message centre has unbound the channel")
		case f.id == data.DATA_SM:
			s.answer(pdu.NewDataSMResp(), f.number, data.ESME_RINVCMDID)
		case f.id == data.ALERT_NOTIFICATION: // has no answer
		default:
			s.answer(pdu.NewGenericNack(), f.number, data.ESME_RINVCMDID)
		}
	}
}

func (s *session) answer(p pdu.PDU, number int32, status data.CommandStatusType) {
	p.SetSequenceNumber(number)
	switch a := p.(type) {
	case *pdu.DeliverSMResp:
		a.CommandStatus = status
	case *pdu.GenericNack:
		a.CommandStatus = status
	case *pdu.DataSMResp:
		a.CommandStatus = status
	}
	_ = s.link.write(p) // a connection that broke ends the session
}

func (s *session) delivered(number int32, status data.CommandStatusType) {
	s.answer(pdu.NewDeliverSMResp(), number, status)
}

// deliver takes a message or a receipt. The message centre is told that it was taken once it is durable.
func (s *session) deliver(f frame) {
	d, err := parseDeliver(f.body)
	if err != nil {
		s.desk.Unreadable()
		s.p.log.Warn("the message centre brought what can't be read", "octets", len(f.body))
		s.delivered(f.number, data.ESME_RX_P_APPN)
		return
	}
	if d.isReceipt() {
		r, ok := d.receipt()
		if !ok {
			s.delivered(f.number, data.ESME_ROK) // it says nothing that is of use
			return
		}
		if d.source != "" {
			r.Guest = s.p.Addresses(number(d.sourceTON, d.source, s.p.channel.CountryCode))
		}
		select {
		case s.receipts <- receiptOf{f.number, r}:
		default:
			s.delivered(f.number, data.ESME_RTHROTTLED)
		}
		return
	}
	m, ok := s.message(d, f.body)
	if !ok {
		s.desk.Unreadable()
		s.p.log.Warn("the message centre brought a message without sender")
		s.delivered(f.number, data.ESME_RX_P_APPN)
		return
	}
	began := time.Now()
	took := s.desk.Take(m, func(id int64, err error) { s.stored(f.number, m.Fingerprint, id, err, time.Since(began) > slow) })
	if !took {
		s.delivered(f.number, data.ESME_RTHROTTLED)
	}
}

// stored answers for a message that was stored, or not.
func (s *session) stored(number int32, fingerprint string, id int64, err error, late bool) {
	if err != nil {
		s.p.log.Warn("a message was not stored; the message centre is asked to send it again", "error", err.Error())
		s.doubt(fingerprint)
		s.delivered(number, data.ESME_RSYSERR)
		return
	}
	if late {
		s.doubt(fingerprint)
	}
	s.delivered(number, data.ESME_ROK)
	s.mu.Lock()
	s.taken = append(s.taken, id)
	many := len(s.taken)%confirmAfter == 0
	s.mu.Unlock()
	if many {
		select {
		case s.asked <- struct{}{}:
		default:
		}
	}
}

func (s *session) doubt(fingerprint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.doubts) < maxDoubts {
		s.doubts[fingerprint] = true
	}
}

// message reads a message of a guest. All of the PDU's body tells it from others.
func (s *session) message(d deliver, body []byte) (provider.LineMessage, bool) {
	if d.source == "" {
		return provider.LineMessage{}, false
	}
	octets, p := d.placed()
	text, ok := decode(d.coding, octets)
	if !ok {
		text = "[message]"
	}
	sum := sha256.Sum256(body)
	m := provider.LineMessage{Connection: s.connection, Fingerprint: hex.EncodeToString(sum[:])}
	m.From = []person.Address{{Kind: contract.KindPhone, Value: provider.Storable(number(d.sourceTON, d.source, s.p.channel.CountryCode))}}
	m.Body = provider.Storable(text)
	if p != nil {
		m.Long = &provider.LongMessage{Key: d.source + "\x00" + d.destination + "\x00" + p.reference + "\x00" + strconv.Itoa(p.of), Part: p.part, Of: p.of}
	}
	s.mu.Lock()
	m.Doubtful = s.doubts[m.Fingerprint]
	delete(s.doubts, m.Fingerprint)
	s.mu.Unlock()
	return m, true
}

// takeReceipts notes receipts, one after the other. One that nothing is known of may be of a message whose id is being noted.
func (s *session) takeReceipts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-s.receipts:
			ctx, cancel := context.WithTimeout(ctx, responseTimeout)
			noted := s.p.sending.mark()
			known, err := s.desk.Receipt(ctx, r.r)
			if err == nil && !known && noted(ctx) {
				_, err = s.desk.Receipt(ctx, r.r)
			}
			cancel()
			if err != nil {
				s.p.log.Warn("a receipt was not noted; the message centre is asked to send it again", "error", err.Error())
				s.delivered(r.number, data.ESME_RSYSERR)
				continue
			}
			s.delivered(r.number, data.ESME_ROK)
		}
	}
}
