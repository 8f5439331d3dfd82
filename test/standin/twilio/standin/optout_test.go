package standin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAGuestsStopBlocksTheNumberWrittenTo(t *testing.T) {
	for name, c := range map[string]struct {
		says    []Inbound
		blocked bool
	}{
		"nothing said":             {nil, false},
		"STOP":                     {[]Inbound{{Body: "STOP"}}, true},
		"in any case, with spaces": {[]Inbound{{Body: " stopAll\n"}}, true},
		"OPTOUT":                   {[]Inbound{{Body: "OPTOUT"}}, true},
		"REVOKE":                   {[]Inbound{{Body: "revoke"}}, true},
		"a sentence is no keyword": {[]Inbound{{Body: "STOP PLEASE"}}, false},
		"HELP":                     {[]Inbound{{Body: "HELP"}}, false},
		"STOP, then START":         {[]Inbound{{Body: "STOP"}, {Body: "Start"}}, false},
		"STOP, START, STOP":        {[]Inbound{{Body: "STOP"}, {Body: "UNSTOP"}, {Body: "END"}}, true},
		"STOP, then chatter":       {[]Inbound{{Body: "STOP"}, {Body: "Are you there?"}}, true},
		"to another number":        {[]Inbound{{Body: "STOP", To: "+493023125199"}}, false},
		"by another guest":         {[]Inbound{{Body: "STOP", From: "+4915100000002"}}, false},
		"an account of its own":    {[]Inbound{{Body: "STOP", Account: "AC2"}}, false},
		"told not to heed it":      {[]Inbound{{Body: "STOP", IgnoreKeywords: true}}, false},
		"by Advanced Opt-Out":      {[]Inbound{{Body: "ARRET", Extra: map[string]string{"OptOutType": "STOP"}}}, true},
		"and back by it":           {[]Inbound{{Body: "STOP"}, {Body: "OUI", Extra: map[string]string{"OptOutType": "START"}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, route := receiver(t)
			_, server := start(t)
			for _, in := range c.says {
				// The signature of AC2 is not the receiver's to judge: its route leads nowhere.
				in.Address, in.CA = route.Address, route.CA
				if in.Account == "AC2" {
					in.Address = "127.0.0.1:1"
				}
				tell(t, server, in)
			}
			status, _, document := call(t, server, http.MethodPost, messagesPath, sid, token, formType, hello())
			if blocked := status == 400 && document["code"] == float64(21610); blocked != c.blocked || !blocked && status != 201 {
				t.Errorf("HTTP %d %v, blocked must be %v", status, document["code"], c.blocked)
			}
		})
	}
}

func TestAStopBlocksTheMessagingServiceItNames(t *testing.T) {
	_, route := receiver(t)
	_, server := start(t)
	tell(t, server, Inbound{Body: "STOP", Address: route.Address, CA: route.CA, Extra: map[string]string{"MessagingServiceSid": "MG1"}})
	for name, form := range map[string]string{"number": hello(), "service": hello("From", "", "MessagingServiceSid", "MG1")} {
		if status, _, document := call(t, server, http.MethodPost, messagesPath, sid, token, formType, form); status != 400 || document["code"] != float64(21610) {
			t.Errorf("by the %s: HTTP %d %v", name, status, document["code"])
		}
	}
}

// tell delivers a guest's message as a test does, by the control API.
func tell(t *testing.T, server *httptest.Server, in Inbound) {
	t.Helper()
	in.PublicURL, in.Path = "https://example.com", "/in"
	for field, otherwise := range map[*string]string{&in.Account: sid, &in.From: guest, &in.To: sender} {
		if *field == "" {
			*field = otherwise
		}
	}
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	status, _, answered := call(t, server, http.MethodPost, "/control/inbound", "", "", "application/json", string(body))
	if status != 200 || in.Account == sid && answered["status"] != float64(http.StatusNoContent) {
		t.Fatalf("HTTP %d, the tenant answered %v", status, answered)
	}
}
