package standin

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
)

// Sign gives the header X-Hub-Signature-256 of a body.
func Sign(appSecret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Escape writes JSON as Meta does before it signs: every character beyond ASCII as \uXXXX,
// and slashes with a backslash.
func Escape(document []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(document) {
		switch {
		case r == '/':
			b.WriteString(`\/`)
		case r < 0x80:
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// NewID makes an id of a message.
func NewID() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return "wamid." + base64.StdEncoding.EncodeToString(b)
}

// Object is a JSON object.
type Object = map[string]any

// Text is a guest's text message, as an entry of messages.
func Text(id, from, body string) Object {
	return Object{"from": from, "id": id, "timestamp": "1764010000", "type": "text", "text": Object{"body": body}}
}

// Value is what changed for a number: messages of guests, and statuses.
func (n Number) Value(messages, statuses []Object) Object {
	v := Object{"messaging_product": "whatsapp", "metadata": Object{"display_phone_number": "493023125177", "phone_number_id": n.PhoneNumberID}}
	if len(messages) > 0 {
		contacts := []Object{}
		for _, m := range messages {
			contacts = append(contacts, Object{"profile": Object{"name": "Zoë"}, "wa_id": m["from"]})
		}
		v["contacts"], v["messages"] = contacts, messages
	}
	if len(statuses) > 0 {
		v["statuses"] = statuses
	}
	return v
}

// Payload is the body of a webhook with changes of field messages.
func (n Number) Payload(values ...Object) []byte {
	changes := []Object{}
	for _, v := range values {
		changes = append(changes, Object{"field": "messages", "value": v})
	}
	document, err := json.Marshal(Object{"object": "whatsapp_business_account", "entry": []Object{{"id": n.BusinessAccountID, "changes": changes}}})
	if err != nil {
		panic(err) // strings and maps: cannot happen
	}
	return Escape(document)
}

// statusOf is an entry of statuses.
func statusOf(m Message, status string, at int64, code int) Object {
	s := Object{"id": m.ID, "status": status, "timestamp": strconv.FormatInt(at, 10), "recipient_id": m.To}
	if m.Callback != "" {
		s["biz_opaque_callback_data"] = m.Callback
	}
	if status == "failed" {
		s["errors"] = []Object{{"code": code, "title": "a failure set by the test"}}
	}
	return s
}
