package telegram

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// message is a message of a private chat, as far as it is read.
type message struct {
	id            int64
	numbered      bool // it has an id
	from, chat    int64
	isBot         bool
	chatType      string
	text, caption string
	content       string // the first of contents that it has, "" for none
	file          provider.JSON
}

// readMessage leaves a member of another type than expected empty: what was read counts.
func readMessage(v provider.JSON) (m message) {
	content, file := len(contents), len(files)
	for name, v := range v.Members {
		switch string(name) {
		case "message_id":
			m.id, m.numbered = v.Int()
		case "from":
			m.from, _ = v.Member("id").Int()
			m.isBot = v.Member("is_bot").True()
		case "chat":
			m.chat, _ = v.Member("id").Int()
			m.chatType = v.Member("type").Text()
		case "text":
			m.text = v.Text()
		case "caption":
			m.caption = v.Text()
		}
		if at := slices.Index(contents, string(name)); at >= 0 && at < content {
			content, m.content = at, contents[at]
		}
		if at, f := slices.Index(files, string(name)), fileIn(v); at >= 0 && at < file && f.IsObject() {
			file, m.file = at, f
		}
	}
	return m
}

// parse reads an update. What is no new message of a guest to the bot itself says nothing
// new and is acknowledged: edits, groups, channels, other bots. To refuse it would only
// have it sent again.
func parse(body []byte) (provider.Delivery, error) {
	update, _ := provider.ReadJSON(body)
	id, numbered := update.Member("update_id").Int()
	if !numbered {
		return provider.Delivery{}, provider.Malformed(errors.New("the body is not an update as JSON; send it complete"))
	}
	raw := update.Member("message")
	if !raw.Is() {
		return provider.Delivery{}, nil
	}
	m := readMessage(raw)
	switch {
	case m.chatType != "" && m.chatType != "private" || m.isBot:
		return provider.Delivery{}, nil
	case !m.numbered || m.chat <= 0 || m.from != m.chat:
		return provider.Delivery{Unreadable: 1}, nil
	}
	return provider.Delivery{Messages: []provider.Inbound{{
		// Telegram may count updates anew after a quiet week; with the message's number they differ all the same.
		ID:   fmt.Sprintf("%d.%d", id, m.id),
		From: []person.Address{{Kind: contract.KindTelegram, Value: strconv.FormatInt(m.chat, 10)}},
		Body: provider.Storable(m.words()), Media: m.files(),
	}}}, nil
}

// contents are the members that say what a message without text is, the telling one first:
// an animation is a document too, and a venue a location.
var contents = []string{
	"animation", "audio", "document", "photo", "sticker", "story", "video", "video_note", "voice", "contact", "dice", "game", "poll",
	"venue", "location",
}

// words are what the guest wrote. Of other messages they say which type came, as in
// [photo], and what was written beside it: a caption is the guest's words, too.
func (m message) words() string {
	if m.text != "" {
		return m.text
	}
	placeholder := "[" + cmp.Or(m.content, "message") + "]"
	if m.caption != "" {
		return placeholder + " " + m.caption
	}
	return placeholder
}
