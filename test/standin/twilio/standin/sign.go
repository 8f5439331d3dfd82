package standin

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"

	twilio "github.com/twilio/twilio-go/client"
)

// Sign gives the X-Twilio-Signature of a form posted to target. twilio-go's
// validator, which has no part in making it, must take it.
func Sign(authToken, target string, form url.Values) (string, error) {
	mac := hmac.New(sha1.New, []byte(authToken))
	mac.Write([]byte(target))
	for _, k := range slices.Sorted(maps.Keys(form)) {
		for _, v := range slices.Compact(slices.Sorted(slices.Values(form[k]))) {
			mac.Write([]byte(k + v))
		}
	}
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	judge := twilio.NewRequestValidator(authToken)
	if !judge.ValidateBody(target, []byte(form.Encode()), signature) {
		return "", errors.New("signing a webhook: twilio-go's validator refuses the signature")
	}
	return signature, nil
}
