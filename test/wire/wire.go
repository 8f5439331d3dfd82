// Package wire carries connections between a browser under test and a server, and breaks as networks do.
package wire

import (
	"context"
	"io"
	"net"
	"sync"
)

// Dial connects to the server.
type Dial func(ctx context.Context) (net.Conn, error)

// To gives a Dial to an address of TCP.
func To(address string) Dial {
	return func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", address) }
}

// State is what a Wire does with connections.
type State string

const (
	Whole State = "whole" // carries all
	Cut   State = "cut"   // ends those that there are, and takes no others
	Mute  State = "mute"  // carries what goes to the server and swallows what comes back, as a network that is about to break
)

// Wire takes connections from a listener to a server.
type Wire struct {
	listener net.Listener
	ends     context.Context // no dialling after that
	end      context.CancelFunc
	mu       sync.Mutex
	dial     Dial
	state    State
	open     map[net.Conn]bool
}

// New begins to carry, until Close.
func New(listener net.Listener, dial Dial) *Wire {
	w := &Wire{listener: listener, dial: dial, state: Whole, open: map[net.Conn]bool{}}
	w.ends, w.end = context.WithCancel(context.Background())
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(near)
		}
	}()
	return w
}

// Addr is where the wire begins.
func (w *Wire) Addr() net.Addr { return w.listener.Addr() }

// Lead has connections from now on end at another server.
func (w *Wire) Lead(dial Dial) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dial = dial
}

// Set has the wire break, or mends it.
func (w *Wire) Set(state State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = state
	if state != Mute {
		for c := range w.open { // what was swallowed can't be carried on
			_ = c.Close()
		}
		clear(w.open)
	}
}

// Close ends the wire and every connection over it.
func (w *Wire) Close() error {
	err := w.listener.Close()
	w.end()
	w.Set(Cut)
	return err
}

func (w *Wire) carry(near net.Conn) {
	defer w.forget(near)
	w.mu.Lock()
	dial, state := w.dial, w.state
	w.open[near] = true
	w.mu.Unlock()
	if state == Cut {
		return
	}
	far, err := dial(w.ends)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, near)
		_ = far.Close() // has the other way end, too
	}()
	_, _ = io.Copy(muted{w, near}, far)
}

func (w *Wire) forget(near net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, near)
	_ = near.Close()
}

// muted is the way back.
type muted struct {
	w    *Wire
	near net.Conn
}

func (m muted) Write(b []byte) (int, error) {
	m.w.mu.Lock()
	mute := m.w.state == Mute
	m.w.mu.Unlock()
	if mute {
		return len(b), nil
	}
	return m.near.Write(b)
}
