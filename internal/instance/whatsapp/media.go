package whatsapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// mediaHost is where WhatsApp keeps files beside the Graph API. It asks for the access token too
// (https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media).
const mediaHost = "lookaside.fbsbx.com"

// Fetch opens a file: Meta says for its id where it is, for five minutes.
func (p *Provider) Fetch(ctx context.Context, source string) (io.ReadCloser, error) {
	if !mediaID.MatchString(source) {
		return nil, &provider.MediaError{Reason: media.WrongAddress}
	}
	a, err := p.graph.Get(ctx, source+"?phone_number_id="+p.channel.PhoneNumberID)
	if err != nil {
		return nil, err
	}
	if e := a.Code(); e.Code == codeNoObject || a.Status == http.StatusNotFound { // no such file, or none any more
		return nil, &provider.MediaError{Reason: media.Gone}
	}
	if !a.OK() {
		return nil, fmt.Errorf("asking WhatsApp for a file: HTTP %d, code %d", a.Status, a.Code().Code)
	}
	var at struct {
		URL  string `json:"url"`
		Size int64  `json:"file_size"`
	}
	if err := json.Unmarshal(a.Body, &at); err != nil || at.URL == "" {
		return nil, errors.New("asking WhatsApp for a file: it gave no address")
	}
	if at.Size > media.MaxInbound {
		return nil, &provider.MediaError{Reason: media.TooLarge}
	}
	return p.downloads.Get(ctx, at.URL, func(r *http.Request) error {
		if !p.downloads.IsAPI(r.URL) && !strings.EqualFold(r.URL.Host, mediaHost) {
			return nil
		}
		token, err := p.site.Credential(contract.FileAccessToken)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	})
}

// codeNoObject is the Graph API's for an object that is not there, or that this token may not see.
const codeNoObject = 100

// file is a file of a message.
type file struct {
	ID      string `json:"id"`
	Caption string `json:"caption,omitempty"`
	Name    string `json:"filename,omitempty"`
}

// pictures, sounds and films are what WhatsApp shows as such; all else, and sounds with words, go as documents.
var (
	pictures = map[string]bool{"image/jpeg": true, "image/png": true}
	sounds   = map[string]bool{"audio/aac": true, "audio/amr": true, "audio/mpeg": true, "audio/mp4": true, "audio/ogg": true}
	films    = map[string]bool{"video/mp4": true, "video/3gpp": true}
)

// upload gives WhatsApp a file, by which nobody is written to yet, and says how it goes into a message.
func (p *Provider) upload(ctx context.Context, f provider.File, caption string) (func(*outgoing), error) {
	a, err := p.graph.Upload(ctx, p.channel.PhoneNumberID+"/media", []meta.Field{{Name: "messaging_product", Value: "whatsapp"}, {Name: "type", Value: f.MediaType}}, "file", f)
	if err != nil {
		return nil, &provider.NotSentError{Cause: err}
	}
	if a.Error != nil || a.Status >= http.StatusBadRequest {
		err := failed(a)
		var unknown *provider.UnknownError
		if errors.As(err, &unknown) { // a file that nobody was sent
			err = &provider.NotSentError{Cause: unknown.Cause}
		}
		return nil, err
	}
	var taken struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(a.Body, &taken); err != nil || !mediaID.MatchString(taken.ID) {
		return nil, &provider.NotSentError{Cause: errors.New("WhatsApp took a file and gave no id for it")}
	}
	sent := &file{ID: taken.ID, Caption: caption}
	return func(out *outgoing) {
		switch {
		case pictures[f.MediaType]:
			out.Type, out.Image = "image", sent
		case films[f.MediaType]:
			out.Type, out.Video = "video", sent
		case sounds[f.MediaType] && caption == "":
			out.Type, out.Audio = "audio", sent
		default:
			sent.Name = f.Name
			out.Type, out.Document = "document", sent
		}
	}, nil
}
