//go:build browser

package browser_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// wire carries connections to a server, until it is told otherwise: "whole" carries all; "cut" ends those that there are and
// takes no others; "mute" carries what goes to the server and swallows what comes back, as a network that is about to break.
type wire struct {
	listener net.Listener
	to       func() string
	mu       sync.Mutex
	is       string
	open     map[net.Conn]bool
}

func newWire(t *testing.T, to func() string) *wire {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, to: to, is: "whole", open: map[net.Conn]bool{}}
	t.Cleanup(func() {
		_ = listener.Close()
		w.set("cut")
	})
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

func (w *wire) address() string { return w.listener.Addr().String() }

func (w *wire) set(is string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.is = is
	if is != "mute" {
		for c := range w.open { // what was swallowed can't be carried on
			_ = c.Close()
		}
		clear(w.open)
	}
}

func (w *wire) carry(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", w.to())
	if err != nil {
		return
	}
	defer far.Close()
	w.mu.Lock()
	if w.is == "cut" {
		w.mu.Unlock()
		return
	}
	w.open[near], w.open[far] = true, true
	w.mu.Unlock()
	go func() {
		defer near.Close()
		defer far.Close()
		_, _ = io.Copy(far, near)
	}()
	_, _ = io.Copy(muted{w, near}, far)
}

// muted is the way back.
type muted struct {
	w    *wire
	near net.Conn
}

func (m muted) Write(b []byte) (int, error) {
	m.w.mu.Lock()
	mute := m.w.is == "mute"
	m.w.mu.Unlock()
	if mute {
		return len(b), nil
	}
	return m.near.Write(b)
}
