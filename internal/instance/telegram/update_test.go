package telegram

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-telegram/bot/models"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/fuzztest"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// from is a message as an independent library writes it.
func from(change func(*models.Message)) *models.Message {
	m := &models.Message{ID: 7, Date: 1764010000, Text: "Grüße 🗝",
		From: &models.User{ID: 5551234567, FirstName: "Zoë"}, Chat: models.Chat{ID: 5551234567, Type: models.ChatTypePrivate}}
	change(m)
	return m
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatAGuestSendsIsKept(t *testing.T) {
	for want, change := range map[string]func(*models.Message){
		"Grüße 🗝": func(*models.Message) {},
		"/stop":   func(m *models.Message) { m.Text = "/stop" },
		"[photo] Die Dusche tropft": func(m *models.Message) {
			m.Text, m.Photo, m.Caption = "", []models.PhotoSize{{FileID: "a"}}, "Die Dusche tropft"
		},
		"[animation]": func(m *models.Message) { m.Text, m.Animation, m.Document = "", &models.Animation{}, &models.Document{} },
		"[venue]":     func(m *models.Message) { m.Text, m.Venue, m.Location = "", &models.Venue{}, &models.Location{} },
		"[voice]":     func(m *models.Message) { m.Text, m.Voice = "", &models.Voice{} },
		"[contact]":   func(m *models.Message) { m.Text, m.Contact = "", &models.Contact{PhoneNumber: "4915112345678"} },
		"[sticker]":   func(m *models.Message) { m.Text, m.Sticker = "", &models.Sticker{Emoji: "🗝"} },
		"[message]":   func(m *models.Message) { m.Text = "" },
		"a\uFFFDb":    func(m *models.Message) { m.Text = "a\x00b" },
	} {
		d, err := parse(encoded(t, models.Update{ID: 9, Message: from(change)}))
		if err != nil || len(d.Messages) != 1 || d.Unreadable != 0 {
			t.Errorf("%s: %+v, %v", want, d, err)
			continue
		}
		m := d.Messages[0]
		if m.Body != want || m.ID != "9.7" || len(m.From) != 1 || m.From[0].Kind != contract.KindTelegram || m.From[0].Value != "5551234567" {
			t.Errorf("want %q: %+v", want, m)
		}
	}
}

func TestWhatIsNoMessageOfAGuestIsPassedOver(t *testing.T) {
	group := func(m *models.Message) { m.Chat.ID, m.Chat.Type = -100123, models.ChatTypeSupergroup }
	for what, u := range map[string]models.Update{
		"an edit":         {ID: 9, EditedMessage: from(func(*models.Message) {})},
		"a group":         {ID: 9, Message: from(group)},
		"a channel":       {ID: 9, ChannelPost: from(group)},
		"another bot":     {ID: 9, Message: from(func(m *models.Message) { m.From.IsBot = true })},
		"what is pressed": {ID: 9, CallbackQuery: &models.CallbackQuery{ID: "1", Data: "stop"}},
	} {
		if d, err := parse(encoded(t, u)); err != nil || len(d.Messages)+len(d.Statuses)+d.Unreadable != 0 {
			t.Errorf("%s: %+v, %v", what, d, err)
		}
	}
	if d, err := parse([]byte(`{"update_id":9,"my_chat_member":{"new_chat_member":{"status":"kicked"}}}`)); err != nil || len(d.Messages)+d.Unreadable != 0 {
		t.Errorf("a block: %+v, %v", d, err)
	}
	for what, body := range map[string]string{
		"no chat":           `{"update_id":9,"message":{"message_id":7,"text":"Hi"}}`,
		"another's chat":    `{"update_id":9,"message":{"message_id":7,"from":{"id":1},"chat":{"id":2,"type":"private"},"text":"Hi"}}`,
		"no number":         `{"update_id":9,"message":{"from":{"id":1},"chat":{"id":1,"type":"private"},"text":"Hi"}}`,
		"a message in text": `{"update_id":9,"message":"Hi"}`,
	} {
		if d, err := parse([]byte(body)); err != nil || len(d.Messages) != 0 || d.Unreadable != 1 {
			t.Errorf("%s: %+v, %v", what, d, err)
		}
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	var later *provider.NotSentError
	if err := failed(http.StatusTooManyRequests, http.Header{}, read(429, `{"ok":false,"error_code":429,"parameters":{"retry_after":35}}`)); !errors.As(err, &later) || later.After != 35*time.Second {
		t.Errorf("too much: %v", err)
	}
	if err := failed(http.StatusTooManyRequests, http.Header{"Retry-After": {"9"}}, read(429, "slow down")); !errors.As(err, &later) || later.After != 9*time.Second {
		t.Errorf("too much, by a gateway: %v", err)
	}
	if err := failed(http.StatusTooManyRequests, http.Header{}, read(429, `{"parameters":{"retry_after":99999999}}`)); !errors.As(err, &later) || later.After > 5*time.Minute {
		t.Errorf("too much, for years: %v", err)
	}
	for code, description := range map[string]string{
		codeBlocked: "Forbidden: bot was blocked by the user", codeTooLong: "Bad Request: message is too long", "400": "Bad Request: new",
	} {
		var refused *provider.RefusedError
		status := http.StatusBadRequest
		a := read(status, `{"ok":false,"error_code":400,"description":"`+description+`"}`)
		if err := failed(status, http.Header{}, a); !errors.As(err, &refused) || refused.Code != code || refused.Reason == "" || refused.Blocked {
			t.Errorf("%s: %v", description, err)
		}
	}
	for _, status := range []int{200, 302, 408, 500, 502} {
		var unknown *provider.UnknownError
		if err := failed(status, http.Header{}, read(status, "<html>")); !errors.As(err, &unknown) {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
}

func read(status int, body string) (a answer) {
	a.read(status, []byte(body))
	return a
}

// TestALittleWebhookTakesLittleMemory: of what takes the fewest octets for the most that is made of it.
func TestALittleWebhookTakesLittleMemory(t *testing.T) {
	const head = `{"update_id":9,"message":{"message_id":7,"from":{"id":1},"chat":{"id":1,"type":"private"},`
	for name, c := range map[string]struct{ before, repeated, after string }{
		"members of nothing":           {`{"update_id":9,`, `"a":{},`, `"b":{}}`},
		"photos of nothing":            {head + `"photo":[`, `{},`, `{}]}}`},
		"photos":                       {head + `"photo":[`, `{"file_id":"a","file_name":"b"},`, `{}]}}`},
		"one of another type":          {head, `"text":7,`, `"text":7}}`},
		"one text of escapes":          {head + `"text":"`, `\n`, `"}}`},
		"one text of halves":           {head + `"text":"`, `\ud800`, `"}}`},
		"one text of what is no UTF-8": {head + `"text":"`, "\xffa", `"}}`},
		"one caption of escapes":       {head + `"caption":"`, `\n`, `"}}`},
		"one name of a file":           {head + `"voice":{"file_name":"`, `\n`, `"}}}`},
		"one name of escapes":          {head + `"`, `\u0061`, `":1}}`},
	} {
		for _, octets := range []int{4 << 10, 40 << 10, 64 << 10, 100 << 10, 150 << 10, 180 << 10, 300 << 10, 3 << 20} {
			body := []byte(c.before + strings.Repeat(c.repeated, octets/len(c.repeated)) + c.after)
			t.Run(fmt.Sprintf("%s/%d", name, octets), func(t *testing.T) {
				fuzztest.Bounded(t, len(body), 64<<10, func() { _, _ = parse(body) })
			})
		}
	}
}

func FuzzUpdate(f *testing.F) {
	f.Add(encoded(f, models.Update{ID: 9, Message: from(func(*models.Message) {})}))
	f.Add([]byte(`{"update_id":9,"message":{"message_id":0,"from":{"id":1},"chat":{"id":1},"caption":"\u0000"}}`))
	f.Add([]byte(`{"update_id":9,"message":{"message_id":7.5,"from":[],"chat":{"id":1e400,"type":7},"text":{}}}`))
	f.Add([]byte(`{"update_id":null}`))
	f.Add([]byte("\xff{"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var d provider.Delivery
		var err error
		fuzztest.Bounded(t, len(body), 64<<10, func() { d, err = parse(body) })
		if err != nil && len(d.Messages)+d.Unreadable != 0 || len(d.Messages) > 1 {
			t.Errorf("%v, and yet %+v", err, d)
		}
		for _, m := range d.Messages {
			if m.ID == "" || len(m.ID) > 64 || m.Body == "" || strings.ContainsRune(m.Body, 0) || len([]rune(m.Body)) > provider.MaxText {
				t.Errorf("let through: %+v", m)
			}
			if len(m.From) != 1 || !isID(m.From[0].Value) {
				t.Errorf("let through: %+v", m.From)
			}
		}
	})
}

func isID(value string) bool {
	return value != "" && len(value) < 20 && strings.Trim(value, "0123456789") == "" && value[0] != '0'
}
