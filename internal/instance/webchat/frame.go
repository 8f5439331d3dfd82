package webchat

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// Protocol is the subprotocol that both sides name when the socket opens. docs/webchat-protocol.md
// describes it.
const Protocol = "switchboard.chat.v1"

// Types of frames. Some go one way only.
const (
	typeHello   = "hello"
	typeWelcome = "welcome"
	typeMessage = "message"
	typeAck     = "ack"
	typeTyping  = "typing"
	typeReceipt = "receipt"
	typeEnd     = "end"
	typeError   = "error"
)

// Codes of errors that leave the socket open.
const (
	codeUnknownType = "unknown-type"
	codeBadID       = "bad-id"
	codeEmpty       = "empty"
	codeTooLong     = "too-long"
	codeBadCursor   = "bad-cursor"
	codeBadStatus   = "bad-status"
	codeTooFast     = "too-fast"
	codeUnavailable = "unavailable"
)

// Statuses of receipts.
const (
	statusSent      = "sent"
	statusDelivered = "delivered"
	statusRead      = "read"
)

// frame is what a browser sends: the members of all types.
type frame struct {
	Type   string `json:"type"`
	Token  string `json:"token"`
	Cursor string `json:"cursor"`
	ID     string `json:"id"`
	Text   string `json:"text"`
	Status string `json:"status"`
}

// frameError is a frame that can't be obeyed. The socket stays open.
type frameError struct {
	code   string
	id     string // the browser's own of the message, where it is one
	detail string
}

func (e *frameError) Error() string { return e.code + ": " + e.detail }

// errMalformed is a frame that is none: the browser and we don't understand each other.
var errMalformed = errors.New("a frame is a JSON object with a type, in UTF-8")

var clientID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Bounds of a frame's members, in bytes.
const (
	maxClientID = 64
	maxToken    = 64
	maxCursor   = 32
)

// readFrame gives what is in a frame. It is false for one that is no object, or has a member of another type; others than those of
// frames are a later protocol's, and passed over.
func readFrame(data []byte) (f frame, ok bool) {
	object, _ := provider.ReadJSON(data)
	if !object.IsObject() || !utf8.Valid(data) {
		return frame{}, false
	}
	for name, v := range object.Members {
		var member *string
		switch string(name) {
		case "type":
			member = &f.Type
		case "token":
			member = &f.Token
		case "cursor":
			member = &f.Cursor
		case "id":
			member = &f.ID
		case "text":
			member = &f.Text
		case "status":
			member = &f.Status
		default:
			continue
		}
		if v.Is() && !v.IsText() {
			return frame{}, false
		}
		*member = v.Text()
	}
	return f, true
}

// parse reads a frame. It fails with errMalformed, or with *frameError for one that is well
// formed and can't be obeyed. maxText is in characters.
func parse(data []byte, maxText int) (frame, error) {
	f, ok := readFrame(data)
	if !ok || f.Type == "" {
		return frame{}, errMalformed
	}
	refused := func(code, detail string) (frame, error) {
		id := f.ID
		if len(id) > maxClientID || !clientID.MatchString(id) {
			id = ""
		}
		return frame{}, &frameError{code, id, detail}
	}
	switch f.Type {
	case typeHello:
		if len(f.Token) > maxToken || len(f.Cursor) > maxCursor {
			return frame{}, errMalformed
		}
	case typeMessage:
		switch {
		case len(f.ID) > maxClientID || !clientID.MatchString(f.ID):
			return refused(codeBadID, "id has 1 to 64 letters, digits, hyphens and underscores, and is the message's own")
		case strings.TrimSpace(f.Text) == "":
			return refused(codeEmpty, "text is empty")
		case utf8.RuneCountInString(f.Text) > maxText:
			return refused(codeTooLong, "text has more than "+strconv.Itoa(maxText)+" characters; send it in parts")
		}
	case typeReceipt:
		if f.Status != statusDelivered && f.Status != statusRead {
			return refused(codeBadStatus, "status is delivered or read")
		}
	case typeTyping, typeEnd:
	default:
		return refused(codeUnknownType, "type is one of hello, message, typing, receipt and end")
	}
	return f, nil
}

// cursor names a place in a thread for a browser: EPOCH.PLACE. The epoch tells places of before a
// restore from those after it.
func cursor(epoch int32, place int64) string {
	return strconv.FormatInt(int64(epoch), 10) + "." + strconv.FormatInt(place, 10)
}

// placeOf reads a cursor; false for one that is not of this epoch, or none.
func placeOf(epoch int32, c string) (int64, bool) {
	before, after, _ := strings.Cut(c, ".")
	e, err := strconv.ParseInt(before, 10, 32)
	if err != nil || int32(e) != epoch {
		return 0, false
	}
	place, err := strconv.ParseInt(after, 10, 64)
	return place, err == nil && place >= 0
}

type welcomeFrame struct {
	Type      string    `json:"type"`
	Session   uuid.UUID `json:"session"`
	ExpiresAt time.Time `json:"expiresAt"`
	settings
	// Reset: the cursor counts no more; all of the thread follows, in place of what the browser has.
	Reset bool `json:"reset"`
	// UpTo is the cursor of the last message there is; those up to it follow, and are old. Left out when the browser has it.
	UpTo string `json:"upTo,omitempty"`
}

type messageFrame struct {
	Type     string    `json:"type"`
	Cursor   string    `json:"cursor"`
	ID       uuid.UUID `json:"id"`
	At       time.Time `json:"at"`
	From     string    `json:"from"` // guest, staff or system
	ClientID string    `json:"clientId,omitempty"`
	Text     string    `json:"text"`
	// Files has what came with it; a page fetches each by its id.
	Files []fileFrame `json:"files,omitempty"`
}

type fileFrame struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	State     string    `json:"state"` // pending, stored or refused
	MediaType string    `json:"mediaType,omitempty"`
	Size      int64     `json:"size,omitempty"` // bytes
}

type ackFrame struct {
	Type    string     `json:"type"`
	ID      string     `json:"id"`
	Message *uuid.UUID `json:"message"` // null when it was stored before, and has expired
}

type receiptFrame struct {
	Type   string `json:"type"`
	Status string `json:"status"`
	Cursor string `json:"cursor"`
}

type typingFrame struct {
	Type string `json:"type"`
}

type errorFrame struct {
	Type   string `json:"type"`
	Code   string `json:"code"`
	ID     string `json:"id,omitempty"`
	Detail string `json:"detail"`
}

func messageOf(epoch int32, e Entry) messageFrame {
	from := "system"
	switch {
	case e.Direction == "in":
		from = "guest"
	case e.Origin == "staff":
		from = "staff"
	}
	var files []fileFrame
	for _, f := range e.Files {
		files = append(files, fileFrame{f.ID, f.saved(), f.State, f.MediaType, f.Size})
	}
	return messageFrame{
		Type: typeMessage, Cursor: cursor(epoch, e.Place), ID: e.ID, At: e.At.UTC(), From: from, ClientID: e.ClientID, Text: e.Text, Files: files,
	}
}

// encode writes a frame of ours, which can always be written.
func encode(f any) []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic("a frame of ours can't be JSON: " + err.Error())
	}
	return b
}
