package telegram

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// maxMembers bounds the members of all lists of an update: sizes of pictures, parts of a text with a meaning of their own.
const maxMembers = 2000

// update is what a webhook brings, as far as it is read: one event at a time.
type update struct {
	ID      *int64          `json:"update_id"`
	Message json.RawMessage `json:"message"`
}

// message is a message of a private chat, as far as it is read.
type message struct {
	ID   *int64 `json:"message_id"`
	From struct {
		ID    int64 `json:"id"`
		IsBot bool  `json:"is_bot"`
	} `json:"from"`
	Chat struct {
		ID   int64  `json:"id"`
		Type string `json:"type"`
	} `json:"chat"`
	Text    string `json:"text"`
	Caption string `json:"caption"`
	borne
}

// parse reads an update. What is no new message of a guest to the bot itself says nothing
// new and is acknowledged: edits, groups, channels, other bots. To refuse it would only
// have it sent again.
func parse(body []byte) (provider.Delivery, error) {
	var u update
	body, ok := provider.Legible(body, maxMembers)
	if !ok {
		return provider.Delivery{}, provider.Malformed(errors.New("the update holds too many members of lists"))
	}
	if err := json.Unmarshal(body, &u); err != nil || u.ID == nil {
		return provider.Delivery{}, provider.Malformed(errors.New("the body is not an update as JSON; send it complete"))
	}
	if u.Message == nil {
		return provider.Delivery{}, nil
	}
	var m message
	// A member of another type than expected is left empty; what was read counts.
	_ = json.Unmarshal(u.Message, &m)
	switch {
	case m.Chat.Type != "" && m.Chat.Type != "private" || m.From.IsBot:
		return provider.Delivery{}, nil
	case m.ID == nil || m.Chat.ID <= 0 || m.From.ID != m.Chat.ID:
		return provider.Delivery{Unreadable: 1}, nil
	}
	return provider.Delivery{Messages: []provider.Inbound{{
		// Telegram may count updates anew after a quiet week; with the message's number they differ all the same.
		ID:   fmt.Sprintf("%d.%d", *u.ID, *m.ID),
		From: []person.Address{{Kind: contract.KindTelegram, Value: strconv.FormatInt(m.Chat.ID, 10)}},
		Body: provider.Storable(m.words(u.Message)), Media: m.files(),
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
func (m message) words(raw []byte) string {
	if m.Text != "" {
		return m.Text
	}
	placeholder := "[message]"
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err == nil {
		for _, name := range contents {
			if _, is := members[name]; is {
				placeholder = "[" + name + "]"
				break
			}
		}
	}
	if m.Caption != "" {
		return placeholder + " " + m.Caption
	}
	return placeholder
}
