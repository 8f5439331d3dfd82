package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

// getEvents opens a web socket once the look is logged.
func (s *Server) getEvents(_ context.Context, c *call) (reply, error) {
	if !strings.EqualFold(c.http.Header.Get("Upgrade"), "websocket") {
		p := fail(http.StatusUpgradeRequired, typeUnspecific, "Open this as a web socket.")
		p.headers = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}
		return reply{}, p
	}
	token, _ := sessionToken(c.http)
	return reply{status: http.StatusSwitchingProtocols, stream: func(w http.ResponseWriter) error {
		s.live.Accept(w, c.http, staff.HashToken(token), c.staff.Role)
		return nil
	}}, nil
}
