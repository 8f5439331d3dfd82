package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/live"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

// getEvents opens a web socket once the look is logged.
func (s *Server) getEvents(_ context.Context, c *call) (reply, error) {
	var read live.Read
	switch c.http.URL.Query().Get("rows") {
	case "", "false":
	case "true":
		read = s.rowsFor(c.http)
	default:
		return reply{}, badRequest("The parameter rows must be true or false.")
	}
	if !strings.EqualFold(c.http.Header.Get("Upgrade"), "websocket") {
		p := fail(http.StatusUpgradeRequired, typeUnspecific, "Open this as a web socket.")
		p.headers = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}
		return reply{}, p
	}
	token, _ := sessionToken(c.http)
	return reply{status: http.StatusSwitchingProtocols, stream: func(w http.ResponseWriter) error {
		s.live.Accept(w, c.http, staff.HashToken(token), c.staff.Role, read)
		return nil
	}}, nil
}

// rowsFor reads what the list has of some conversations as if whoever opened a socket asked for it each time.
func (s *Server) rowsFor(opened *http.Request) live.Read {
	return func(ctx context.Context, ids []uuid.UUID) (json.RawMessage, error) {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		_, path, _ := strings.Cut(conversationsRoute.pattern, " ")
		texts := make([]string, len(ids))
		for i, id := range ids {
			texts[i] = id.String()
		}
		r := opened.Clone(ctx)
		r.Pattern = conversationsRoute.pattern // by which it is logged
		r.URL = &url.URL{Path: path, RawQuery: url.Values{"ids": {strings.Join(texts, ",")}, "limit": {strconv.Itoa(maxNamed)}}.Encode()}
		answer, err := s.answer(ctx, &call{http: r}, conversationsRoute)
		if err != nil {
			return nil, err
		}
		list, _ := answer.body.(conversationList)
		return json.Marshal(list.Conversations)
	}
}
