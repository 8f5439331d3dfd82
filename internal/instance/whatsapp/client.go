package whatsapp

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// outgoing is a request to send a message: one of its last but one members is set, as type says.
type outgoing struct {
	Product   string `json:"messaging_product"`
	Recipient string `json:"recipient_type"`
	To        string `json:"to"`
	Type      string `json:"type"`
	Callback  string `json:"biz_opaque_callback_data"`

	Text     *text     `json:"text,omitempty"`
	Image    *file     `json:"image,omitempty"`
	Video    *file     `json:"video,omitempty"`
	Audio    *file     `json:"audio,omitempty"`
	Document *file     `json:"document,omitempty"`
	Template *template `json:"template,omitempty"`
}

type text struct {
	Body       string `json:"body"`
	PreviewURL bool   `json:"preview_url"` // false: nobody fetches what a link in it names
}

// Send gives a message to WhatsApp. It can't be asked what it was given, so an outcome that
// is unknown stays so until a status names the message.
func (p *Provider) Send(ctx context.Context, out provider.Outgoing) (provider.Sent, error) {
	request := outgoing{Product: "whatsapp", Recipient: "individual", To: out.To, Callback: meta.Callback(out.Key)}
	switch {
	case out.Template != nil:
		request.Type, request.Template = "template", templateOf(*out.Template)
	case len(out.Files) > 0: // one, as the staff API sees to
		put, err := p.upload(ctx, out.Files[0], out.Body)
		if err != nil {
			return provider.Sent{}, err
		}
		put(&request)
	default:
		request.Type, request.Text = "text", &text{Body: out.Body}
	}
	a, err := p.graph.Post(ctx, p.channel.PhoneNumberID+"/messages", request)
	if err != nil {
		return provider.Sent{}, err
	}
	if a.Error != nil || a.Status >= 400 {
		return provider.Sent{}, failed(a)
	}
	var taken struct {
		Messages []struct {
			ID string `json:"id"`
		} `json:"messages"`
	}
	if err := json.Unmarshal(a.Body, &taken); err != nil || !a.OK() || len(taken.Messages) != 1 || !isID(taken.Messages[0].ID) {
		return provider.Sent{}, &provider.UnknownError{Cause: errors.New("WhatsApp answered without a message")}
	}
	return provider.Sent{ID: taken.Messages[0].ID}, nil
}

// failed says what an answer that is no success means.
func failed(a meta.Answer) error {
	if err := a.Failed("WhatsApp", codes); err != nil {
		return err
	}
	code := a.Code().Code
	return &provider.RefusedError{Code: ourCode(code), Reason: reasonOf(code)}
}
