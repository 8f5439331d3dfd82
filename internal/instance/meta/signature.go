// Package meta speaks what the products of Meta have in common: an address that is verified,
// signed webhooks, and the Graph API.
package meta

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// SignatureHeader carries the signature of a webhook: sha256= and hexadecimal digits.
const SignatureHeader = "X-Hub-Signature-256"

// Signed says whether a webhook's body, as it was received byte by byte, was signed with
// the app's secret. Meta escapes characters before it signs: the same JSON written in
// another way bears another signature.
func Signed(secret string, body []byte, signature string) bool {
	digits, ok := strings.CutPrefix(signature, "sha256=")
	given, err := hex.DecodeString(digits)
	if !ok || err != nil || secret == "" {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(mac.Sum(nil), given)
}
