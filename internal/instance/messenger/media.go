package messenger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// mediaHosts are where Meta keeps the files of guests: who knows an address may fetch it, for a while.
var mediaHosts = []provider.Host{{Name: ".fbcdn.net"}, {Name: ".fbsbx.com"}}

// Fetch opens a file by its address, without credentials. One whose time is over is answered with 403.
func (p *Provider) Fetch(ctx context.Context, source string) (io.ReadCloser, error) {
	body, err := p.downloads.Get(ctx, source, nil)
	var status *provider.StatusError
	if errors.As(err, &status) && status.Status == http.StatusForbidden {
		return nil, &provider.MediaError{Reason: media.Gone}
	}
	return body, err
}

// attached is a message that is a file.
type attached struct {
	Attachment struct {
		Type    string   `json:"type"`
		Payload struct{} `json:"payload"`
	} `json:"attachment"`
	Metadata string `json:"metadata"`
}

// sendFile gives a file to Messenger, by which the guest is written to at once.
func (p *Provider) sendFile(ctx context.Context, out provider.Outgoing) (meta.Answer, error) {
	f := out.Files[0]
	message := attached{Metadata: meta.Callback(out.Key)}
	message.Attachment.Type = "file"
	if kind, _, _ := strings.Cut(f.MediaType, "/"); kind == "image" || kind == "audio" || kind == "video" {
		message.Attachment.Type = kind
	}
	to, err := json.Marshal(recipient{out.To})
	if err != nil {
		return meta.Answer{}, &provider.NotSentError{Cause: fmt.Errorf("making the request: %w", err)}
	}
	what, err := json.Marshal(message)
	if err != nil {
		return meta.Answer{}, &provider.NotSentError{Cause: fmt.Errorf("making the request: %w", err)}
	}
	fields := []meta.Field{{Name: "recipient", Value: string(to)}, {Name: "messaging_type", Value: "RESPONSE"}, {Name: "message", Value: string(what)}}
	return p.graph.Upload(ctx, p.channel.PageID+"/messages", fields, "filedata", f)
}
