package messenger

import (
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
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/test/standin/messenger/standin"
)

var ours = standin.Page{ID: "104512345678901"}

const guest = "5551234567890123"

func page() *Provider { return &Provider{channel: contract.Messenger{PageID: ours.ID}} }

func happened(from, to string, content standin.Object) standin.Object {
	return standin.Event(from, to, time.UnixMilli(1764010000000), content)
}

func TestWhatAGuestSendsIsKept(t *testing.T) {
	for want, content := range map[string]standin.Object{
		"Grüße 🗝":        {"message": standin.Object{"mid": "m_1", "text": "Grüße 🗝"}},
		"a\uFFFDb":       {"message": standin.Object{"mid": "m_1", "text": "a\x00b"}},
		"[image]":        {"message": standin.Object{"mid": "m_1", "attachments": []standin.Object{{"type": "image"}}}},
		"[message]":      {"message": standin.Object{"mid": "m_1", "attachments": []standin.Object{{"type": "<b>"}}}},
		"A link":         {"message": standin.Object{"mid": "m_1", "text": "A link", "attachments": []standin.Object{{"type": "fallback"}}}},
		"Late check-out": {"postback": standin.Object{"mid": "m_1", "title": "Late check-out", "payload": "X"}},
		"[button]":       {"postback": standin.Object{"mid": "m_1"}},
	} {
		d, err := page().parse(ours.Payload(happened(guest, ours.ID, content)))
		if err != nil || len(d.Messages) != 1 || d.Messages[0].Body != want || d.Messages[0].ID != "m_1" || d.Messages[0].From[0].Value != guest {
			t.Errorf("want %q: %+v, %v", want, d, err)
		}
	}
}

func TestWhatIsNoMessageOfAGuestIsPassedOver(t *testing.T) {
	d, err := page().parse(ours.Payload(
		happened(ours.ID, guest, standin.Object{"message": standin.Object{"mid": "m_1", "text": "STOP", "is_echo": true, "metadata": "another's"}}),
		happened(ours.ID, guest, standin.Object{"message": standin.Object{"mid": "m_1", "text": "STOP"}}), // an echo that does not say so
		happened(guest, ours.ID, standin.Object{"reaction": standin.Object{"mid": "m_1", "emoji": "👍"}}),
		happened(guest, ours.ID, standin.Object{}),
	))
	if err != nil || len(d.Messages)+len(d.Statuses)+len(d.Watermarks)+d.Unreadable != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	d, err = page().parse(ours.Payload(
		happened(guest, ours.ID, standin.Object{"message": standin.Object{"text": "no id"}}),
		happened("a guest", ours.ID, standin.Object{"message": standin.Object{"mid": "m_1"}}),
		happened(guest, "104512345678902", standin.Object{"message": standin.Object{"mid": "m_1", "text": "to another page"}}),
		happened(guest, ours.ID, standin.Object{"read": standin.Object{"watermark": -1}}),
		happened(guest, ours.ID, standin.Object{"message": standin.Object{"mid": "m_2", "text": "kept"}}),
	))
	if err != nil || len(d.Messages) != 1 || d.Unreadable != 4 {
		t.Errorf("%+v, %v", d, err)
	}
	many := make([]standin.Object, meta.MaxItems+1)
	if _, err := page().parse(ours.Payload(many...)); err == nil {
		t.Error("a webhook without an end is taken")
	}
	each := make([]standin.Object, meta.MaxItems)
	for i := range each {
		each[i] = happened(guest, ours.ID, standin.Object{"delivery": standin.Object{"mids": []string{"m_1"}}})
	}
	if d, err := page().parse(ours.Payload(each...)); err != nil || len(d.Statuses) != meta.MaxItems {
		t.Errorf("of as many receipts as may be in events of theirs, %d are taken: %v", len(d.Statuses), err)
	}
	ids := make([]string, meta.MaxItems+1)
	for i := range ids {
		ids[i] = "m_1"
	}
	if _, err := page().parse(ours.Payload(happened(guest, ours.ID, standin.Object{"delivery": standin.Object{"mids": ids}}))); err == nil {
		t.Error("a receipt without an end is taken")
	}
}

func TestReceiptsAreRead(t *testing.T) {
	key := provider.Key{ID: uuid.Must(uuid.NewV7()), At: time.Date(2026, 11, 24, 0, 5, 6, 123456000, time.UTC)}
	d, err := page().parse(ours.Payload(
		happened(guest, ours.ID, standin.Object{"delivery": standin.Object{"mids": []string{"m_1", "m 2"}, "watermark": 1764010000001}}),
		happened(guest, ours.ID, standin.Object{"read": standin.Object{"watermark": 1764010000002}}),
		ours.Echo(standin.Message{ID: "m_3", To: guest, Metadata: meta.Callback(key)}),
	))
	if err != nil || len(d.Statuses) != 2 || len(d.Watermarks) != 2 || len(d.Messages) != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	if s := d.Statuses[0]; s.ID != "m_1" || s.Status != "delivered" || s.Message != nil {
		t.Errorf("a receipt that names a message is read as %+v", s)
	}
	if s := d.Statuses[1]; s.ID != "m_3" || s.Status != "accepted" || s.Message == nil || *s.Message != key {
		t.Errorf("an echo is read as %+v", s)
	}
	if w := d.Watermarks[1]; w.Status != "read" || !w.Until.Equal(time.UnixMilli(1764010000002)) || w.Of[0].Value != guest {
		t.Errorf("a watermark is read as %+v", w)
	}
}

func TestARefusalIsToldApartFromAMistake(t *testing.T) {
	answer := func(status, code, subcode int) meta.Answer {
		a := meta.Answer{Status: status}
		if code != 0 {
			a.Error = &meta.Error{Code: code, Subcode: subcode}
		}
		return a
	}
	for want, a := range map[string]meta.Answer{
		CodeWindowClosed: answer(403, 10, 2018278), codeUnavailable: answer(400, 551, 0), codeNoGuest: answer(400, 100, 2018001), "100": answer(400, 100, 0),
		"368": answer(400, 368, 0), "36103": answer(400, 36103, 0), "http-400": answer(400, 0, 0),
	} {
		var refused *provider.RefusedError
		if err := failed(a); !errors.As(err, &refused) || refused.Code != want || refused.Reason == "" {
			t.Errorf("%s: %v", want, err)
		}
	}
	for what, a := range map[string]meta.Answer{
		"too much": answer(http.StatusTooManyRequests, 0, 0), "the page's limit": answer(400, 32, 0), "the rate": answer(400, 613, 0), "for now": answer(400, 1200, 0),
		"no right": answer(403, 10, 0), "no scope": answer(403, 200, 0), "the token": answer(400, 190, 463), "messaging": answer(403, 230, 0),
	} {
		var notSent *provider.NotSentError
		if err := failed(a); !errors.As(err, &notSent) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var unknown *provider.UnknownError
	if err := failed(answer(http.StatusBadGateway, 0, 0)); !errors.As(err, &unknown) {
		t.Errorf("a gateway: %v", err)
	}
}

// TestALittleWebhookTakesLittleMemory: of what takes the fewest octets for the most that is made of it.
func TestALittleWebhookTakesLittleMemory(t *testing.T) {
	const head, event = `{"object":"page","entry":[{"id":"104512345678901","messaging":[`, `{"sender":{"id":"1"},"recipient":{"id":"104512345678901"},`
	for name, c := range map[string]struct{ before, repeated, after string }{
		"entries of nothing":            {`{"object":"page","entry":[`, `{},`, `{}]}`},
		"events of nothing":             {head, `{},`, `{}]}]}`},
		"messages of nothing":           {head, `{"message":{}},`, `{}]}]}`},
		"attachments of nothing":        {head, `{"message":{"attachments":[{},{},{},{},{},{},{}]}},`, `{}]}]}`},
		"messages":                      {head, event + `"message":{"mid":"ab","text":"cd"}},`, `{}]}]}`},
		"messages in entries of theirs": {`{"object":"page","entry":[`, `{"id":"104512345678901","messaging":[` + event + `"message":{"mid":"ab"}}]},`, `{}]}`},
		"files":                         {head, event + `"message":{"mid":"ab","attachments":[` + strings.Repeat(`{"type":"file"},`, 12) + `7]}},`, `{}]}]}`},
		"receipts":                      {head + event + `"delivery":{"mids":[`, `"ab",`, `"ab"]}}]}]}`},
		"many receipts":                 {head, event + `"delivery":{"mids":["ab"]}},`, `{}]}]}`},
		"watermarks":                    {head, event + `"read":{"watermark":1}},`, `{}]}]}`},
		"echoes":                        {head, `{"message":{"is_echo":true,"mid":"ab","metadata":"0189d1b0-0000-7000-8000-000000000000:1"}},`, `{}]}]}`},
		"one of another type":           {head + `{`, `"message":7,`, `"message":7}]}]}`},
		"one text with an escape":       {head + event + `"message":{"mid":"ab","text":"`, `abcdefgh`, `\n"}}]}]}`},
		"one text with a NUL":           {head + event + `"message":{"mid":"ab","text":"`, `abcdefgh`, `\u0000"}}]}]}`},
		"one text with all of it":       {head + event + `"message":{"mid":"ab","text":"`, `abcdefgh`, "\xff" + `\u0000"}}]}]}`},
		"one text of escapes":           {head + event + `"message":{"mid":"ab","text":"`, `\n`, `"}}]}]}`},
		"one text of halves":            {head + event + `"message":{"mid":"ab","text":"`, `\ud800`, `"}}]}]}`},
		"texts of halves":               {head, event + `"message":{"mid":"ab","text":"\ud800"}},`, `{}]}]}`},
		"one text of what is no UTF-8":  {head + event + `"message":{"mid":"ab","text":"`, "\xffa", `"}}]}]}`},
		"one name of escapes":           {head + `{"`, `\u0061`, `":1}]}]}`},
	} {
		for _, octets := range []int{4 << 10, 40 << 10, 64 << 10, 100 << 10, 150 << 10, 180 << 10, 300 << 10, 3 << 20} {
			body := []byte(c.before + strings.Repeat(c.repeated, octets/len(c.repeated)) + c.after)
			t.Run(fmt.Sprintf("%s/%d", name, octets), func(t *testing.T) {
				fuzztest.Bounded(t, len(body), 64<<10, func() { _, _ = page().parse(body) })
			})
		}
	}
}

func FuzzPayload(f *testing.F) {
	f.Add(ours.Payload(ours.Text(guest, "m_1", "Grüße 🗝 \x00"), happened(guest, ours.ID, standin.Object{"delivery": standin.Object{"mids": []string{"m_1"}, "watermark": 1764010000001}})))
	f.Add([]byte(`{"object":"page","entry":[{"id":"104512345678901","messaging":[7,null,[],{"read":{"watermark":9e99}},{"sender":{"id":"1"},"read":{"watermark":-1}}]}]}`))
	f.Add([]byte(`{"object":"page","entry":null}`))
	f.Add([]byte("\xff{"))
	p := page()
	f.Fuzz(func(t *testing.T, body []byte) {
		var d provider.Delivery
		var err error
		fuzztest.Bounded(t, len(body), 64<<10, func() { d, err = p.parse(body) })
		if err != nil {
			if len(d.Messages)+len(d.Statuses)+len(d.Watermarks) != 0 {
				t.Errorf("%v, and yet %+v", err, d)
			}
			return
		}
		for _, m := range d.Messages {
			if m.ID == "" || len(m.ID) > maxID || len(m.From) != 1 || len(m.From[0].Value) > 64 || m.Body == "" || strings.ContainsRune(m.Body, 0) || len([]rune(m.Body)) > provider.MaxText {
				t.Errorf("let through: %+v", m)
			}
		}
		for _, w := range d.Watermarks {
			if w.Until.Year() < 1970 || w.Until.Year() > 9999 || len(w.Of) != 1 || w.Status != "delivered" && w.Status != "read" {
				t.Errorf("let through: %+v", w)
			}
		}
	})
}
