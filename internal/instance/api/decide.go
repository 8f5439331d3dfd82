package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/optout"
)

// Decisions on what a guest asked for in words of their own.
const (
	decisionConfirm = "confirm"
	decisionDismiss = "dismiss"
)

// dismissals are the reasons for a dismissal. They are few, and not free text, because
// they are kept for good.
var dismissals = []string{"misunderstood", "withdrawn"}

type decideRequest struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason"`
}

func (d decideRequest) check() error {
	switch d.Decision {
	case decisionConfirm:
		if d.Reason != "" {
			return badRequest("A decision to confirm takes no reason; leave the field reason out.")
		}
	case decisionDismiss:
		if !slices.Contains(dismissals, d.Reason) {
			return badRequest("A decision to dismiss needs the field reason, which is one of " + strings.Join(dismissals, ", ") + ".")
		}
	default:
		return badRequest("The field decision is none; it is one of " + decisionConfirm + ", " + decisionDismiss + ".")
	}
	return nil
}

// decideOptOutRequest ends the request of a conversation's guest. The same decision
// again changes nothing; another one is refused.
func (s *Server) decideOptOutRequest(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "conversation")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	var in decideRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if err := in.check(); err != nil {
		return reply{}, err
	}
	v, err := findConversation(ctx, c.tx, id)
	if err != nil {
		return reply{}, err
	}
	var also [][]byte
	if v.Contact != nil {
		if also, err = s.hashesOf(ctx, c.tx, v.Contact.ID); err != nil {
			return reply{}, err
		}
	}
	confirmation, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("making an id: %w", err)
	}
	var before string
	var channel *string
	var at *time.Time
	err = c.tx.QueryRow(ctx, "SELECT before, channel, confirmation_at FROM sb.decide_request($1, $2, $3, $4, $5, $6)",
		id, in.Decision, in.Reason, optout.Answer(optout.Stop), confirmation, also).Scan(&before, &channel, &at)
	if err != nil {
		return reply{}, fmt.Errorf("deciding a request: %w", err)
	}
	settled := map[string]string{decisionConfirm: optOutDone, decisionDismiss: optOutNone}[in.Decision]
	if before != optOutRequested && before != settled {
		return reply{}, fail(http.StatusConflict, typeNoOptOutRequest,
			"There is no open request in this conversation; read its field optOut. Use POST /api/v1/contacts/{id}/opt-out or opt-in for what the guest told you.")
	}
	if _, err := queueConfirmation(ctx, c.tx, channel, confirmation, at); err != nil {
		return reply{}, err
	}
	v, err = findConversation(ctx, c.tx, id)
	return reply{status: http.StatusOK, body: v}, err
}
