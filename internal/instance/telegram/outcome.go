package telegram

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// Codes that staff are shown, where Telegram has a number for many things and a sentence for each.
const (
	codeBlocked    = "blocked-by-guest"
	codeDeleted    = "account-deleted"
	codeNotStarted = "not-started"
	codeNoChat     = "chat-not-found"
	codeTooLong    = "too-long"
)

// reasons explain the codes, and say what to do.
var reasons = map[string]string{
	codeBlocked:    "the guest has blocked the bot; reach the guest in another way, or wait until the guest unblocks it",
	codeDeleted:    "the guest's account at Telegram was deleted",
	codeNotStarted: "the guest has not begun a chat with this bot, and Telegram lets nobody be written to before",
	codeNoChat:     "Telegram knows no chat of this bot with the guest; wait until the guest writes",
	codeTooLong:    "the text is longer than 4096 characters",
}

// phrases are parts of Telegram's sentences, in lower case. Its API has no other word for what they say.
var phrases = []struct{ part, code string }{
	{"blocked by the user", codeBlocked},
	{"user is deactivated", codeDeleted},
	{"can't initiate conversation", codeNotStarted},
	{"chat not found", codeNoChat},
	{"message is too long", codeTooLong},
	{"caption is too long", codeTooLong},
}

func refused(code string) *provider.RefusedError {
	return &provider.RefusedError{Code: code, Reason: cmp.Or(reasons[code], "see https://core.telegram.org/bots/api#making-requests")}
}

// failed says what an answer that is no success means.
func failed(status int, header http.Header, a answer) error {
	switch {
	case status == http.StatusTooManyRequests || a.ErrorCode == http.StatusTooManyRequests:
		after := provider.Seconds(a.Parameters.RetryAfter)
		if after == 0 {
			after = provider.RetryAfter(header)
		}
		return &provider.NotSentError{After: after, Cause: fmt.Errorf("Telegram asks to be asked later (HTTP %d)", status)}
	case status == http.StatusUnauthorized || status == http.StatusNotFound:
		// A mistake of configuration, not of this message: it waits until that is mended.
		return &provider.NotSentError{Cause: fmt.Errorf("Telegram does not accept the channel's token (HTTP %d); correct the key botToken of its Secret", status)}
	case status >= 500 || status == http.StatusRequestTimeout || status < http.StatusBadRequest:
		return &provider.UnknownError{Cause: fmt.Errorf("Telegram answered HTTP %d", status)}
	}
	said := strings.ToLower(a.Description)
	for _, p := range phrases {
		if strings.Contains(said, p.part) {
			return refused(p.code)
		}
	}
	return refused(strconv.Itoa(a.ErrorCode))
}
