package whatsapp

import (
	"cmp"
	"regexp"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// message is an entry of messages, as far as it is read.
type message struct {
	From string `json:"from"`
	ID   string `json:"id"`
	Type string `json:"type"`
	Text struct {
		Body string `json:"body"`
	} `json:"text"`
	Button struct { // a button of a template that the guest has pressed
		Text string `json:"text"`
	} `json:"button"`
	Interactive struct { // a button or a list of a message
		ButtonReply struct {
			Title string `json:"title"`
		} `json:"button_reply"`
		ListReply struct {
			Title string `json:"title"`
		} `json:"list_reply"`
	} `json:"interactive"`
	Image    captioned `json:"image"`
	Video    captioned `json:"video"`
	Document captioned `json:"document"`
	Audio    captioned `json:"audio"`
	Sticker  captioned `json:"sticker"`
}

// captioned is a file, maybe with words of the guest's beside it.
type captioned struct {
	ID       string `json:"id"`
	Caption  string `json:"caption"`
	FileName string `json:"filename"`
}

// files are those that it bears: one at most.
func (m message) files() []provider.Media {
	f, bears := map[string]captioned{"image": m.Image, "video": m.Video, "document": m.Document, "audio": m.Audio, "sticker": m.Sticker}[m.Type]
	if !bears {
		return nil
	}
	if !mediaID.MatchString(f.ID) {
		f.ID = "" // so that staff see that there was one
	}
	return []provider.Media{{Source: f.ID, Name: media.Name(f.FileName)}}
}

// mediaID is Meta's name of a file; it becomes part of an address.
var mediaID = regexp.MustCompile(`^[0-9]{1,64}$`)

var typeName = regexp.MustCompile(`^[a-z_]{1,32}$`)

// words are what the guest wrote or chose. Of other messages they say which type came, as
// in [image], and what was written beside it: a caption is the guest's words, too.
func (m message) words() string {
	switch m.Type {
	case "text":
		return m.Text.Body
	case "button":
		return m.Button.Text
	case "interactive":
		if title := cmp.Or(m.Interactive.ButtonReply.Title, m.Interactive.ListReply.Title); title != "" {
			return title
		}
	}
	placeholder := "[message]"
	if typeName.MatchString(m.Type) {
		placeholder = "[" + m.Type + "]"
	}
	if caption := cmp.Or(m.Image.Caption, m.Video.Caption, m.Document.Caption); caption != "" {
		return placeholder + " " + caption
	}
	return placeholder
}
