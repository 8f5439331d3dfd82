package messenger

import (
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// Codes that staff are shown in place of Meta's, where one of those says several things.
const (
	CodeWindowClosed = "window-closed"
	codeUnavailable  = "guest-unavailable"
	codeNoGuest      = "guest-not-found"
)

// codes are those that Messenger has besides the Graph API's: 32 and 613 are limits, 1200 a failure that passes; 230 is a right
// that is missing.
var codes = meta.Codes{Busy: map[int]bool{32: true, 613: true, 1200: true}, Misconfigured: map[int]bool{230: true}}

// Subcodes of https://developers.facebook.com/docs/messenger-platform/error-codes that tell a refusal of this message apart from
// a mistake in the settings.
var subcodes = map[int]string{2018278: CodeWindowClosed, 2018001: codeNoGuest, 1545041: codeUnavailable}

// reasons explain codes that a message to one guest meets, and say what to do.
var reasons = map[string]string{
	CodeWindowClosed: "more than 24 hours have passed since the guest last wrote; wait until the guest writes, or reach the guest in another way",
	codeUnavailable:  "the guest takes no messages from the page now, or has blocked it; reach the guest in another way",
	codeNoGuest:      "Meta knows no such guest of this page",
	"100":            "Messenger takes no such text or recipient",
	"368":            "Meta has restricted the page for breaking its policies",
}

// failed says what an answer that is no success means.
func failed(a meta.Answer) error {
	e := a.Code()
	if code := subcodes[e.Subcode]; code != "" {
		return &provider.RefusedError{Code: code, Reason: reasons[code]}
	}
	if e.Code == 551 {
		return &provider.RefusedError{Code: codeUnavailable, Reason: reasons[codeUnavailable]}
	}
	if err := a.Failed("Messenger", codes); err != nil {
		return err
	}
	code := strconv.Itoa(e.Code)
	reason, known := reasons[code]
	if !known {
		reason = "see https://developers.facebook.com/docs/messenger-platform/error-codes"
	}
	return &provider.RefusedError{Code: code, Reason: reason}
}
