package webchat

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxGated bounds how many addresses a gate remembers.
const maxGated = 10_000

// gate bounds how often one address may do something, in the memory of this replica.
type gate struct {
	every time.Duration
	burst int

	mu    sync.Mutex
	known map[netip.Prefix]*rate.Limiter
}

func newGate(every time.Duration, burst int) *gate {
	return &gate{every: every, burst: burst, known: map[netip.Prefix]*rate.Limiter{}}
}

// allow takes one try. Of IPv6 a whole /64 is one address: that is what one guest has.
func (g *gate) allow(from netip.Addr, now time.Time) bool {
	bits := 32
	if from.Is6() {
		bits = 64
	}
	block, err := from.Prefix(bits)
	if err != nil {
		block = netip.Prefix{} // whose address is not known shares one
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.known[block]
	if l == nil {
		if len(g.known) >= maxGated {
			g.makeRoom(now)
		}
		l = rate.NewLimiter(rate.Every(g.every), g.burst)
		g.known[block] = l
	}
	return l.AllowN(now, 1)
}

// makeRoom forgets who has all tries again; when there is nobody like that, all.
func (g *gate) makeRoom(now time.Time) {
	for block, l := range g.known {
		if l.TokensAt(now) >= float64(g.burst) {
			delete(g.known, block)
		}
	}
	if len(g.known) >= maxGated {
		clear(g.known)
	}
}
