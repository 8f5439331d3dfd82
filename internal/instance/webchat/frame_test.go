package webchat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/switchboard-operator/switchboard/internal/fuzztest"
)

// TestALittleFrameTakesLittleMemory: of what takes the fewest octets for the most that is made of it.
func TestALittleFrameTakesLittleMemory(t *testing.T) {
	for name, c := range map[string]struct{ before, repeated, after string }{
		"members that there are not":   {`{"type":"end",`, `"a":1,`, `"a":1}`},
		"one that is there many times": {`{`, `"type":"ab",`, `"a":1}`},
		"one of another type":          {`{"type":"end",`, `"text":1,`, `"a":1}`},
		"lists of nothing":             {`{"type":"end","x":[`, `[],`, `[]]}`},
		"a text of escapes":            {`{"type":"message","id":"a","text":"`, `\n`, `x"}`},
		"a text of halves":             {`{"type":"message","id":"a","text":"`, `\ud800`, `x"}`},
		"a name of escapes":            {`{"`, `\u0061`, `":1}`},
	} {
		for _, octets := range []int{1 << 10, 4 << 10, 16 << 10, 192 << 10} {
			frame := []byte(c.before + strings.Repeat(c.repeated, octets/len(c.repeated)) + c.after)
			t.Run(fmt.Sprintf("%s/%d", name, octets), func(t *testing.T) {
				fuzztest.Bounded(t, len(frame), 4<<10, func() { _, _ = parse(frame, 16_000) })
			})
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","token":"` + strings.Repeat("A", 43) + `","cursor":"0.17"}`, `{"type":"message","id":"a-1","text":"Grüße 🗝"}`, `{"type":"typing"}`,
		`{"type":"receipt","status":"read","cursor":"0.3"}`, `{"type":"end"}`, `{"type":"message","id":"a","text":"\u0000\ud800"}`, `[]`, `{"type":1}`, "{\"type\":\"\xff\"}", `{"Type":"end"}`,
	} {
		f.Add([]byte(seed))
	}
	const most = 10
	f.Fuzz(func(t *testing.T, data []byte) {
		var got frame
		var err error
		fuzztest.Bounded(t, len(data), 4<<10, func() { got, err = parse(data, most) })
		var refused *frameError
		switch {
		case err == nil:
		case errors.As(err, &refused):
			// What is repeated of it is an id of ours to read.
			if refused.id != "" && (len(refused.id) > maxClientID || !clientID.MatchString(refused.id)) {
				t.Errorf("it repeats %q", refused.id)
			}
			return
		case errors.Is(err, errMalformed):
			return
		default:
			t.Fatalf("it fails with %v", err)
		}
		switch got.Type {
		case typeMessage:
			if n := utf8.RuneCountInString(got.Text); n < 1 || n > most || !utf8.ValidString(got.Text) || !clientID.MatchString(got.ID) || len(got.ID) > maxClientID {
				t.Errorf("took %+v", got)
			}
		case typeHello:
			if len(got.Token) > maxToken || len(got.Cursor) > maxCursor {
				t.Errorf("took %+v", got)
			}
		case typeReceipt:
			if got.Status != statusDelivered && got.Status != statusRead {
				t.Errorf("took %+v", got)
			}
		case typeTyping, typeEnd:
		default:
			t.Errorf("took a frame of type %q", got.Type)
		}
		// It reads the same once more.
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := parse(again, most); err != nil || second != got {
			t.Errorf("%+v became %+v, %v", got, second, err)
		}
	})
}

func FuzzCursor(f *testing.F) {
	for _, c := range []string{"", "0.0", "1.17", "1.-1", "+1.+1", "1.9223372036854775808", "1.1.1", "1"} {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, c string) {
		place, ok := placeOf(1, c)
		if ok && (place < 0 || !strings.HasPrefix(strings.TrimLeft(c, "+0"), "1.")) {
			t.Errorf("%q is taken for place %d", c, place)
		}
		if ok {
			if back, is := placeOf(1, cursor(1, place)); !is || back != place {
				t.Errorf("place %d became %d", place, back)
			}
		}
	})
}

// TestASignatureIsThatOfTheReferences holds vouched to a value that openssl gives:
// printf guest-4711 | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
func TestASignatureIsThatOfTheReferences(t *testing.T) {
	const signature = "2e728d99b778aae8d48e56d96ee675bf24e2fdac371ddf096721aa210dfefb0b"
	secret := []byte("0123456789abcdef0123456789abcdef")
	if !vouched(secret, "guest-4711", signature) || !vouched(secret, "guest-4711", strings.ToUpper(signature)) {
		t.Error("it is not taken")
	}
	if vouched(secret, "guest-4712", signature) || vouched(secret[1:], "guest-4711", signature) || vouched(secret, "guest-4711", signature[2:]) || vouched(secret, "guest-4711", "") {
		t.Error("another is taken")
	}
}
