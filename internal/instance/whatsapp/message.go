package whatsapp

import (
	"cmp"
	"regexp"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// message is an entry of messages, as far as it is read.
type message struct {
	from, id, kind string
	text           string
	button         string // the words on a button of a template that the guest has pressed
	choice         string // those on a button or in a list of a message
	image, video   captioned
	document       captioned
	audio, sticker captioned
}

// captioned is a file, maybe with words of the guest's beside it.
type captioned struct{ id, caption, fileName string }

// readMessage leaves a member of another type than expected empty: what was read counts.
func readMessage(v provider.JSON) (m message) {
	for name, v := range v.Members {
		switch string(name) {
		case "from":
			m.from = v.Text()
		case "id":
			m.id = v.Text()
		case "type":
			m.kind = v.Text()
		case "text":
			m.text = v.Member("body").Text()
		case "button":
			m.button = v.Member("text").Text()
		case "interactive":
			m.choice = cmp.Or(v.Member("button_reply").Member("title").Text(), v.Member("list_reply").Member("title").Text())
		case "image":
			m.image = readCaptioned(v)
		case "video":
			m.video = readCaptioned(v)
		case "document":
			m.document = readCaptioned(v)
		case "audio":
			m.audio = readCaptioned(v)
		case "sticker":
			m.sticker = readCaptioned(v)
		}
	}
	return m
}

func readCaptioned(v provider.JSON) (c captioned) {
	for name, v := range v.Members {
		switch string(name) {
		case "id":
			c.id = v.Text()
		case "caption":
			c.caption = v.Text()
		case "filename":
			c.fileName = v.Text()
		}
	}
	return c
}

// files are those that it bears: one at most.
func (m message) files() []provider.Media {
	var f captioned
	switch m.kind {
	case "image":
		f = m.image
	case "video":
		f = m.video
	case "document":
		f = m.document
	case "audio":
		f = m.audio
	case "sticker":
		f = m.sticker
	default:
		return nil
	}
	if !mediaID.MatchString(f.id) {
		f.id = "" // so that staff see that there was one
	}
	return []provider.Media{{Source: f.id, Name: media.Name(f.fileName)}}
}

// mediaID is Meta's name of a file; it becomes part of an address.
var mediaID = regexp.MustCompile(`^[0-9]{1,64}$`)

var typeName = regexp.MustCompile(`^[a-z_]{1,32}$`)

// words are what the guest wrote or chose. Of other messages they say which type came, as
// in [image], and what was written beside it: a caption is the guest's words, too.
func (m message) words() string {
	switch m.kind {
	case "text":
		return m.text
	case "button":
		return m.button
	case "interactive":
		if m.choice != "" {
			return m.choice
		}
	}
	placeholder := "[message]"
	if typeName.MatchString(m.kind) {
		placeholder = "[" + m.kind + "]"
	}
	if caption := cmp.Or(m.image.caption, m.video.caption, m.document.caption); caption != "" {
		return placeholder + " " + caption
	}
	return placeholder
}
