package whatsapp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// outgoing is a request to send a text.
type outgoing struct {
	Product   string `json:"messaging_product"`
	Recipient string `json:"recipient_type"`
	To        string `json:"to"`
	Type      string `json:"type"`
	Text      text   `json:"text"`
	Callback  string `json:"biz_opaque_callback_data"`
}

type text struct {
	Body       string `json:"body"`
	PreviewURL bool   `json:"preview_url"` // false: nobody fetches what a link in it names
}

// answer is what the Graph API says.
type answer struct {
	Messages []struct {
		ID string `json:"id"`
	} `json:"messages"`
	Error *struct {
		Code int `json:"code"`
	} `json:"error"`
}

// Send gives a text to WhatsApp. It can't be asked what it was given, so an outcome that
// is unknown stays so until a status names the message.
func (p *Provider) Send(ctx context.Context, out provider.Outgoing) (provider.Sent, error) {
	body, err := json.Marshal(outgoing{"whatsapp", "individual", out.To, "text", text{Body: out.Body}, callback(out.Key)})
	if err != nil {
		return provider.Sent{}, &provider.NotSentError{Cause: fmt.Errorf("making the request: %w", err)}
	}
	token, err := p.site.Credential(contract.FileAccessToken)
	if err != nil {
		return provider.Sent{}, &provider.NotSentError{Cause: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.messages(), bytes.NewReader(body))
	if err != nil {
		return provider.Sent{}, &provider.NotSentError{Cause: fmt.Errorf("making the request: %w", err)}
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	status, header, got, err := provider.Attempt(p.http, request)
	if err != nil {
		return provider.Sent{}, err
	}
	var a answer
	if err := json.Unmarshal(got, &a); err != nil {
		a = answer{}
	}
	if a.Error != nil || status >= http.StatusBadRequest {
		return provider.Sent{}, failed(status, header, a)
	}
	if status != http.StatusOK || len(a.Messages) != 1 || !isID(a.Messages[0].ID) {
		return provider.Sent{}, &provider.UnknownError{Cause: fmt.Errorf("WhatsApp answered HTTP %d without a message", status)}
	}
	return provider.Sent{ID: a.Messages[0].ID}, nil
}

func (p *Provider) messages() string {
	return strings.TrimSuffix(p.channel.APIBaseURL, "/") + "/" + p.channel.APIVersion + "/" + url.PathEscape(p.channel.PhoneNumberID) + "/messages"
}

// failed says what an answer that is no success means.
func failed(status int, header http.Header, a answer) error {
	code := 0
	if a.Error != nil {
		code = a.Error.Code
	}
	switch {
	case status == http.StatusTooManyRequests || busy[code]:
		return &provider.NotSentError{After: provider.RetryAfter(header), Cause: fmt.Errorf("WhatsApp asks to be asked later (HTTP %d, code %d)", status, code)}
	case status == http.StatusUnauthorized || status == http.StatusNotFound || misconfigured[code]:
		// A mistake of configuration, not of this message: it waits until that is mended.
		return &provider.NotSentError{Cause: fmt.Errorf("WhatsApp does not accept the channel's access token and phone number ID (HTTP %d, code %d); "+
			"correct the Channel or its Secret", status, code)}
	case status >= 500 || status == http.StatusRequestTimeout || status < http.StatusBadRequest:
		return &provider.UnknownError{Cause: fmt.Errorf("WhatsApp answered HTTP %d", status)}
	case code == 0:
		return &provider.RefusedError{Code: fmt.Sprintf("http-%d", status), Reason: "WhatsApp gave no code"}
	}
	return &provider.RefusedError{Code: ourCode(code), Reason: reasonOf(code)}
}
