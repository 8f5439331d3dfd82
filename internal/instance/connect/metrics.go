package connect

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

var (
	received = tally{CounterVec: promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_messages_received_total",
		Help: "Inbound messages that were the provider's, by what became of them: stored, duplicate, unavailable or unreadable.",
	}, []string{"result"})}
	fetches = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_files_fetched_total",
		Help: "Files of guests, by what became of them: kept, known (there was one with the same bytes), refused, gone, or failed for now.",
	}, []string{"result"})
	sends = tally{CounterVec: promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_sends_total",
		Help: "Requests to send a message, by their outcome: accepted, refused, not_sent or unknown.",
	}, []string{"outcome"})}
	failures = tally{CounterVec: promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_messages_failed_total",
		Help: "Messages that will not be sent, by the reason: refused, blocked, suppressed, expired, provider_unavailable or keys_unavailable.",
	}, []string{"reason"})}
)

// started is when counting began: a process connects one channel.
var started = time.Now().UTC()

// tally is a counter that also tells the operator, who asks and does not scrape.
type tally struct {
	*prometheus.CounterVec

	mu    sync.Mutex
	known map[string]int64
}

func (t *tally) add(label string, n int) {
	t.WithLabelValues(label).Add(float64(n))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]int64{}
	}
	t.known[label] += int64(n)
}

func (t *tally) all() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.known)
}

func traffic(queue *contract.Queue) *contract.Traffic {
	return &contract.Traffic{Started: started, Received: received.all(), Sends: sends.all(), Failed: failures.all(), Queue: queue}
}
