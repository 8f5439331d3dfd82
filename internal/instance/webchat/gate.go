package webchat

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxGated bounds how many a gate remembers.
const maxGated = 10_000

// gate bounds how often one may do something, in the memory of this replica.
type gate[K comparable] struct {
	every time.Duration
	burst int

	mu    sync.Mutex
	known map[K]*rate.Limiter
}

func newGate[K comparable](every time.Duration, burst int) *gate[K] {
	return &gate[K]{every: every, burst: burst, known: map[K]*rate.Limiter{}}
}

// blockOf is what counts as one address: of IPv6 a whole /64, for that is what one guest has.
func blockOf(from netip.Addr) netip.Prefix {
	bits := 32
	if from.Is6() {
		bits = 64
	}
	block, err := from.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // whose address is not known shares one
	}
	return block
}

// allow takes one try.
func (g *gate[K]) allow(who K, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.known[who]
	if l == nil {
		if len(g.known) >= maxGated {
			g.makeRoom(now)
		}
		l = rate.NewLimiter(rate.Every(g.every), g.burst)
		g.known[who] = l
	}
	return l.AllowN(now, 1)
}

// makeRoom forgets who has all tries again; when there is nobody like that, all.
func (g *gate[K]) makeRoom(now time.Time) {
	for who, l := range g.known {
		if l.TokensAt(now) >= float64(g.burst) {
			delete(g.known, who)
		}
	}
	if len(g.known) >= maxGated {
		clear(g.known)
	}
}
