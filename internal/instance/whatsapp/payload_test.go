package whatsapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/fuzztest"
	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

var ours = standin.Number{PhoneNumberID: "106540352242922", BusinessAccountID: "102290129340398"}

func numbers() *Provider {
	return &Provider{channel: contract.WhatsApp{PhoneNumberID: ours.PhoneNumberID, BusinessAccountID: ours.BusinessAccountID, APIVersion: "v23.0"}}
}

func TestABatchIsReadInItsOrder(t *testing.T) {
	image := standin.Object{"from": "4915112345678", "id": "wamid.2", "type": "image", "image": standin.Object{"id": "1", "caption": "Die Dusche tropft"}}
	body := ours.Payload(
		ours.Value([]standin.Object{standin.Text("wamid.1", "4915112345678", "Grüße 🗝"), image}, nil),
		ours.Value([]standin.Object{standin.Text("wamid.3", "US.user_1", "Hi")}, []standin.Object{{"id": "wamid.9", "status": "read"}}),
	)
	d, err := numbers().parse(body)
	if err != nil || d.Unreadable != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	both := []person.Address{{Kind: contract.KindPhone, Value: "+4915112345678"}, {Kind: contract.KindWhatsApp, Value: "4915112345678"}}
	want := []provider.Inbound{
		{ID: "wamid.1", From: both, Body: "Grüße 🗝"}, {ID: "wamid.2", From: both, Body: "[image] Die Dusche tropft", Media: []provider.Media{{Source: "1"}}},
		{ID: "wamid.3", From: []person.Address{{Kind: contract.KindWhatsApp, Value: "US.user_1"}}, Body: "Hi"},
	}
	if got, wanted := encode(t, d.Messages), encode(t, want); got != wanted {
		t.Errorf("read as  %s\nwant %s", got, wanted)
	}
	if len(d.Statuses) != 1 || d.Statuses[0].Status != "read" || d.Statuses[0].Message != nil {
		t.Errorf("statuses %+v", d.Statuses)
	}
}

func TestEveryTypeOfMessageIsKept(t *testing.T) {
	for document, want := range map[string]string{
		`{"type":"text","text":{"body":"Hello"}}`:                                         "Hello",
		`{"type":"button","button":{"text":"Stop","payload":"x"}}`:                        "Stop",
		`{"type":"interactive","interactive":{"button_reply":{"id":"1","title":"Yes"}}}`:  "Yes",
		`{"type":"interactive","interactive":{"list_reply":{"id":"1","title":"At six"}}}`: "At six",
		`{"type":"interactive","interactive":{"nfm_reply":{"response_json":"{}"}}}`:       "[interactive]",
		`{"type":"image","image":{"id":"1"}}`:                                             "[image]",
		`{"type":"document","document":{"caption":"The bill","filename":"a.pdf"}}`:        "[document] The bill",
		`{"type":"location","location":{"latitude":52.5,"longitude":13.4}}`:               "[location]",
		`{"type":"reaction","reaction":{"message_id":"wamid.1","emoji":"👍"}}`:             "[reaction]",
		`{"type":"unsupported","errors":[{"code":131051}]}`:                               "[unsupported]",
		`{"type":"<script>"}`:               "[message]",
		`{}`:                                "[message]",
		`{"type":7,"text":"not an object"}`: "[message]",
		`{"type":"text","text":{"body":"a\u0000b"}}`:                                        "a\uFFFDb",
		`{"type":"text","text":{"body":"` + strings.Repeat("ü", provider.MaxText+5) + `"}}`: strings.Repeat("ü", provider.MaxText),
	} {
		var m standin.Object
		if err := json.Unmarshal([]byte(document), &m); err != nil {
			t.Fatal(err)
		}
		m["id"], m["from"] = "wamid.1", "4915112345678"
		d, err := numbers().parse(ours.Payload(ours.Value([]standin.Object{m}, nil)))
		if err != nil || len(d.Messages) != 1 || d.Messages[0].Body != want {
			t.Errorf("%.80s: %.80v, %v; want %.80q", document, d.Messages, err, want)
		}
	}
}

func TestStatusesAreTranslated(t *testing.T) {
	key := provider.Key{ID: uuid.Must(uuid.NewV7()), At: time.Date(2026, 11, 24, 0, 5, 6, 123456000, time.UTC)}
	for document, want := range map[string]provider.Status{
		`{"id":"wamid.1","status":"sent"}`:                                                         {ID: "wamid.1", Status: "sent"},
		`{"id":"wamid.1","status":"delivered"}`:                                                    {ID: "wamid.1", Status: "delivered"},
		`{"id":"wamid.1","status":"failed","errors":[{"code":131026}]}`:                            {ID: "wamid.1", Status: "failed", ErrorCode: "131026"},
		`{"id":"wamid.1","status":"failed","errors":[{"code":131047}]}`:                            {ID: "wamid.1", Status: "failed", ErrorCode: CodeWindowClosed},
		`{"id":"wamid.1","status":"failed"}`:                                                       {ID: "wamid.1", Status: "failed", ErrorCode: "failed"},
		`{"id":"wamid.1","status":"read","biz_opaque_callback_data":"` + meta.Callback(key) + `"}`: {ID: "wamid.1", Status: "read", Message: &key},
		`{"id":"wamid.1","status":"read","biz_opaque_callback_data":"another's"}`:                  {ID: "wamid.1", Status: "read"},
		`{"id":"wamid.1","status":"deleted"}`:                                                      {},
	} {
		var s standin.Object
		if err := json.Unmarshal([]byte(document), &s); err != nil {
			t.Fatal(err)
		}
		d, err := numbers().parse(ours.Payload(ours.Value(nil, []standin.Object{s})))
		if err != nil || d.Unreadable != 0 {
			t.Errorf("%s: %+v, %v", document, d, err)
		}
		if want.ID == "" {
			if len(d.Statuses) != 0 {
				t.Errorf("%s: %+v", document, d.Statuses)
			}
			continue
		}
		if got := encode(t, d.Statuses); got != encode(t, []provider.Status{want}) {
			t.Errorf("%s: %s", document, got)
		}
	}
}

func TestWhatIsNotThisNumbersIsRejected(t *testing.T) {
	other := standin.Number{PhoneNumberID: "999999999999", BusinessAccountID: ours.BusinessAccountID}
	otherAccount := standin.Number{PhoneNumberID: ours.PhoneNumberID, BusinessAccountID: "999999999999"}
	text := []standin.Object{standin.Text("wamid.1", "4915112345678", "Hello")}
	for what, c := range map[string]struct {
		body   []byte
		status int
	}{
		"another number":           {other.Payload(other.Value(text, nil)), http.StatusForbidden},
		"another business account": {otherAccount.Payload(otherAccount.Value(text, nil)), http.StatusForbidden},
		"no JSON":                  {[]byte("Body=Hello"), http.StatusBadRequest},
		"cut off":                  {ours.Payload(ours.Value(text, nil))[:80], http.StatusBadRequest},
		"another object":           {[]byte(`{"object":"page","entry":[]}`), http.StatusBadRequest},
		"a value of another type":  {[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":[]}]}]}`), http.StatusBadRequest},
	} {
		d, err := numbers().parse(c.body)
		var rejected *provider.RejectedError
		if !errors.As(err, &rejected) || rejected.Status != c.status || len(d.Messages) != 0 {
			t.Errorf("%s: %+v, %v", what, d, err)
		}
	}
	// One webhook for several numbers of an account: this one's are taken, and no other's.
	d, err := numbers().parse(ours.Payload(other.Value([]standin.Object{standin.Text("wamid.8", "4915100000001", "Not for you")}, nil), ours.Value(text, nil)))
	if err != nil || len(d.Messages) != 1 || d.Messages[0].ID != "wamid.1" {
		t.Errorf("%+v, %v", d.Messages, err)
	}
	// About the account, and from nobody.
	d, err = numbers().parse([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"account_update","value":"x"}]}]}`))
	if err != nil || len(d.Messages)+len(d.Statuses)+d.Unreadable != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	// What can't be stored, ever, takes nothing else with it.
	d, err = numbers().parse(ours.Payload(ours.Value([]standin.Object{{"type": "text"}, {"id": "wamid 1", "from": "1"}, {"id": "wamid.1", "from": ""}, text[0]}, []standin.Object{{"status": "read"}})))
	if err != nil || len(d.Messages) != 1 || d.Unreadable != 4 {
		t.Errorf("%+v, %v", d, err)
	}
	many := make([]standin.Object, meta.MaxItems+1)
	for i := range many {
		many[i] = text[0]
	}
	if _, err := numbers().parse(ours.Payload(ours.Value(many, nil))); err == nil {
		t.Error("a webhook without an end is taken")
	}
}

func TestARefusalSaysWhyAndWhatToDo(t *testing.T) {
	for code, fragment := range map[int]string{131047: "24 hours", 131026: "can't be written to", 100: "no such text", 999999: "error-codes"} {
		var refused *provider.RefusedError
		err := failed(answerOf(http.StatusBadRequest, code))
		if !errors.As(err, &refused) || !strings.Contains(refused.Reason, fragment) {
			t.Errorf("%d: %v", code, err)
		}
	}
	for what, c := range map[string]struct {
		status, code int
		unknown      bool
	}{
		"too many":               {429, 0, false},
		"too many to this guest": {400, 131056, false},
		"a service is down":      {503, 131016, false},
		"the token has expired":  {401, 190, false},
		"no such number":         {404, 0, false},
		"no such number as said": {400, 33, false},
		"a failure":              {500, 0, true},
		"a failure with a code":  {500, 1, true},
		"a gateway":              {502, 0, true},
		"an error in a success":  {200, 131000, true},
	} {
		err := failed(answerOf(c.status, c.code))
		var unknown *provider.UnknownError
		var notSent *provider.NotSentError
		if errors.As(err, &unknown) != c.unknown || errors.As(err, &notSent) == c.unknown {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func answerOf(status, code int) meta.Answer {
	a := meta.Answer{Status: status}
	if code != 0 {
		a.Error = &meta.Error{Code: code}
	}
	return a
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestALittleWebhookTakesLittleMemory: of what takes the fewest octets for the most that is made of it.
func TestALittleWebhookTakesLittleMemory(t *testing.T) {
	const entry, change = `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[`, `{"field":"messages","value":{"metadata":{"phone_number_id":"106540352242922"},`
	for name, c := range map[string]struct{ before, repeated, after string }{
		"entries of nothing":                  {`{"object":"whatsapp_business_account","entry":[`, `{},`, `{}]}`},
		"changes of nothing":                  {entry, `{},`, `{}]}]}`},
		"messages of nothing":                 {entry + change + `"messages":[`, `{},`, `{}]}}]}]}`},
		"messages":                            {entry + change + `"messages":[`, `{"id":"ab","from":"49151123456789"},`, `{}]}}]}]}`},
		"messages of people without a number": {entry + change + `"messages":[`, `{"id":"ab","from":"cd"},`, `{}]}}]}]}`},
		"messages in changes of theirs":       {entry, change + `"messages":[{"id":"ab","from":"49151123456789"}]}},`, `{}]}]}`},
		"files":                               {entry + change + `"messages":[`, `{"id":"ab","from":"49151123456789","type":"image","image":{"filename":"cd"}},`, `{}]}}]}]}`},
		"statuses of nothing":                 {entry + change + `"statuses":[`, `{},`, `{}]}}]}]}`},
		"statuses":                            {entry + change + `"statuses":[`, `{"id":"ab","status":"sent"},`, `{}]}}]}]}`},
		"failures":                            {entry + change + `"statuses":[`, `{"id":"ab","status":"failed","errors":[{"code":1234}]},`, `{}]}}]}]}`},
		"statuses of ours":                    {entry + change + `"statuses":[`, `{"id":"ab","status":"sent","biz_opaque_callback_data":"0189d1b0-0000-7000-8000-000000000000:1"},`, `{}]}}]}]}`},
		"errors of nothing":                   {entry + change + `"statuses":[{"errors":[`, `{},`, `{}]}]}}]}]}`},
		"one of another type":                 {entry + change + `"messages":[{`, `"id":7,`, `"id":7}]}}]}]}`},
		"one text of escapes":                 {entry + change + `"messages":[{"id":"ab","from":"cd","type":"text","text":{"body":"`, `\n`, `"}}]}}]}]}`},
		"one text of halves":                  {entry + change + `"messages":[{"id":"ab","from":"cd","type":"text","text":{"body":"`, `\ud800`, `"}}]}}]}]}`},
		"one text of what is no UTF-8":        {entry + change + `"messages":[{"id":"ab","from":"cd","type":"text","text":{"body":"`, "\xffa", `"}}]}}]}]}`},
		"one caption of escapes":              {entry + change + `"messages":[{"id":"ab","from":"cd","type":"video","video":{"caption":"`, `\n`, `"}}]}}]}]}`},
		"one name of escapes":                 {entry + change + `"messages":[{"`, `\u0061`, `":1}]}}]}]}`},
	} {
		for _, octets := range []int{4 << 10, 40 << 10, 64 << 10, 100 << 10, 150 << 10, 180 << 10, 300 << 10, 3 << 20} {
			body := []byte(c.before + strings.Repeat(c.repeated, octets/len(c.repeated)) + c.after)
			t.Run(fmt.Sprintf("%s/%d", name, octets), func(t *testing.T) {
				fuzztest.Bounded(t, len(body), 64<<10, func() { _, _ = numbers().parse(body) })
			})
		}
	}
}

func FuzzPayload(f *testing.F) {
	text := standin.Text("wamid.1", "4915112345678", "Grüße 🗝 \x00")
	f.Add(ours.Payload(ours.Value([]standin.Object{text, {"type": "image"}}, []standin.Object{{"id": "wamid.1", "status": "failed", "errors": []standin.Object{{"code": 131047}}}})))
	f.Add([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"106540352242922"},"messages":[7,null,[]],"statuses":[{}]}}]}]}`))
	f.Add([]byte(`{"object":"whatsapp_business_account","entry":null}`))
	f.Add([]byte("\xff{"))
	p := numbers()
	f.Fuzz(func(t *testing.T, body []byte) {
		var d provider.Delivery
		var err error
		fuzztest.Bounded(t, len(body), 64<<10, func() { d, err = p.parse(body) })
		if err != nil {
			if len(d.Messages)+len(d.Statuses) != 0 {
				t.Errorf("%v, and yet %+v", err, d)
			}
			return
		}
		for _, m := range d.Messages {
			if m.ID == "" || len(m.ID) > maxID || len(m.From) == 0 || strings.ContainsRune(m.Body, 0) || len([]rune(m.Body)) > provider.MaxText {
				t.Errorf("let through: %+v", m)
			}
			for _, a := range m.From {
				if a.Value == "" || len(a.Value) > 256 {
					t.Errorf("let through: %+v", a)
				}
			}
		}
		for _, s := range d.Statuses {
			if s.ID == "" || s.Status == "" {
				t.Errorf("let through: %+v", s)
			}
		}
	})
}
