package api

import (
	"sync"
	"time"
)

// maxLimited bounds how many keys a limiter remembers.
const maxLimited = 10_000

// limiter bounds tries by key, a bucket of tokens each, in the memory of this replica.
type limiter struct {
	every time.Duration // one more try after each
	burst float64

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(every time.Duration, burst int) *limiter {
	return &limiter{every: every, burst: float64(burst), buckets: map[string]bucket{}}
}

// try takes one try of key. When none is left it says how long to wait for one.
func (l *limiter) try(key string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.filled(key, now)
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) * float64(l.every))
	}
	if len(l.buckets) >= maxLimited {
		l.makeRoom(now)
	}
	l.buckets[key] = bucket{b.tokens - 1, now}
	return 0
}

// forgive gives a try back that was a good one.
func (l *limiter) forgive(key string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.filled(key, now)
	l.buckets[key] = bucket{min(b.tokens+1, l.burst), now}
}

func (l *limiter) filled(key string, now time.Time) bucket {
	b, ok := l.buckets[key]
	if !ok {
		return bucket{l.burst, now}
	}
	b.tokens = min(b.tokens+float64(now.Sub(b.at))/float64(l.every), l.burst)
	b.at = now
	return b
}

// makeRoom forgets keys that have all their tries again; when there are none, all
// keys: then someone tries with thousands of them, and it is the other limiter that
// counts.
func (l *limiter) makeRoom(now time.Time) {
	for key := range l.buckets {
		if l.filled(key, now).tokens >= l.burst {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxLimited {
		clear(l.buckets)
	}
}
