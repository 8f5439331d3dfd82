package main

import (
	"strconv"
	"time"

	messenger "github.com/switchboard-operator/switchboard/test/standin/messenger/standin"
	whatsapp "github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

func (s *service) byTelegram(to string) []Taken {
	chat, _ := strconv.ParseInt(to, 10, 64)
	all := []Taken{}
	for _, m := range s.telegram.Messages(chat) {
		all = append(all, Taken{strconv.FormatInt(m.ID, 10), m.Text})
	}
	return all
}

func (s *service) byMessenger(to string) []Taken {
	all := []Taken{}
	for _, m := range s.messenger.Messages() {
		if m.To == to {
			all = append(all, Taken{m.ID, m.Text})
		}
	}
	return all
}

func (s *service) byWhatsApp(to string) []Taken {
	all := []Taken{}
	for _, m := range s.whatsapp.Messages(to) {
		all = append(all, Taken{m.ID, m.Body})
	}
	return all
}

func (s *service) bySMSC(to string) []Taken {
	all := []Taken{}
	for _, m := range s.smsc.Messages(to) {
		all = append(all, Taken{m.ID, m.Text})
	}
	return all
}

// readUntilNow is what Meta tells when a guest has read all that was sent.
func (s *service) readUntilNow(guest string) messenger.Object {
	return messenger.Event(guest, s.pageOf().ID, time.Now(), messenger.Object{"read": messenger.Object{"watermark": time.Now().UnixMilli()}})
}

func (s *service) pageOf() messenger.Page {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.page
}

func (s *service) numberOf() whatsapp.Number {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phone
}

func (s *service) tokenOf() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}
