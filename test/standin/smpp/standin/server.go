// Package standin is a message centre (SMSC) for tests that run on a cluster: it takes binds as transceiver and submit_sm, follows
// each with a receipt, and brings messages of guests. It reads and writes PDUs by gosmpp, as connectors do, so that it judges
// nothing of the protocol: Perl's Net::SMPP does, in internal/smsctest.
package standin

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// Message is one that was submitted.
type Message struct {
	ID   string `json:"id"`
	To   string `json:"to"`
	Text string `json:"text"`
}

// Server is the message centre. It holds one bind.
type Server struct {
	mu       sync.Mutex
	systemID string
	password string
	bound    *line
	sequence int32
	answers  map[int32]chan data.CommandStatusType // to deliver_sm
	messages []Message
}

// line is a connection, whose writes don't mix.
type line struct {
	conn    net.Conn
	writing sync.Mutex
}

func (l *line) write(p pdu.PDU) error {
	b := pdu.NewBuffer(nil)
	p.Marshal(b)
	l.writing.Lock()
	defer l.writing.Unlock()
	_, err := l.conn.Write(b.Bytes())
	return err
}

// New makes one that takes no bind before it has an account.
func New() *Server { return &Server{answers: map[int32]chan data.CommandStatusType{}} }

// SetAccount says who may bind.
func (s *Server) SetAccount(systemID, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.systemID, s.password = systemID, password
}

// Drop ends the bind.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bound != nil {
		_ = s.bound.conn.Close()
	}
}

// Messages lists those that were submitted for a number, the oldest first.
func (s *Server) Messages(to string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.messages), func(m Message) bool { return m.To != to })
}

// Deliver brings a guest's message, and fails unless it is taken.
func (s *Server) Deliver(from, to, text string) error {
	m := pdu.NewDeliverSM().(*pdu.DeliverSM)
	if err := errors.Join(m.SourceAddr.SetAddress(from), m.DestAddr.SetAddress(to), m.Message.SetMessageWithEncoding(text, data.GSM7BIT)); err != nil {
		return fmt.Errorf("making a deliver_sm: %w", err)
	}
	m.SourceAddr.SetTon(1)
	return s.deliver(m)
}

func (s *Server) deliver(m *pdu.DeliverSM) error {
	s.mu.Lock()
	to := s.bound
	if to == nil {
		s.mu.Unlock()
		return errors.New("nobody is bound")
	}
	s.sequence++
	number, answer := s.sequence, make(chan data.CommandStatusType, 1)
	s.answers[number] = answer
	s.mu.Unlock()
	m.SetSequenceNumber(number)
	if err := to.write(m); err != nil {
		return fmt.Errorf("bringing a deliver_sm: %w", err)
	}
	if status, ok := <-answer; !ok || status != data.ESME_ROK {
		return fmt.Errorf("a deliver_sm was answered %d", status)
	}
	return nil
}

// Serve takes what a connection says until it ends.
func (s *Server) Serve(conn net.Conn) {
	l := &line{conn: conn}
	defer s.end(l)
	for {
		p, err := pdu.Parse(conn)
		if err != nil {
			return
		}
		if err := s.take(l, p); err != nil {
			return
		}
	}
}

func (s *Server) end(l *line) {
	_ = l.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bound == l {
		s.bound = nil
		for number, answer := range s.answers {
			close(answer)
			delete(s.answers, number)
		}
	}
}

func (s *Server) take(l *line, p pdu.PDU) error {
	switch q := p.(type) {
	case *pdu.BindRequest:
		answer := pdu.NewBindTransceiverResp().(*pdu.BindResp)
		answer.SetSequenceNumber(q.GetSequenceNumber())
		answer.CommandStatus = s.bind(l, q)
		return l.write(answer)
	case *pdu.SubmitSM:
		return s.submit(l, q)
	case *pdu.DeliverSMResp:
		s.mu.Lock()
		defer s.mu.Unlock()
		if answer, is := s.answers[q.GetSequenceNumber()]; is {
			answer <- q.CommandStatus
			delete(s.answers, q.GetSequenceNumber())
		}
		return nil
	}
	if p.CanResponse() {
		return l.write(p.GetResponse())
	}
	return nil
}

func (s *Server) bind(l *line, q *pdu.BindRequest) data.CommandStatusType {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case q.SystemID != s.systemID:
		return data.ESME_RINVSYSID
	case q.Password != s.password:
		return data.ESME_RINVPASWD
	case s.bound != nil:
		return data.ESME_RALYBND
	}
	s.bound = l
	return data.ESME_ROK
}

func (s *Server) submit(l *line, q *pdu.SubmitSM) error {
	text, err := q.Message.GetMessage()
	if err != nil {
		return err
	}
	answer := q.GetResponse().(*pdu.SubmitSMResp)
	s.mu.Lock()
	m := Message{ID: strconv.Itoa(4711 + len(s.messages)), To: q.DestAddr.Address(), Text: text}
	s.messages = append(s.messages, m)
	s.mu.Unlock()
	answer.MessageID = m.ID
	if err := l.write(answer); err != nil {
		return err
	}
	receipt := pdu.NewDeliverSM().(*pdu.DeliverSM)
	receipt.SourceAddr, receipt.DestAddr, receipt.EsmClass = q.DestAddr, q.SourceAddr, 4
	if err := receipt.Message.SetMessageWithEncoding("id:"+m.ID+" sub:001 dlvrd:001 stat:DELIVRD err:000 text:", data.GSM7BIT); err != nil {
		return err
	}
	go func() { _ = s.deliver(receipt) }() // its answer is read by the loop that submit stands in
	return nil
}
