package api_test

import (
	"net/http"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestOnlyGuestsOfAWebChatSeeThatSomebodyIsTyping(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	v.wrote(s.now(), "Hello?")
	s.do("POST", v.path()+"/typing", nil).want(http.StatusConflict).saying("web chat")
	s.do("POST", "/api/v1/conversations/5c0f7c2e-0000-4000-8000-000000000001/typing", nil).want(http.StatusNotFound)
	s.exec("UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeWebChat, pgtest.Channel)
	s.do("POST", v.path()+"/typing", nil).want(http.StatusNoContent)
	s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version) SELECT '*', address_hash, key_version FROM sb.contact_address")
	s.do("POST", v.path()+"/typing", nil).want(http.StatusConflict).saying("opted out")
}

func TestWhoReadsAThreadHasSeenIt(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	v.wrote(s.now(), "Hello?")
	s.do("GET", v.path()+"/messages", nil).want(http.StatusOK)
	if n := s.count("SELECT count(*) FROM sb.conversation WHERE staff_seen_seq <> 0"); n != 0 {
		t.Error("a thread that is no web chat is noted as seen")
	}
	s.exec("UPDATE sb.message SET thread_seq = 4")
	s.do("GET", v.path(), nil).want(http.StatusOK)
	if n := s.count("SELECT count(*) FROM sb.conversation WHERE staff_seen_seq <> 0"); n != 0 {
		t.Error("it is noted as seen by who looked at something else")
	}
	s.do("GET", v.path()+"/messages", nil).want(http.StatusOK)
	if n := s.count("SELECT count(*) FROM sb.conversation WHERE staff_seen_seq = 4"); n != 1 {
		t.Error("it is not noted that the thread was seen")
	}
}
