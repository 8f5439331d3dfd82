package webchat

import (
	"context"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"golang.org/x/time/rate"
)

const (
	// listenAgain is how soon a connection for notifications that was lost is made anew.
	listenAgain = 2 * time.Second
	// maxAsked bounds the sessions of one look.
	maxAsked = 500
	// lookTimeout bounds one.
	lookTimeout = 10 * time.Second
)

// Run has browsers see what is new until ctx ends, and then tells them to come back elsewhere.
func (s *Server) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.listen(ctx)
	}()
	beat := time.NewTicker(s.limits.HeartbeatEvery)
	defer beat.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-beat.C:
			s.look(ctx)
		case <-s.wake:
			s.look(ctx)
		}
	}
	<-done
	s.closeAll()
}

// listen keeps a connection for notifications. What was told while there was none is looked for
// once there is one again.
func (s *Server) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.store.Listen(ctx, s.hear); err != nil && ctx.Err() == nil {
			s.log.Warn("notifications are not heard; trying again", "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

// hear takes a notification as sb.web_chat_tell sends it. Anybody with a login can send one: it
// leads to a look, and to nothing else.
func (s *Server) hear(notification string) {
	if notification == "" || notification == "e" {
		select {
		case s.wake <- struct{}{}:
		default:
		}
		return
	}
	contact, err := uuid.Parse(notification[1:])
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.contacts[contact] {
		switch notification[0] {
		case 'm':
			signal(k.look)
		case 't':
			signal(k.typing)
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// look asks how the sessions are whose browsers are here: those that ended are told so, and those
// whose threads went on look there.
func (s *Server) look(ctx context.Context) {
	here := s.here()
	for len(here) > 0 {
		some := here[:min(maxAsked, len(here))]
		here = here[len(some):]
		hashes := make([]Hash, 0, len(some))
		for _, k := range some {
			hashes = append(hashes, k.token)
		}
		asked, cancel := context.WithTimeout(ctx, lookTimeout)
		alive, err := s.store.Alive(asked, hashes)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn("whether sessions have ended is not known; asking again", "sessions", len(some), "error", err.Error())
			}
			return
		}
		for _, k := range some {
			if now, is := alive[k.token]; !is {
				go k.finish(closeEnded, reasonEnded)
			} else if now.Last > k.written.Load() || now.StaffSeen > k.seen.Load() {
				signal(k.look)
			}
		}
	}
}

// Sockets is how many are open.
func (s *Server) Sockets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}

// here lists the sockets that have a session.
func (s *Server) here() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*socket, 0, len(s.sockets))
	for _, of := range s.contacts {
		for k := range of {
			all = append(all, k)
		}
	}
	return all
}

// enter takes a socket in that has no session yet; false when there is no room.
func (s *Server) enter(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.sockets) >= s.limits.Sockets {
		return false
	}
	s.sockets[k] = false
	open.Set(float64(len(s.sockets)))
	return true
}

// opened notes that a socket can be closed; false when all are being closed.
func (s *Server) opened(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets[k] = true
	return !s.closed
}

// join tells whose a socket is; false when the session has too many, or the connector stops.
func (s *Server) join(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	of := s.contacts[k.session.Contact]
	same := 0
	for other := range of {
		if other.token == k.token {
			same++
		}
	}
	if same >= s.limits.PerSession {
		return false
	}
	if of == nil {
		of = map[*socket]struct{}{}
		s.contacts[k.session.Contact] = of
	}
	of[k] = struct{}{}
	if s.sessions[k.token] == nil {
		s.sessions[k.token] = rate.NewLimiter(rate.Every(messageEvery), s.limits.Messages)
	}
	k.messages = s.sessions[k.token]
	return true
}

// leave forgets a socket. What its session may send is forgotten with the last of its sockets, when
// it may send all again by then; else whoever comes back at once would begin anew.
func (s *Server) leave(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, k)
	open.Set(float64(len(s.sockets)))
	if of := s.contacts[k.session.Contact]; of != nil {
		delete(of, k)
		if len(of) == 0 {
			delete(s.contacts, k.session.Contact)
		}
	}
	if len(s.sessions) <= 2*s.limits.Sockets {
		return
	}
	for token, l := range s.sessions {
		if l.Tokens() >= float64(s.limits.Messages) {
			delete(s.sessions, token)
		}
	}
}

// closeAll has every browser come back to another connector.
func (s *Server) closeAll() {
	s.mu.Lock()
	s.closed = true
	all := make([]*socket, 0, len(s.sockets))
	for k, opened := range s.sockets {
		if opened {
			all = append(all, k)
		}
	}
	s.mu.Unlock()
	for _, k := range all {
		go k.finish(websocket.StatusGoingAway, reasonStops)
	}
	for _, k := range all {
		<-k.done
	}
}
