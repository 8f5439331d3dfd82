package twilio

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"

	judge "github.com/twilio/twilio-go/client"

	"github.com/switchboard-operator/switchboard/internal/fuzztest"
)

// Vectors of twilio-go's request_validator_test.go.
func TestSignaturesThatTwilioPublishes(t *testing.T) {
	const token = "12345"
	form := url.Values{
		"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"}, "From": {"+14158675309"}, "To": {"+18005551212"},
	}
	body := []byte(`{"property": "value", "boolean": true}`)
	const digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
	for name, c := range map[string]struct {
		webhook Webhook
		want    bool
	}{
		"https":                               {Webhook{URL: "https://mycompany.com/myapp.php?foo=1&bar=2", Form: form, Signature: "RSOYDt4T1cUTdK1PDd93/VVr8B8="}, true},
		"https, signed with the port":         {Webhook{URL: "https://mycompany.com/myapp.php?foo=1&bar=2", Form: form, Signature: "kvajT1Ptam85bY51eRf/AJRuM3w="}, true},
		"https with the port":                 {Webhook{URL: "https://mycompany.com:443/myapp.php?foo=1&bar=2", Form: form, Signature: "kvajT1Ptam85bY51eRf/AJRuM3w="}, true},
		"https with the port, signed without": {Webhook{URL: "https://mycompany.com:443/myapp.php?foo=1&bar=2", Form: form, Signature: "RSOYDt4T1cUTdK1PDd93/VVr8B8="}, true},
		"http, signed with the port":          {Webhook{URL: "http://mycompany.com/myapp.php?foo=1&bar=2", Form: form, Signature: "0ZXoZLH/DfblKGATFgpif+LLRf4="}, true},
		"http with the port":                  {Webhook{URL: "http://mycompany.com:80/myapp.php?foo=1&bar=2", Form: form, Signature: "0ZXoZLH/DfblKGATFgpif+LLRf4="}, true},
		"http with a port of its own":         {Webhook{URL: "http://mycompany.com:1234/myapp.php?foo=1&bar=2", Form: form, Signature: "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="}, true},
		"a body by its digest":                {Webhook{URL: "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=" + digest, Body: body, Signature: "a9nBmqA0ju/hNViExpshrM61xv4="}, true},
		"a body by its digest, form or not":   {Webhook{URL: "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=" + digest, Body: body, Form: form, Signature: "a9nBmqA0ju/hNViExpshrM61xv4="}, true},
		"another body":                        {Webhook{URL: "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=" + digest, Body: append(body, ' '), Signature: "a9nBmqA0ju/hNViExpshrM61xv4="}, false},
		"another scheme":                      {Webhook{URL: "http://mycompany.com/myapp.php?foo=1&bar=2", Form: form, Signature: "RSOYDt4T1cUTdK1PDd93/VVr8B8="}, false},
		"another query":                       {Webhook{URL: "https://mycompany.com/myapp.php?foo=1&bar=3", Form: form, Signature: "RSOYDt4T1cUTdK1PDd93/VVr8B8="}, false},
		"another port":                        {Webhook{URL: "http://mycompany.com:1235/myapp.php?foo=1&bar=2", Form: form, Signature: "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="}, false},
		"no signature":                        {Webhook{URL: "https://mycompany.com/myapp.php?foo=1&bar=2", Form: form}, false},
		"the signature's first half":          {Webhook{URL: "https://mycompany.com/myapp.php?foo=1&bar=2", Form: form, Signature: "RSOYDt4T1cUTdK"}, false},
	} {
		if got := c.webhook.Signed(token); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
		if c.webhook.Signed("12346") {
			t.Errorf("%s: taken with another token", name)
		}
	}
	empty := Webhook{URL: "https://a.example/", Form: form, Signature: hmacOf("", "https://a.example/"+allValues(form))}
	if empty.Signed("") {
		t.Error("an empty token signs")
	}
}

func hmacOf(token, text string) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// TestTwilioGoAgrees compares with twilio-go's validator over random webhooks,
// right ones and tampered ones.
func TestTwilioGoAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	taken := 0
	for range 5000 {
		target := pick("https://", "http://") + pick("hotel.example", "a.b.example", "127.0.0.1") + pick("", "", ":443", ":80", ":8443") +
			pick("/webhooks/front-desk/twilio/inbound", "/x", "/%20y/é") + pick("", "?m=1&t=2", "?a=%2B1&a=2")
		form := url.Values{}
		for range r.IntN(8) {
			form.Set(pick("Body", "From", "To", "body", "MessageSid", "Ärger", "A&B", "x=y"), pick("", "Hallo ☕", "+49 30", "a=b&c", "100%", "\n", strings.Repeat("z", 40)))
		}
		token := pick("12345", "another")
		signature := hmacOf("12345", target+allValues(form))
		if r.IntN(3) == 0 {
			form.Set("Body", "changed")
		}
		if r.IntN(5) == 0 {
			target += "&z"
		}
		body := []byte(form.Encode())
		validator := judge.NewRequestValidator(token)
		want := validator.ValidateBody(target, body, signature)
		if got := (Webhook{URL: target, Form: form, Body: body, Signature: signature}).Signed(token); got != want {
			t.Fatalf("%s with %v under %s: %t, twilio-go says %t", target, form, token, got, want)
		}
		if want {
			taken++
		}
	}
	if taken < 500 {
		t.Errorf("only %d of the webhooks were right ones", taken)
	}
}

// Twilio's libraries differ about repeated parameters; whoever signed, it is taken,
// and a value added by someone else is not.
func TestRepeatedParameters(t *testing.T) {
	const token, target = "12345", "https://hotel.example/"
	form := url.Values{"MediaUrl": {"b", "a", "b"}, "Body": {"x"}}
	body := []byte("MediaUrl=b&MediaUrl=a&MediaUrl=b&Body=x")
	asGo := hmacOf(token, target+"BodyxMediaUrlb")
	asPython := hmacOf(token, target+"BodyxMediaUrlaMediaUrlb")
	validator := judge.NewRequestValidator(token)
	if !validator.ValidateBody(target, body, asGo) {
		t.Fatal("twilio-go reads repeated parameters in another way than this test assumes")
	}
	for name, signature := range map[string]string{"as twilio-go does": asGo, "as twilio-python does": asPython} {
		if !(Webhook{URL: target, Form: form, Signature: signature}).Signed(token) {
			t.Errorf("signed %s: not taken", name)
		}
	}
	changed := url.Values{"MediaUrl": {"evil", "b", "a"}, "Body": {"x"}}
	for _, signature := range []string{asGo, asPython} {
		if (Webhook{URL: target, Form: changed, Signature: signature}).Signed(token) {
			t.Error("a first value put in front is taken")
		}
	}
}

// TestALittleWebhookTakesLittleMemory: of what takes the fewest octets for the most that is made of it.
func TestALittleWebhookTakesLittleMemory(t *testing.T) {
	const form, object = "application/x-www-form-urlencoded", "application/json"
	for name, c := range map[string]struct{ kind, before, repeated, after string }{
		"one parameter many times": {form, ``, `a=b&`, `a=b`},
		"a value of escapes":       {form, `a=`, `%0A`, `b`},
		"a value of blanks":        {form, `a=`, `+`, `b`},
		"one member many times":    {object, `{`, `"ab":"c",`, `"a":"d"}`},
		"one of another type":      {object, `{`, `"ab":1,`, `"a":"d"}`},
		"lists of nothing":         {object, `{"a":[`, `[],`, `[]]}`},
		"a string of escapes":      {object, `{"a":"`, `\n`, `"}`},
		"a string of halves":       {object, `{"a":"`, `\ud800`, `"}`},
	} {
		for _, octets := range []int{500, 2000, 4 << 10, 16 << 10, maxWebhook} {
			body := []byte(c.before + strings.Repeat(c.repeated, octets/len(c.repeated)) + c.after)
			t.Run(fmt.Sprintf("%s/%d", name, octets), func(t *testing.T) {
				fuzztest.Bounded(t, len(body), room, func() {
					if form, err := ParseParameters(c.kind, body); err == nil {
						_, _ = ParseInbound(form)
						_, _ = ParseStatus(form)
					}
				})
			})
		}
	}
	var parameters url.Values = map[string][]string{}
	for i := range maxParameters {
		parameters.Set(strconv.Itoa(i), "x")
	}
	body := []byte(parameters.Encode())
	fuzztest.Bounded(t, len(body), room, func() { _, _ = ParseParameters(form, body) })
}

// room is what reading a webhook may take besides, in octets: for as many parameters as may be.
const room = 192 << 10

func FuzzWebhook(f *testing.F) {
	f.Add("https://hotel.example/x?bodySHA256=00", []byte("a=b&a=c"), "application/x-www-form-urlencoded", "c2ln")
	f.Add("://", []byte("{\"a\":1}"), "application/json; charset=utf-8", "")
	f.Add("https://[::1]:443/%zz", []byte("%"), ";", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
	f.Fuzz(func(t *testing.T, target string, body []byte, contentType, signature string) {
		var form url.Values
		var in Inbound
		var err, refused error
		fuzztest.Bounded(t, len(body)+len(contentType), room, func() {
			if form, err = ParseParameters(contentType, body); err == nil {
				in, refused = ParseInbound(form)
				_, _ = ParseStatus(form)
			}
		})
		if err != nil {
			return
		}
		if (Webhook{URL: target, Form: form, Body: body, Signature: signature}).Signed("a token that nobody knows") {
			t.Errorf("forged: %s %q %s", target, body, signature)
		}
		if refused == nil && strings.ContainsRune(in.Body, 0) {
			t.Error("a NUL went through")
		}
	})
}
