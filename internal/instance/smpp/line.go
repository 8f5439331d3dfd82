package smpp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	firstDelay = time.Second
	maxDelay   = time.Minute

	// hangUpTimeout bounds an orderly end.
	hangUpTimeout = 5 * time.Second
)

// backoff is how long to wait after attempt number n, at least half and at most all of a time that doubles.
func backoff(n int) time.Duration {
	longest := maxDelay
	if n < 7 {
		longest = min(firstDelay<<(n-1), maxDelay)
	}
	return longest/2 + rand.N(longest/2)
}

// Run binds, and binds again whenever the connection ends, until ctx does.
func (p *Provider) Run(ctx context.Context, desk provider.Desk) error {
	p.mu.Lock()
	p.desk = desk
	p.mu.Unlock()
	for attempt := 1; ; attempt++ {
		bound, err := p.once(ctx, desk)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was asked to end
		}
		if bound {
			attempt = 1
		}
		p.log.Warn("the channel is not bound at the message centre; trying again", "error", err.Error())
		wait := p.retry(attempt)
		var refused *provider.CredentialsError
		if errors.As(err, &refused) {
			wait = max(wait, p.retry(5))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-p.wake: // somebody has changed the credentials, or asks whether they work
			timer.Stop()
		case <-timer.C:
		}
	}
}

// once binds and stays bound until the connection ends, somebody else may hold the line, or ctx ends.
func (p *Provider) once(ctx context.Context, desk provider.Desk) (bound bool, err error) {
	lost, release, err := desk.Own(ctx)
	if err != nil {
		p.outcome(err)
		return false, err
	}
	defer release()
	l, err := p.connect(ctx)
	p.outcome(err)
	if err != nil {
		return false, err
	}
	s := &session{p: p, link: l, desk: desk, connection: provider.Connection{ID: uuid.New(), Since: time.Now()}}
	defer p.unlink(l)
	p.mu.Lock()
	p.link = l
	p.mu.Unlock()
	p.log.Info("the channel is bound at the message centre")
	return true, s.run(ctx, lost)
}

func (p *Provider) connect(ctx context.Context) (*link, error) {
	password, err := p.password()
	if err != nil {
		return nil, &provider.CredentialsError{Problem: contract.ProblemUnreadable}
	}
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := newLink(conn)
	stop := context.AfterFunc(ctx, l.hangUp)
	defer stop()
	if err := l.bind(p.channel.SystemID, password, p.channel.SystemType); err != nil {
		l.hangUp()
		return nil, err
	}
	return l, nil
}

// outcome keeps how an attempt to bind ended, and tells it to whoever waits.
func (p *Provider) outcome(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = err
	if err == nil { // who asked for an attempt has had it
		select {
		case <-p.wake:
		default:
		}
	}
	close(p.tried)
	p.tried = make(chan struct{})
}

func (p *Provider) unlink(l *link) {
	l.hangUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link, p.last = nil, errors.New("the connection to the message centre broke")
}

// current is the connection; errNotWritten when there is none.
func (p *Provider) current() (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link == nil {
		return nil, errNotWritten
	}
	return p.link, nil
}

// unbind ends a connection in order. The answer says that the message centre has heard all that was said before.
func (l *link) unbind(ctx context.Context) error {
	f, err := l.ask(ctx, pdu.NewUnbind())
	if err != nil {
		return fmt.Errorf("unbinding: %w", err)
	}
	if f.id != data.UNBIND_RESP {
		return fmt.Errorf("unbinding: the message centre answered with command %#x", uint32(f.id)) //nolint:gosec // the bits are meant
	}
	return nil
}
