package openid

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// Flow is one attempt to sign in. The browser that began it keeps its secret; whoever comes back without that did not begin it.
type Flow struct{ secret [32]byte }

// NewFlow begins one.
func NewFlow() Flow {
	var f Flow
	rand.Read(f.secret[:]) // never fails: crypto/rand ends the program instead
	return f
}

// FlowOf gives the flow of a secret; false when it is none.
func FlowOf(secret []byte) (Flow, bool) {
	var f Flow
	return f, copy(f.secret[:], secret) == len(f.secret) && len(secret) == len(f.secret)
}

// Secret is what the browser keeps.
func (f Flow) Secret() []byte { return f.secret[:] }

// What the provider is shown tells nothing of the secret, nor one value of another: state binds the answer to the browser (RFC 6749,
// section 10.12), nonce the ID token to the attempt (OpenID Connect Core 1.0, section 3.1.2.1), and the verifier the code to whoever
// asked for it (RFC 7636).
func (f Flow) state() string    { return f.derive("state") }
func (f Flow) nonce() string    { return f.derive("nonce") }
func (f Flow) verifier() string { return f.derive("verifier") }

func (f Flow) derive(what string) string {
	mac := hmac.New(sha256.New, f.secret[:])
	mac.Write([]byte("switchboard/sign-in/v1/" + what))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
