package standin

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	twilio "github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	openapi "github.com/twilio/twilio-go/rest/api/v2010"
)

const (
	sid    = "AC00112233445566778899aabbccddeeff"
	token  = "token"
	sender = "+493023125177"
	guest  = "+4915112345678"
)

func start(t *testing.T) (*Server, *httptest.Server) {
	t.Helper()
	s := New(Config{Accounts: []Account{{SID: sid, AuthToken: token, Numbers: []string{sender}, MessagingServices: []string{"MG1"}}, {SID: "AC2", AuthToken: "t2", Numbers: []string{"*"}}}, CallbackDelay: 1})
	t.Cleanup(s.Close)
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	return s, server
}

func call(t *testing.T, server *httptest.Server, method, path, user, password, kind string, body string) (int, http.Header, map[string]any) {
	t.Helper()
	request, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(user, password)
	request.Header.Set("Content-Type", kind)
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	_ = json.Unmarshal(b, &document)
	return response.StatusCode, response.Header, document
}

const formType = "application/x-www-form-urlencoded"

func TestItIsAsStrictAsTwilio(t *testing.T) {
	s, server := start(t)
	if err := s.SetOptOut(OptOut{Account: sid, From: sender, To: "+4915100000001"}); err != nil {
		t.Fatal(err)
	}
	messages := "/2010-04-01/Accounts/" + sid + "/Messages.json"
	form := func(pairs ...string) string {
		f := url.Values{"To": {guest}, "From": {sender}, "Body": {"Hello"}}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f.Encode()
	}
	for name, c := range map[string]struct {
		path, user, password, kind, body string
		status, code                     int
	}{
		"right":                     {messages, sid, token, formType, form(), 201, 0},
		"by a messaging service":    {messages, sid, token, formType, form("From", "", "MessagingServiceSid", "MG1"), 201, 0},
		"1600 characters":           {messages, sid, token, formType, form("Body", strings.Repeat("é", 1600)), 201, 0},
		"1601 characters":           {messages, sid, token, formType, form("Body", strings.Repeat("é", 1601)), 400, 21617},
		"wrong token":               {messages, sid, "x", formType, form(), 401, 20003},
		"unknown account":           {messages, "AC9", token, formType, form(), 401, 20003},
		"another's path":            {messages, "AC2", "t2", formType, form(), 404, 20404},
		"no such resource":          {"/2010-04-01/Accounts/" + sid + "/Faxes.json", sid, token, formType, form(), 404, 20404},
		"JSON":                      {messages, sid, token, "application/json", "{}", 400, 20001},
		"no To":                     {messages, sid, token, formType, form("To", ""), 400, 21604},
		"To not E.164":              {messages, sid, token, formType, form("To", "030 123"), 400, 21211},
		"no From":                   {messages, sid, token, formType, form("From", ""), 400, 21603},
		"From of another account":   {messages, sid, token, formType, form("From", "+493023125178"), 400, 21660},
		"From is To":                {messages, sid, token, formType, form("To", sender), 400, 21266},
		"unknown service":           {messages, sid, token, formType, form("From", "", "MessagingServiceSid", "MG2"), 400, 21701},
		"no Body":                   {messages, sid, token, formType, form("Body", ""), 400, 21602},
		"a guest who opted out":     {messages, sid, token, formType, form("To", "+4915100000001"), 400, 21610},
		"a callback that is no URL": {messages, sid, token, formType, form("StatusCallback", "status"), 400, 21609},
	} {
		before := len(s.Messages(""))
		status, _, document := call(t, server, http.MethodPost, c.path, c.user, c.password, c.kind, c.body)
		if status != c.status {
			t.Errorf("%s: HTTP %d, want %d", name, status, c.status)
		}
		taken := len(s.Messages("")) - before
		if c.code == 0 {
			if taken != 1 || !strings.HasPrefix(document["sid"].(string), "SM") || document["direction"] != "outbound-api" {
				t.Errorf("%s: %d taken, answered %v", name, taken, document)
			}
			continue
		}
		if taken != 0 || document["code"] != float64(c.code) {
			t.Errorf("%s: %d taken, answered %v, want code %d", name, taken, document, c.code)
		}
	}
}

// Twilio's own client is the judge of what is answered.
func TestTwiliosOwnClientIsContent(t *testing.T) {
	s, server := start(t)
	if err := s.SetOutcome(Outcome{To: guest}); err != nil { // stays in the queue
		t.Fatal(err)
	}
	base := &client.Client{Credentials: client.NewCredentials(sid, token), HTTPClient: &http.Client{Transport: redirect{server}}}
	base.SetAccountSid(sid)
	api := twilio.NewRestClientWithParams(twilio.ClientParams{Client: base}).Api
	var newest string
	for i := range 3 {
		m, err := api.CreateMessage((&openapi.CreateMessageParams{}).SetTo(guest).SetFrom(sender).SetBody(strings.Repeat("x", i+1)))
		if err != nil || m.Sid == nil || *m.Status != "queued" || *m.Body != strings.Repeat("x", i+1) {
			t.Fatalf("sending: %v %+v", err, m)
		}
		newest = *m.Sid
	}
	list, err := api.ListMessage((&openapi.ListMessageParams{}).SetTo(guest).SetFrom(sender).SetPageSize(1).SetLimit(10))
	if err != nil || len(list) != 3 || *list[0].Sid != newest {
		t.Errorf("listing, newest first, in pages: %v %d", err, len(list))
	}
	if list, err := api.ListMessage((&openapi.ListMessageParams{}).SetDateSentAfter(time.Now().Add(-time.Hour))); err != nil || len(list) != 0 {
		t.Errorf("messages that have not left the queue have no date: %v %d", err, len(list))
	}
	if m, err := api.FetchMessage(newest, nil); err != nil || *m.Sid != newest {
		t.Errorf("fetching: %v", err)
	}
	if len(s.Lookups(guest)) < 3 {
		t.Errorf("%d lookups", len(s.Lookups(guest)))
	}
}

// redirect sends what is meant for api.twilio.com to the stand-in.
type redirect struct{ server *httptest.Server }

func (r redirect) RoundTrip(request *http.Request) (*http.Response, error) {
	u, err := url.Parse(r.server.URL)
	if err != nil {
		return nil, err
	}
	request.URL.Scheme, request.URL.Host = u.Scheme, u.Host
	return r.server.Client().Transport.RoundTrip(request)
}

func TestFaultsAreMetOnceAndByTheirNumber(t *testing.T) {
	s, server := start(t)
	control := func(path, body string, want int) {
		t.Helper()
		if status, _, _ := call(t, server, http.MethodPost, "/control/"+path, "", "", "application/json", body); status != want {
			t.Errorf("%s %s: HTTP %d, want %d", path, body, status, want)
		}
	}
	control("faults", `{"to":"`+guest+`","answer":"status","status":429,"retryAfter":7}`, 204)
	control("faults", `{"to":"`+guest+`","answer":"status","status":503,"accept":true}`, 204)
	for _, wrong := range []string{`{"answer":"explode"}`, `{"answer":"status"}`, `{"answer":"hang","operation":"fly"}`, `{"unknown":1}`, `{`} {
		control("faults", wrong, 400)
	}
	control("accounts", `{"sid":"AC3"}`, 400)
	control("routes", `{"host":"x"}`, 400)
	control("outcomes", `{}`, 400)
	control("optouts", `{}`, 400)
	control("inbound", `{"publicURL":"https://hotel.example","path":"/x","account":"`+sid+`"}`, 400) // no route
	form := url.Values{"To": {guest}, "From": {sender}, "Body": {"Hello"}}
	messages := "/2010-04-01/Accounts/" + sid + "/Messages.json"
	for i, want := range []int{429, 503, 201} {
		other := url.Values{"To": {"+4915100000009"}, "From": {sender}, "Body": {"Hello"}}
		if status, _, _ := call(t, server, http.MethodPost, messages, sid, token, formType, other.Encode()); status != 201 {
			t.Errorf("another number met the fault: HTTP %d", status)
		}
		status, header, _ := call(t, server, http.MethodPost, messages, sid, token, formType, form.Encode())
		if status != want || (want == 429) != (header.Get("Retry-After") == "7") {
			t.Errorf("request %d: HTTP %d, Retry-After %q, want %d", i+1, status, header.Get("Retry-After"), want)
		}
	}
	if n := len(s.Messages(guest)); n != 2 {
		t.Errorf("%d messages taken, want the accepted 503 and the 201", n)
	}
	if a := s.Attempts(guest); len(a) != 3 || a[0].Status != 429 || a[1].SID == "" {
		t.Errorf("attempts: %+v", a)
	}
	control("reset", "", 204)
	if n := len(s.Messages("")) + len(s.Attempts("")); n != 0 {
		t.Errorf("%d left after a reset", n)
	}
}

func TestWebhooksAreSignedAndGoByTheirRoute(t *testing.T) {
	s, server := start(t)
	judge := client.NewRequestValidator(token)
	type received struct {
		path string
		form url.Values
	}
	got := make(chan received, 10)
	tenant := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		if !judge.ValidateBody("https://example.com"+r.RequestURI, body, r.Header.Get("X-Twilio-Signature")) {
			t.Errorf("twilio-go refuses the signature of %s", r.RequestURI)
		}
		got <- received{r.RequestURI, form}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(tenant.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tenant.Certificate().Raw}))
	for _, elsewhere := range []Route{{Host: "example.com", Address: "127.0.0.1:1"}, {Host: "example.com", Path: "/status/of/another", Address: "127.0.0.1:1"}, {Host: "other.example", Path: "/status", Address: "127.0.0.1:1"}, {Host: "example.com", Path: "/in", Address: tenant.Listener.Addr().String(), CA: ca}} {
		if err := s.AddRoute(elsewhere); err != nil {
			t.Fatal(err)
		}
	}
	route, _ := json.Marshal(Route{Host: "example.com", Path: "/status", Address: tenant.Listener.Addr().String(), CA: ca})
	if status, _, _ := call(t, server, http.MethodPost, "/control/routes", "", "", "", string(route)); status != 204 {
		t.Fatalf("HTTP %d", status)
	}
	if err := s.SetOutcome(Outcome{To: guest, Statuses: []string{"sent", "undelivered"}, ErrorCode: 30003}); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"To": {guest}, "From": {sender}, "Body": {"Hello"}, "StatusCallback": {"https://example.com/status?m=1&t=2"}}
	call(t, server, http.MethodPost, "/2010-04-01/Accounts/"+sid+"/Messages.json", sid, token, formType, form.Encode())
	for _, want := range []string{"sent", "undelivered"} {
		r := <-got
		if r.path != "/status?m=1&t=2" || r.form.Get("MessageStatus") != want || (r.form.Get("ErrorCode") == "30003") != (want == "undelivered") {
			t.Errorf("callback %s: %+v", want, r)
		}
	}
	in, _ := json.Marshal(Inbound{Account: sid, PublicURL: "https://example.com", Path: "/in", From: guest, To: sender, Body: "Grüß Gott ☕", Extra: map[string]string{"OptOutType": "STOP"}})
	status, _, answered := call(t, server, http.MethodPost, "/control/inbound", "", "", "", string(in))
	if r := <-got; status != 200 || answered["status"] != float64(http.StatusAccepted) || r.form.Get("Body") != "Grüß Gott ☕" || r.form.Get("OptOutType") != "STOP" {
		t.Errorf("inbound: HTTP %d %v, received %+v", status, answered, r)
	}
}

func TestTheAccountIsServed(t *testing.T) {
	s, server := start(t)
	base := &client.Client{Credentials: client.NewCredentials(sid, token), HTTPClient: &http.Client{Transport: redirect{server}}}
	base.SetAccountSid(sid)
	api := twilio.NewRestClientWithParams(twilio.ClientParams{Client: base}).Api
	a, err := api.FetchAccount(sid)
	if err != nil || *a.Sid != sid || *a.Status != "active" {
		t.Errorf("it is %+v: %v", a, err)
	}
	if err := s.AddAccount(Account{SID: sid, AuthToken: "another", Numbers: []string{"*"}}); err != nil {
		t.Fatal(err)
	}
	var refused *client.TwilioRestError
	if _, err := api.FetchAccount(sid); !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized || refused.Code != 20003 {
		t.Errorf("with a token that was replaced: %v", err)
	}
}
