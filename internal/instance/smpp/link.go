package smpp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

const (
	headerLength = 16
	// maxFrame bounds a PDU, in octets: a message_payload of 64 KiB fits.
	maxFrame = 66 << 10
	// maxPayload is the longest text of ours in a message_payload, in octets.
	maxPayload = 8 << 10
	// responseTimeout is how long an answer is waited for. It is less than a sender's run.
	responseTimeout = 10 * time.Second
	writeTimeout    = 10 * time.Second
)

// frame is a PDU as it came.
type frame struct {
	id     data.CommandIDType
	status data.CommandStatusType
	number int32 // sequence_number
	body   []byte
}

// readFrame reads a PDU of at most maxFrame octets.
func readFrame(r io.Reader) (frame, error) {
	var head [headerLength]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, fmt.Errorf("reading from the message centre: %w", err)
	}
	length := binary.BigEndian.Uint32(head[:])
	if length < headerLength || length > maxFrame {
		return frame{}, fmt.Errorf("reading from the message centre: a PDU of %d octets: %w", length, errMalformed)
	}
	h := pdu.ParseHeader(head)
	f := frame{id: h.CommandID, status: h.CommandStatus, number: h.SequenceNumber, body: make([]byte, length-headerLength)}
	if _, err := io.ReadFull(r, f.body); err != nil {
		return frame{}, fmt.Errorf("reading from the message centre: %w", err)
	}
	return f, nil
}

// errNotWritten is a request of which nothing has left.
var errNotWritten = errors.New("there is no connection to the message centre")

// link is one connection: requests of ours with their answers, and requests of the message centre.
type link struct {
	conn net.Conn

	writing sync.Mutex // guards writes and their order

	mu      sync.Mutex
	next    int32
	waiting map[int32]chan frame
	closed  bool

	down chan struct{} // closed when the connection is of no use any more
	once sync.Once
}

func newLink(conn net.Conn) *link {
	return &link{conn: conn, waiting: map[int32]chan frame{}, down: make(chan struct{})}
}

// hangUp ends the connection. Requests without an answer stay so.
func (l *link) hangUp() {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		close(l.down)
		_ = l.conn.Close() // nothing more is to be said
	})
}

func (l *link) write(p pdu.PDU) error {
	b := pdu.NewBuffer(nil)
	p.Marshal(b)
	l.writing.Lock()
	defer l.writing.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // a closed connection says so when written to
	if _, err := l.conn.Write(b.Bytes()); err != nil {
		l.hangUp()
		return fmt.Errorf("writing to the message centre: %w", err)
	}
	return nil
}

// ask sends a request and waits for the answer. It fails with errNotWritten when nothing has left; after any other failure
// nobody knows whether it has arrived.
func (l *link) ask(ctx context.Context, p pdu.PDU) (frame, error) {
	answer := make(chan frame, 1)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return frame{}, errNotWritten
	}
	l.next = l.next%0x7FFFFFFF + 1
	number := l.next
	l.waiting[number] = answer
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiting, number)
		l.mu.Unlock()
	}()
	p.SetSequenceNumber(number)
	if err := l.write(p); err != nil {
		return frame{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	select {
	case f := <-answer:
		return f, nil
	case <-ctx.Done():
		return frame{}, fmt.Errorf("waiting for the message centre's answer: %w", ctx.Err())
	case <-l.down:
		select {
		case f := <-answer: // it was the last that came
			return f, nil
		default:
			return frame{}, errors.New("waiting for the message centre's answer: the connection broke")
		}
	}
}

// answered gives an answer to whoever waits for it.
func (l *link) answered(f frame) {
	l.mu.Lock()
	answer, ok := l.waiting[f.number]
	delete(l.waiting, f.number)
	l.mu.Unlock()
	if ok {
		answer <- f
	}
}

// bind makes the connection one that messages come and go by. It must be called before anything reads from it otherwise.
func (l *link) bind(systemID, password, systemType string) error {
	request := pdu.NewBindRequest(pdu.Transceiver)
	request.SystemID, request.Password, request.SystemType = systemID, password, systemType
	request.SetSequenceNumber(1)
	l.next = 1
	if err := l.write(request); err != nil {
		return err
	}
	_ = l.conn.SetReadDeadline(time.Now().Add(responseTimeout)) // a closed connection says so when read from
	f, err := readFrame(l.conn)
	if err != nil {
		return err
	}
	_ = l.conn.SetReadDeadline(time.Time{})
	if f.id != data.BIND_TRANSCEIVER_RESP && f.id != data.GENERIC_NACK {
		return fmt.Errorf("binding: the message centre answered with command %#x: %w", uint32(f.id), errMalformed) //nolint:gosec // the bits are meant
	}
	if f.id == data.GENERIC_NACK && f.status == data.ESME_ROK {
		f.status = data.ESME_RBINDFAIL
	}
	if f.status != data.ESME_ROK {
		return refusal(f.status)
	}
	return nil
}
