package meta

import (
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

// The vector that GitHub publishes for the same algorithm.
func TestTheSignatureIsOfTheRawBody(t *testing.T) {
	const secret, body, signature = "It's a Secret to Everybody", "Hello, World!", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if !Signed(secret, []byte(body), signature) || standin.Sign(secret, []byte(body)) != signature {
		t.Error("the published signature is not taken")
	}
	for what, taken := range map[string]bool{
		"another secret":        Signed("another", []byte(body), signature),
		"another body":          Signed(secret, []byte(body+" "), signature),
		"no scheme":             Signed(secret, []byte(body), strings.TrimPrefix(signature, "sha256=")),
		"SHA-1":                 Signed(secret, []byte(body), "sha1="+strings.TrimPrefix(signature, "sha256=")),
		"its first half":        Signed(secret, []byte(body), signature[:40]),
		"no hexadecimal digits": Signed(secret, []byte(body), "sha256=zz"),
		"none":                  Signed(secret, []byte(body), ""),
		"an empty secret":       Signed("", []byte(body), standin.Sign("", []byte(body))),
	} {
		if taken {
			t.Errorf("%s is taken", what)
		}
	}
	// As Meta writes it: the same JSON in other bytes bears another signature.
	escaped := standin.Escape([]byte(`{"a":"é/🗝"}`))
	if string(escaped) != `{"a":"\u00e9\/\ud83d\udddd"}` || !Signed(secret, escaped, standin.Sign(secret, escaped)) || Signed(secret, []byte(`{"a":"é/🗝"}`), standin.Sign(secret, escaped)) {
		t.Errorf("escaped as %s", escaped)
	}
}

func FuzzSigned(f *testing.F) {
	f.Add([]byte("Hello, World!"), "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	f.Add([]byte(""), "sha256=")
	f.Fuzz(func(t *testing.T, body []byte, signature string) {
		if Signed("a secret that nobody knows", body, signature) || Signed("", body, standin.Sign("", body)) {
			t.Error("a stranger signed")
		}
	})
}
