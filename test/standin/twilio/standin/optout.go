package standin

import (
	"errors"
	"slices"
	"strings"
)

// The words that Twilio acts upon by default, when a message is nothing else:
// https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
var (
	stopWords  = []string{"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
	startWords = []string{"START", "YES", "UNSTOP"}
)

// SetOptOut blocks a number for a sender, or takes that back.
func (s *Server) SetOptOut(o OptOut) error {
	if o.Account == "" || o.From == "" || o.To == "" {
		return errors.New("an opt-out needs account, from and to")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.block(o, !o.Resumed)
	return nil
}

// heed does what Twilio does with a guest's STOP or START before anyone is told of
// it. The number written to is blocked, and the messaging service if it names one.
func (s *Server) heed(in Inbound) {
	word, kind := strings.ToUpper(strings.TrimSpace(in.Body)), in.Extra["OptOutType"]
	stop := kind == "STOP" || slices.Contains(stopWords, word)
	start := kind == "START" || slices.Contains(startWords, word)
	if in.IgnoreKeywords || stop == start {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sender := range []string{in.To, in.Extra["MessagingServiceSid"]} {
		if sender != "" {
			s.block(OptOut{Account: in.Account, From: sender, To: in.From}, stop)
		}
	}
}

// block needs the lock.
func (s *Server) block(o OptOut, blocked bool) {
	s.blocked[OptOut{Account: o.Account, From: o.From, To: o.To}] = blocked
}
