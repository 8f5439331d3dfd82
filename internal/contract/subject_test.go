package contract_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

func TestCheckSubject(t *testing.T) {
	for _, c := range []struct {
		sentence string
		data     map[string]string
		says     string // empty when it is taken
	}{
		{"a phone number", map[string]string{"phone": "+493023125177\n"}, ""},
		{"every kind, with blank lines", map[string]string{
			"phone": "+493023125177\n\n+493023125178", "whatsapp": "493023125177", "messenger": "1234", "telegram": "@guest", "email": "guest@example.com",
		}, ""},
		{"nothing", nil, "there is no address"},
		{"blank lines alone", map[string]string{"phone": "\n \n"}, "there is no address"},
		{"a corrected name alone", map[string]string{"newName": "A"}, "there is no address"},
		{"a national number", map[string]string{"phone": "030 23125177"}, "key phone, line 1"},
		{"a second line that is none", map[string]string{"email": "guest@example.com\nguest"}, "key email, line 2"},
		{"the Secret of a channel", map[string]string{"authToken": "t"}, `key "authToken" is none of`},
		{"the first staff account", map[string]string{"email": "staff@example.com", "password": "p"}, `key "password" is none of`},
		{"more than a person has", map[string]string{"telegram": "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq"}, "more than 16 addresses"},
		{"eight numbers, each by both names", map[string]string{"phone": eight("+"), "whatsapp": eight("")}, ""},
		{"a key that is too long", map[string]string{"telegram": strings.Repeat("\n", 9000)}, "9000 bytes"},
	} {
		t.Run(c.sentence, func(t *testing.T) { refused(t, contract.CheckSubject(bytesOf(c.data)), c.data, c.says) })
	}
}

func eight(plus string) string {
	var lines []string
	for i := range 8 {
		lines = append(lines, fmt.Sprintf("%s49302312517%d", plus, i))
	}
	return strings.Join(lines, "\n")
}

func TestCheckRectification(t *testing.T) {
	for _, c := range []struct {
		sentence string
		data     map[string]string
		says     string
	}{
		{"a name", map[string]string{"phone": "+493023125177", "newName": "A"}, ""},
		{"a number", map[string]string{"phone": "+493023125177", "newPhone": "+493023125178\n"}, ""},
		{"neither", map[string]string{"phone": "+493023125177"}, "what to put right"},
		{"a number that is none", map[string]string{"phone": "+493023125177", "newPhone": "178"}, "no phone number"},
		{"nobody", map[string]string{"newName": "A"}, "there is no address"},
	} {
		t.Run(c.sentence, func(t *testing.T) { refused(t, contract.CheckRectification(bytesOf(c.data)), c.data, c.says) })
	}
}

// refused holds an error to what it says, and to saying nothing of what it is about.
func refused(t *testing.T, err error, data map[string]string, says string) {
	t.Helper()
	switch {
	case says == "" && err != nil:
		t.Errorf("refused: %v", err)
	case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
		t.Errorf("err = %v, want %q", err, says)
	}
	for _, value := range data {
		if value = strings.TrimSpace(value); err != nil && len(value) > 5 && strings.Contains(err.Error(), value) {
			t.Errorf("the error tells the address: %v", err)
		}
	}
}

func bytesOf(data map[string]string) map[string][]byte {
	raw := map[string][]byte{}
	for key, value := range data {
		raw[key] = []byte(value)
	}
	return raw
}
