package smpp

import (
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// maxID is the longest message id; 65 octets in the standard with its NUL.
const maxID = 80

// receiptForm is the text of a receipt (SMPP 3.4, appendix B), in as much order as message centres keep.
var receiptForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(id|stat|err):\s*([^\s:]+)`)
})

// states are message_state (SMPP 3.4, 5.2.28) and the words of the text. What isn't here says nothing new.
var states = map[string]string{
	"1": "accepted", "2": "delivered", "3": "failed", "4": "failed", "5": "failed", "6": "sent", "8": "failed",
	"ENROUTE": "accepted", "DELIVRD": "delivered", "EXPIRED": "failed", "DELETED": "failed", "UNDELIV": "failed", "ACCEPTD": "sent", "REJECTD": "failed",
}

// failures are what staff are shown of messages that were not delivered.
var failures = map[string]string{
	"3": "expired-at-provider", "EXPIRED": "expired-at-provider", "4": "deleted-at-provider", "DELETED": "deleted-at-provider",
	"5": "undeliverable", "UNDELIV": "undeliverable", "8": "rejected", "REJECTD": "rejected",
}

// receipt reads a delivery receipt: its parameters, and for what they don't tell its text. False: it names no message or no
// state.
func (d deliver) receipt() (provider.Receipt, bool) {
	var r provider.Receipt
	text, _ := d.placed()
	said, ok := decode(d.coding, text)
	if !ok {
		said = string(text)
	}
	words := map[string]string{}
	for _, m := range receiptForm().FindAllStringSubmatch(clip(said, 1024), -1) {
		if name := strings.ToLower(m[1]); words[name] == "" {
			words[name] = m[2]
		}
	}
	r.ID = strings.TrimSpace(strings.TrimRight(string(d.optional[tagReceiptedID]), "\x00"))
	if r.ID == "" {
		r.ID = words["id"]
	}
	state := strings.ToUpper(words["stat"])
	if n, is := d.number(tagMessageState); is {
		state = strconv.Itoa(n)
	}
	r.Status = states[state]
	if r.Status == "failed" {
		r.ErrorCode = failures[state]
	}
	if n, is := d.number(tagUserReference); is {
		reference := uint16(n) //nolint:gosec // of two octets at most
		r.Reference = &reference
	}
	if r.ID == "" || len(r.ID) > maxID || r.Status == "" {
		return r, false
	}
	r.Alike = alike(r.ID)
	return r, true
}

func clip(s string, most int) string {
	if len(s) > most {
		return s[:most]
	}
	return s
}

// alike gives the other spellings of an id: message centres answer submit_sm in hexadecimal and put decimals into receipts, or
// the other way round, with zeros before or without.
func alike(id string) []string {
	var all []string
	add := func(s string) {
		if s != id {
			all = append(all, s)
		}
	}
	if short := strings.TrimLeft(id, "0"); short != "" && short != id {
		add(short)
	}
	if n, err := strconv.ParseUint(id, 10, 64); err == nil {
		h := strconv.FormatUint(n, 16)
		for _, s := range []string{h, strings.ToUpper(h), pad(h, 8), pad(strings.ToUpper(h), 8)} {
			add(s)
		}
		add(pad(strconv.FormatUint(n, 10), 10))
	}
	if n, err := strconv.ParseUint(id, 16, 64); err == nil {
		add(strconv.FormatUint(n, 10))
		add(pad(strconv.FormatUint(n, 10), 10))
	}
	if up := strings.ToUpper(id); up != id {
		add(up)
	}
	if down := strings.ToLower(id); down != id {
		add(down)
	}
	return all
}

func pad(s string, n int) string {
	if len(s) < n {
		return strings.Repeat("0", n-len(s)) + s
	}
	return s
}
