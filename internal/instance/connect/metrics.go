package connect

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

var (
	received = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_messages_received_total",
		Help: "Inbound messages that were the provider's, by what became of them: stored, duplicate, unavailable or unreadable.",
	}, []string{"result"})
	fetches = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_files_fetched_total",
		Help: "Files of guests, by what became of them: kept, known (there was one with the same bytes), refused, gone, or failed for now.",
	}, []string{"result"})
	sends = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_sends_total",
		Help: "Requests to send a message, by their outcome: accepted, refused, not_sent or unknown.",
	}, []string{"outcome"})
)
