package webchat

import (
	"context"
	"errors"
	"time"

	"github.com/coder/websocket"
)

// write writes what there is for the browser until the socket is closed.
func (k *socket) write() {
	pings := time.NewTicker(k.s.limits.PingEvery)
	defer pings.Stop()
	for {
		var ok bool
		select {
		case <-k.ctx.Done():
			return
		case reply := <-k.replies:
			ok = k.put(reply)
		case <-k.look:
			ok = k.show()
		case <-k.typing:
			ok = k.put(encode(typingFrame{typeTyping}))
		case <-pings.C:
			ok = k.ping()
		}
		if !ok {
			return
		}
	}
}

// put writes a frame. A browser that does not take it in time is not waited for.
func (k *socket) put(data []byte) bool {
	ctx, cancel := context.WithTimeout(k.ctx, k.s.limits.WriteTimeout)
	defer cancel()
	if err := k.conn.Write(ctx, websocket.MessageText, data); err != nil {
		k.finish(websocket.StatusInternalError, "")
		return false
	}
	return true
}

func (k *socket) ping() bool {
	ctx, cancel := context.WithTimeout(k.ctx, k.s.limits.WriteTimeout)
	defer cancel()
	if err := k.conn.Ping(ctx); err != nil {
		k.finish(websocket.StatusInternalError, "")
		return false
	}
	return true
}

// show writes what the thread holds after what the browser has, in order, and that staff have seen
// what the guest wrote. What was written is noted once it is.
func (k *socket) show() bool {
	for {
		after := k.written.Load()
		ctx, cancel := context.WithTimeout(k.ctx, storeTimeout)
		entries, now, err := k.s.store.Read(ctx, k.token, k.session.Guest, after, batch)
		cancel()
		if err != nil {
			return k.blind(err)
		}
		ours := false
		for _, e := range entries {
			if !k.put(encode(messageOf(k.session.Epoch, e))) {
				return false
			}
			k.written.Store(e.Place)
			ours = ours || e.Direction == "out"
		}
		if ours {
			ctx, cancel := context.WithTimeout(k.ctx, storeTimeout)
			err := k.s.store.Receipt(ctx, k.token, statusSent, k.written.Load())
			cancel()
			if err != nil {
				return k.blind(err)
			}
		}
		if seen := now.StaffSeen; seen > k.seen.Load() {
			if !k.put(encode(receiptFrame{typeReceipt, statusRead, cursor(k.session.Epoch, seen)})) {
				return false
			}
			k.seen.Store(seen)
		}
		if len(entries) < batch {
			return true
		}
	}
}

// blind ends a socket whose thread can't be read: its browser comes back, and goes on where it was.
func (k *socket) blind(err error) bool {
	if errors.Is(err, ErrEnded) {
		k.finish(closeEnded, reasonEnded)
		return false
	}
	if k.ctx.Err() == nil {
		k.s.log.Warn("a thread could not be read; the browser is asked to come back", "error", err.Error())
	}
	k.finish(websocket.StatusTryAgainLater, "connect again later")
	return false
}
