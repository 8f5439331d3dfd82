package connect

import (
	"context"
	"errors"
	"time"
)

// settleTime is how long after an attempt the provider is asked at the earliest: a
// request that was cut off may still be on its way into the provider's list.
const settleTime = 2 * time.Second

// ask finds out what became of attempts whose outcome is unknown. settled: the job
// has ended. Neither settled nor an error: the provider does not have the message.
func (s *sender) ask(ctx context.Context, k messageKey, o outbound) (settled bool, err error) {
	found, err := s.c.provider.Sent(ctx, o.address, o.body, *o.attempted)
	if err != nil {
		return false, err
	}
	ids := make([]string, len(found))
	for i, m := range found {
		ids[i] = m.SID
	}
	bound, err := s.c.database.bound(ctx, ids)
	if err != nil {
		return false, err
	}
	free := found[:0]
	for _, m := range found {
		if !bound[m.SID] {
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
		// A status callback, which names the message, settles it yet.
		s.c.log.Warn("the provider has several messages that could be this one", "message", k.id.String(), "found", len(free))
		known, err := s.c.database.recordStatus(ctx, update{message: &k, status: "unknown", errorCode: "ambiguous"})
		if err == nil && !known {
			err = errors.New("the message is gone")
		}
		return err == nil, err
	}
}
