package twilio

import (
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// CodeBlocked is the error code of a guest who has opted out at Twilio.
const CodeBlocked = 21610

// refused is a message that Twilio will not take. code is Twilio's, 0 when it gave none.
func refused(httpStatus, code int) *provider.RefusedError {
	e := &provider.RefusedError{Code: strconv.Itoa(code), Reason: "see https://www.twilio.com/docs/api/errors", Blocked: code == CodeBlocked}
	if code == 0 {
		e.Code = "http-" + strconv.Itoa(httpStatus)
	}
	if why, ok := reasons[code]; ok {
		e.Reason = why
	}
	return e
}

// reasons explain the codes of https://www.twilio.com/docs/api/errors that a
// message to one guest meets, and say what to do.
var reasons = map[int]string{
	21211: "the guest's number is not valid",
	21212: "the channel's sender is not valid; correct the Channel's from",
	21265: "the guest's number is a short code, which can't be written to",
	21408: "the account may not write to the guest's country; allow it in Twilio's geographic permissions",
	21606: "the channel's number can't send to this guest; correct the Channel's from",
	21608: "the account is a trial and the guest's number is not verified",
	21610: "the guest has opted out at Twilio",
	21612: "no route leads from the channel's number to the guest's",
	21614: "the guest's number can't receive text messages",
	21617: "the text is longer than 1600 characters",
	21660: "the channel's number does not belong to the account; correct the Channel",
	30007: "the carrier took the message for spam",
}
