// Package smsctest runs a message centre that no one here wrote, Perl's Net::SMPP, for the tests of SMPP channels.
package smsctest

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"
)

//go:embed smsc.pl
var program string

// What a message centre takes unless it is told otherwise.
const (
	SystemID = "hotel"
	Password = "secret"
)

// Message is a deliver_sm that the message centre is to bring.
type Message struct {
	ID       string            `json:"id,omitempty"` // which one was acknowledged
	From     string            `json:"from"`
	To       string            `json:"to"`
	TON      *int              `json:"ton,omitempty"`
	ESMClass int               `json:"esm_class,omitempty"`
	Coding   int               `json:"coding,omitempty"`
	Text     string            `json:"text"` // hexadecimal
	Options  map[string]string `json:"options,omitempty"`
}

// Event is what the message centre saw.
type Event struct {
	Event      string
	Port       int
	ID         string
	Status     int
	From, To   string
	TON        int
	ESMClass   int `json:"esm_class"`
	Coding     int
	Text       string
	Registered int
	Options    map[string]string
}

// Server is a running message centre.
type Server struct {
	t     testing.TB
	Port  int
	stdin io.WriteCloser

	writing sync.Mutex
	mu      sync.Mutex
	events  []Event
}

// Start starts one until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "perl", "-e", program) //nolint:gosec // embedded above
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytesBuffer
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting the message centre: %v; it needs Perl and Net::SMPP: apt-get install libnet-smpp-perl", err)
	}
	s := &Server{t: t, stdin: stdin}
	lines := bufio.NewReaderSize(stdout, 1<<20)
	impatient := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	first, err := s.next(lines)
	impatient.Stop()
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("starting the message centre: %v; it needs Perl and Net::SMPP: apt-get install libnet-smpp-perl\n%s", err, complaints.String())
	}
	s.Port = first.Port
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			e, err := s.next(lines)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.events = append(s.events, e)
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		<-done
		if err := cmd.Wait(); err != nil {
			t.Errorf("the message centre ended with %v\n%s", err, complaints.String())
		}
	})
	return s
}

func (s *Server) next(lines *bufio.Reader) (Event, error) {
	var e Event
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(line, &e)
}

func (s *Server) say(command any) {
	s.t.Helper()
	b, err := json.Marshal(command)
	if err != nil {
		s.t.Fatal(err)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, err := s.stdin.Write(append(b, '\n')); err != nil {
		s.t.Fatalf("telling the message centre: %v", err)
	}
}

// Deliver has it bring a message, and bring it again until it is acknowledged.
func (s *Server) Deliver(m Message) {
	s.t.Helper()
	s.say(struct {
		Op string `json:"op"`
		Message
	}{"deliver", m})
}

// Behave changes how it behaves: password, system_id, bind_status, statuses (of the next submit_sm), silent (how many of them get no
// answer), ids (decimal or hex), receipts (of text, tlv and reference), window.
func (s *Server) Behave(b map[string]any) {
	s.t.Helper()
	s.say(map[string]any{"op": "behave", "behaviour": b})
}

// Drop ends all connections. Down stops listening, too, until Up.
func (s *Server) Drop() { s.say(map[string]any{"op": "drop"}) }

// Down stops it.
func (s *Server) Down() { s.say(map[string]any{"op": "down"}) }

// Up has it listen again, where it did.
func (s *Server) Up() { s.say(map[string]any{"op": "up", "port": s.Port}) }

// Events are those of a kind so far.
func (s *Server) Events(kind string) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Event
	for _, e := range s.events {
		if e.Event == kind {
			all = append(all, e)
		}
	}
	return all
}

// Hex is how texts are given.
func Hex(octets []byte) string { return hex.EncodeToString(octets) }

// bytesBuffer is what the message centre complained of.
type bytesBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (b *bytesBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = append(b.b, p...)
	return len(p), nil
}

func (b *bytesBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.b)
}
