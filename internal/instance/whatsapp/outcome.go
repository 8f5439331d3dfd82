package whatsapp

import (
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/instance/meta"
)

// codeWindow is the code of more than 24 hours since the guest last wrote. Codes are those of
// https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes.
const codeWindow = 131047

// CodeWindowClosed is what staff are shown when the time in which a guest may be written to
// is over.
const CodeWindowClosed = "window-closed"

// codes are those that WhatsApp has besides the Graph API's: 131016 says that a service is down, 80007 that the account, 130429
// that the number, and 131056 that this guest is sent too much at once; 131005 is of access, 133010 of a number that is
// not registered.
var codes = meta.Codes{
	Busy:          map[int]bool{80007: true, 130429: true, 131016: true, 131056: true},
	Misconfigured: map[int]bool{131005: true, 133010: true},
}

// reasons explain codes that a message to one guest meets, and say what to do.
var reasons = map[int]string{
	codeWindow: "more than 24 hours have passed since the guest last wrote; send a template, wait until the guest writes, or reach the guest in another way",
	100:        "WhatsApp takes no such text or recipient",
	131026:     "the guest can't be written to by WhatsApp: there is no account, or an old version of the app",
	130472:     "WhatsApp keeps messages from this guest for an experiment of its own",
	131021:     "sender and guest are the same number",
	131030:     "the number is a test number, and the guest is not on its list of recipients",
	131031:     "Meta has locked the account",
	131042:     "Meta asks for a payment method; see the account's billing",
	131048:     "Meta has restricted the number because guests have blocked or reported it",
	131049:     "Meta has chosen not to deliver it",
	131051:     "WhatsApp does not know this type of message",
	132000:     "the template takes another number of parameters",
	132001:     "Meta knows no such template in this language; it may have to be approved first",
	132005:     "with these parameters the template is too long",
	132007:     "Meta says that the template is against its policy",
	132012:     "the template takes parameters of another kind",
	132015:     "Meta has paused the template, as guests reported it; use another",
	132016:     "Meta has switched the template off, as guests reported it; use another",
	132018:     "the template does not take these parameters",
	368:        "Meta has restricted the account for breaking its policies",
}

// ourCode is what staff are shown: Meta's code, or a word for the one that they meet most.
func ourCode(code int) string {
	switch code {
	case codeWindow:
		return CodeWindowClosed
	case 0:
		return "failed"
	}
	return strconv.Itoa(code)
}

func reasonOf(code int) string {
	if r, ok := reasons[code]; ok {
		return r
	}
	return "see https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes"
}
