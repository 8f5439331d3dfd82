// Package twilio speaks Twilio's Programmable Messaging: it checks and reads the
// webhooks, and sends and looks up messages by the REST API.
// https://www.twilio.com/docs/usage/security, …/messaging/guides/webhook-request.
package twilio

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio signs with HMAC-SHA1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/url"
	"slices"
	"strings"
)

// SignatureHeader bears a webhook's signature.
const SignatureHeader = "X-Twilio-Signature"

// Genuine says whether signature is Twilio's for a form posted to target, the URL
// as Twilio called it. Twilio signs the URL now with, now without the default
// port; both count.
func Genuine(authToken, target string, form url.Values, signature string) bool {
	return genuine(authToken, target, signed(form), signature)
}

// GenuineBody is Genuine for a body that is no form: the URL bears its SHA-256.
func GenuineBody(authToken, target string, body []byte, signature string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(body)
	if !hmac.Equal([]byte(hex.EncodeToString(sum[:])), []byte(u.Query().Get("bodySHA256"))) {
		return false
	}
	return genuine(authToken, target, "", signature)
}

func genuine(authToken, target, params, signature string) bool {
	match := false
	for _, candidate := range spellings(target) {
		mac := hmac.New(sha1.New, []byte(authToken))
		mac.Write([]byte(candidate + params))
		want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		match = hmac.Equal([]byte(want), []byte(signature)) || match
	}
	return match && authToken != ""
}

// signed joins the parameters as they are signed: sorted by key, each key before
// each of its values; a value sent twice counts once, as in Twilio's own libraries.
func signed(form url.Values) string {
	keys := make([]string, 0, len(form))
	for k := range form {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		values := slices.Clone(form[k])
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			b.WriteString(k)
			b.WriteString(v)
		}
	}
	return b.String()
}

// spellings are a URL as it is, and with the scheme's default port added or removed.
func spellings(target string) []string {
	scheme, rest, found := strings.Cut(target, "://")
	if !found {
		return []string{target}
	}
	port := map[string]string{"https": "443", "http": "80"}[scheme]
	host, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if bare, ok := strings.CutSuffix(host, ":"+port); ok {
		return []string{target, scheme + "://" + bare + path}
	}
	if _, _, err := net.SplitHostPort(host); err != nil && port != "" {
		return []string{target, scheme + "://" + host + ":" + port + path}
	}
	return []string{target}
}
