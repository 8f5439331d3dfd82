// Package twilio speaks Twilio's protocols: signed webhooks and the Messages
// resource of its REST API.
package twilio

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio signs with HMAC-SHA1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// SignatureHeader carries the signature of a webhook.
const SignatureHeader = "X-Twilio-Signature"

// Webhook is a request as it was received, before anything is believed of it.
type Webhook struct {
	URL       string     // origin and request URI exactly as Twilio called them
	Form      url.Values // all parameters of the body
	Body      []byte
	Signature string
}

// Signed says whether the webhook was signed with the account's auth token, as
// https://www.twilio.com/docs/usage/security#validating-requests says: base64 of
// HMAC-SHA1 over the URL and every parameter received, sorted. The URL is tried
// with and without its port, for Twilio is not consistent about it. When its
// query has bodySHA256, that covers the body in place of the parameters.
//
// twilio-go's validator is not used for it needs a mock library at run time; it
// is the judge of this one in the tests.
func (w Webhook) Signed(authToken string) bool {
	if authToken == "" || w.Signature == "" {
		return false
	}
	parsed, err := url.Parse(w.URL)
	if err != nil {
		return false
	}
	if digest := parsed.Query().Get("bodySHA256"); digest != "" {
		sum := sha256.Sum256(w.Body)
		return hmac.Equal([]byte(hex.EncodeToString(sum[:])), []byte(digest)) && w.matches(authToken, parsed, "")
	}
	if w.matches(authToken, parsed, allValues(w.Form)) {
		return true
	}
	return repeats(w.Form) && w.matches(authToken, parsed, firstValues(w.Form))
}

func (w Webhook) matches(authToken string, parsed *url.URL, parameters string) bool {
	matched := false
	for _, u := range []string{w.URL, otherPort(w.URL, parsed)} {
		mac := hmac.New(sha1.New, []byte(authToken))
		mac.Write([]byte(u))
		mac.Write([]byte(parameters))
		want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		matched = hmac.Equal([]byte(want), []byte(w.Signature)) || matched
	}
	return matched
}

// otherPort writes the URL without its port, or with the default one of its scheme.
func otherPort(raw string, parsed *url.URL) string {
	if port := parsed.Port(); port != "" {
		return strings.Replace(raw, parsed.Host, strings.TrimSuffix(parsed.Host, ":"+port), 1)
	}
	port := ":80"
	if parsed.Scheme == "https" {
		port = ":443"
	}
	return strings.Replace(raw, parsed.Host, parsed.Host+port, 1)
}

// allValues takes every distinct value of a repeated parameter, sorted, as
// Twilio's libraries for Python, Node.js and Java do.
func allValues(form url.Values) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(form)) {
		values := form[k]
		if len(values) > 1 {
			values = slices.Compact(slices.Sorted(slices.Values(values)))
		}
		for _, v := range values {
			b.WriteString(k)
			b.WriteString(v)
		}
	}
	return b.String()
}

// firstValues takes the first value of a repeated parameter, as twilio-go does.
// Nothing here reads any other value.
func firstValues(form url.Values) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(form)) {
		b.WriteString(k)
		b.WriteString(form.Get(k))
	}
	return b.String()
}

func repeats(form url.Values) bool {
	for _, values := range form {
		if len(values) > 1 {
			return true
		}
	}
	return false
}
