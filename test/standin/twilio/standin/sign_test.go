package standin

import (
	"net/url"
	"testing"

	"github.com/twilio/twilio-go/client"
)

// The example of twilio-go's own request_validator_test.go.
func TestSignaturesAreTwilios(t *testing.T) {
	target := "https://mycompany.com/myapp.php?foo=1&bar=2"
	form := url.Values{
		"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "From": {"+14158675309"},
		"Digits": {"1234"}, "To": {"+18005551212"},
	}
	signature, err := Sign("12345", target, form)
	if err != nil || signature != "RSOYDt4T1cUTdK1PDd93/VVr8B8=" {
		t.Errorf("signed %q, %v", signature, err)
	}
	judge := client.NewRequestValidator("12345")
	if !judge.ValidateBody(target, []byte(form.Encode()), signature) {
		t.Error("twilio-go refuses the signature")
	}
	form.Set("Digits", "1235")
	if judge.ValidateBody(target, []byte(form.Encode()), signature) {
		t.Error("twilio-go takes the signature for another form")
	}
}
