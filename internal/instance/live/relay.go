package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// How often news are relayed: while there are some, and at the least, so that one message alone is not late either.
const (
	relayOften  = 25 * time.Millisecond
	relaySeldom = 100 * time.Millisecond
	// relayShare is which part of its time a server spends on it at the most, as one in so many.
	relayShare = 5
	watchAgain = time.Second // at whether a page is open
)

// relay brings news of messages from where triggers note them down to the servers of all pages, while this one has a page open.
// Its connection listens too.
type relay struct {
	conn    *pgx.Conn
	open    bool // a page is
	attends bool // this session is why triggers note news down; another's is as good
	asked   time.Time
	relayed time.Time
	pace    time.Duration
}

// round does what is due. It says whether pages are to look at everything, as something may have come that nobody noted down, and how
// long nothing will be due.
func (r *relay) round(ctx context.Context, open bool) (look bool, rest time.Duration, err error) {
	if !open {
		if r.open && r.attends {
			if _, err := r.conn.Exec(ctx, "SELECT sb.staff_leave()"); err != nil {
				return false, 0, fmt.Errorf("having news noted down no more: %w", err)
			}
		}
		if r.open || r.relayed.IsZero() { // nothing stays noted down that nobody waits for, nor what a server left that ended
			if _, err := r.relay(ctx); err != nil {
				return false, 0, err
			}
		}
		r.open, r.attends = false, false
		return false, watchAgain, nil
	}
	look, r.open = !r.open, true
	waitsOn := false
	if !r.attends && time.Since(r.asked) >= watchAgain {
		switch err := r.conn.QueryRow(ctx, "SELECT sb.staff_attend()").Scan(&r.attends); {
		case isLockTimeout(err): // a transaction that began before lasts: what comes while this waits is noted down, so that it waits on at once
			waitsOn = true
		case err != nil:
			return false, 0, fmt.Errorf("having news noted down: %w", err)
		default:
			r.asked = time.Now()
			look = look || r.attends
		}
	}
	if began := time.Now(); began.Sub(r.relayed) >= r.pace {
		news, err := r.relay(ctx)
		if err != nil {
			return false, 0, err
		}
		r.pace = min(2*r.pace, relaySeldom)
		if news > 0 {
			r.pace = relayOften
		}
		r.pace = max(r.pace, relayOften, (relayShare-1)*r.relayed.Sub(began))
	}
	if waitsOn {
		return look, 0, nil
	}
	return look, r.pace - time.Since(r.relayed), nil
}

func isLockTimeout(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "55P03" // lock_not_available
}

// relay tells of what was noted down, and says of how many conversations.
func (r *relay) relay(ctx context.Context) (news int64, err error) {
	if err := r.conn.QueryRow(ctx, "SELECT sb.staff_relay()").Scan(&news); err != nil {
		return 0, fmt.Errorf("relaying news: %w", err)
	}
	r.relayed = time.Now()
	return news, nil
}
