package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func escape(s string) string {
	if s == ".." { // a client would resolve it
		return "%2E%2E"
	}
	return url.PathEscape(s)
}

func TestContactsAreListedReadAndRenamed(t *testing.T) {
	s := start(t)
	ada := s.guest("Ada", "+4930111", pgtest.Channel, s.now().Add(-time.Minute))
	s.guest("", "+4930222", pgtest.Channel, s.now())
	var list struct {
		Contacts []struct {
			Name      string
			Addresses []struct{ Kind, Address string }
		}
	}
	s.do("GET", "/api/v1/contacts", nil).want(http.StatusOK).into(&list)
	if len(list.Contacts) != 2 || list.Contacts[1].Name != "Ada" || list.Contacts[1].Addresses[0].Address != "+4930111" {
		t.Errorf("contacts: %+v", list.Contacts)
	}
	path := "/api/v1/contacts/" + ada.guest.String()
	nasty := `Robert'); DROP TABLE sb.contact; -- <script>"Ünïcödé`
	s.do("PATCH", path, map[string]any{"name": nasty}).want(http.StatusOK)
	var one struct{ Name string }
	s.do("GET", path, nil).want(http.StatusOK).into(&one)
	if one.Name != nasty {
		t.Errorf("the name reads %q", one.Name)
	}
	s.do("PATCH", path, map[string]any{"name": ""}).want(http.StatusOK)
	s.do("PATCH", path, map[string]any{"name": strings.Repeat("ä", 200)}).want(http.StatusOK)
	s.do("PATCH", path, map[string]any{"name": strings.Repeat("ä", 201)}).want(http.StatusBadRequest).saying("at most 200")
	s.do("PATCH", path, map[string]any{}).want(http.StatusBadRequest).saying("send the field name")
	s.do("PATCH", path, map[string]any{"phone": "+49"}).want(http.StatusBadRequest).saying(`no field \"phone\"`, "the fields are name")
}
