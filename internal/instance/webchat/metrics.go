package webchat

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

var (
	open = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "switchboard_web_chat_sockets",
		Help: "Web sockets of guests' browsers that are open.",
	})
	closes = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "switchboard_web_chat_closes_total",
		Help: "Web sockets of guests' browsers that were closed, by the code: what RFC 6455 says, or 44xx as docs/webchat-protocol.md does; 0 for those that broke off.",
	}, []string{"code"})
)
