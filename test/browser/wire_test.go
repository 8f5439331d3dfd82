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
	mu       sync.Mutex
	to       string
	is       string
	open     map[net.Conn]bool
}

func newWire(t *testing.T) *wire {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, is: "whole", open: map[net.Conn]bool{}}
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

// lead has connections from now on end at an address.
func (w *wire) lead(to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

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
	defer w.end(near)
	w.mu.Lock()
	to, is := w.to, w.is
	w.open[near] = true
	w.mu.Unlock()
	if is == "cut" {
		return
	}
	far, err := net.Dial("tcp", to)
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

func (w *wire) end(near net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, near)
	_ = near.Close()
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
