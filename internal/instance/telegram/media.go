package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// files are the members of a message that are files. It has one of them, but an animation, which is a document too.
var files = []string{"photo", "document", "video", "video_note", "audio", "voice", "sticker"}

// fileIn is what a message tells of a file. A photo is there in several sizes, the largest last.
func fileIn(member provider.JSON) provider.JSON {
	for size := range member.List {
		member = size
	}
	return member
}

// maxFileID bounds a file's id, in bytes. (A bound in the pattern would take memory for each byte.)
const maxFileID = 512

var (
	fileID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	// filePath is relative, and none of its parts begins with a dot.
	filePath = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$`)
)

// files are those that it bears: one at most.
func (m message) files() []provider.Media {
	if !m.file.Is() {
		return nil
	}
	source := m.file.Member("file_id").Text()
	if len(source) > maxFileID || !fileID.MatchString(source) {
		source = "" // so that staff see that there was one
	}
	return []provider.Media{{Source: source, Name: media.Name(m.file.Member("file_name").Text())}}
}

// Fetch opens a file: Telegram says for its id on which path it is, for an hour. Its address holds the bot's token, and is
// in no error.
func (p *Provider) Fetch(ctx context.Context, source string) (io.ReadCloser, error) {
	if len(source) > maxFileID || !fileID.MatchString(source) {
		return nil, &provider.MediaError{Reason: media.WrongAddress}
	}
	request, err := p.request(ctx, "getFile", map[string]string{"file_id": source})
	if err != nil {
		return nil, err
	}
	status, _, body, err := provider.Do(p.http, request)
	if err != nil {
		return nil, err
	}
	var a answer
	if !a.read(status, body) {
		said := strings.ToLower(a.Description)
		switch {
		case strings.Contains(said, "file is too big"):
			return nil, &provider.MediaError{Reason: media.TooLarge}
		case a.ErrorCode == http.StatusBadRequest: // an id that Telegram does not know, or not any more
			return nil, &provider.MediaError{Reason: media.Gone}
		}
		return nil, fmt.Errorf("asking Telegram for a file: HTTP %d", status)
	}
	var at struct {
		Path string `json:"file_path"`
		Size int64  `json:"file_size"`
	}
	switch err := json.Unmarshal(a.Result, &at); {
	case err != nil || at.Path == "":
		return nil, errors.New("asking Telegram for a file: it gave no path")
	case len(at.Path) > media.MaxSource || !filePath.MatchString(at.Path):
		return nil, &provider.MediaError{Reason: media.WrongAddress}
	case at.Size > media.MaxInbound:
		return nil, &provider.MediaError{Reason: media.TooLarge}
	}
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	return p.downloads.Get(ctx, p.channel.APIBaseURL+"/file/bot"+token+"/"+at.Path, nil)
}

// pictures are the types that Telegram shows as such, up to a size; it makes them smaller. All else goes as a document.
var pictures = map[string]bool{"image/jpeg": true, "image/png": true}

// upload is a request to send a file.
func (p *Provider) upload(ctx context.Context, chat int64, out provider.Outgoing) (int, http.Header, []byte, error) {
	f := out.Files[0] // one, as the staff API sees to
	method, part := "sendDocument", "document"
	if pictures[f.MediaType] && f.Size <= media.MaxTelegramPhoto {
		method, part = "sendPhoto", "photo"
	}
	request, err := p.request(ctx, method, nil)
	if err != nil {
		return 0, nil, nil, &provider.NotSentError{Cause: err}
	}
	fields := []provider.Field{{Name: "chat_id", Value: strconv.FormatInt(chat, 10)}}
	if out.Body != "" {
		fields = append(fields, provider.Field{Name: "caption", Value: out.Body})
	}
	return provider.Upload(p.http, request, fields, part, f)
}
