package connect

import (
	"context"
	"errors"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// settleTime is how long after an attempt the provider is asked at the earliest: a
// request that was cut off may still be on its way into the provider's list.
const settleTime = 2 * time.Second

// ask finds out what became of attempts whose outcome is unknown. settled: the job
// has ended. Neither settled nor an error: the provider does not have the message.
func (s *sender) ask(ctx context.Context, k messageKey, o outbound) (settled bool, err error) {
	if line, ok := s.c.provider.(provider.Line); ok {
		return s.recall(ctx, line, k)
	}
	asker, ok := s.c.provider.(provider.Asker)
	if !ok {
		s.c.log.Warn("whether a message was sent is unknown, and the provider can't be asked", "message", k.id.String())
		err := s.unknown(ctx, k, codeUnanswered)
		return err == nil, err
	}
	found, err := asker.Sent(ctx, o.address, o.body, *o.attempted)
	if err != nil {
		return false, err
	}
	ids := make([]string, len(found))
	for i, m := range found {
		ids[i] = m.ID
	}
	bound, err := s.c.database.bound(ctx, ids)
	if err != nil {
		return false, err
	}
	free := found[:0]
	for _, m := range found {
		if !bound[m.ID] {
			free = append(free, m)
		}
	}
	switch len(free) {
	case 0:
		return false, nil
	case 1:
		err := s.bind(ctx, k, free[0])
		return err == nil, err
	default:
		// Which one is this message's can't be told; that it went out at least once can.
		s.c.log.Warn("the provider has several messages that could be this one", "message", k.id.String(), "found", len(free))
		err := s.unknown(ctx, k, codeAmbiguous)
		return err == nil, err
	}
}

// unknown shows staff that a message may or may not have been sent. A status that names
// it settles it yet.
func (s *sender) unknown(ctx context.Context, k messageKey, code string) error {
	known, err := s.c.database.recordStatus(ctx, update{message: &k, status: "unknown", errorCode: code})
	if err == nil && !known {
		err = errors.New("the message is gone")
	}
	return err
}
