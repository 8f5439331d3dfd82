// Package optout recognises the words by which guests stop, resume or ask about
// messages, and knows what they are answered.
package optout

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/unicode/norm"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Command is what a message asks for.
type Command string

// Commands, as sb.receive takes them.
const (
	None  Command = ""
	Stop  Command = "stop"
	Start Command = "start"
	Help  Command = "help"
	// Request is a wish to get no more messages in words of the guest's own.
	Request Command = "request"
)

// The mandatory words, in the form that fold gives. Stop words are the union of
// what the law names and what the providers act upon, so that the same word
// works on every channel:
//   - 47 CFR 64.1200(a)(10): stop, quit, end, revoke, opt out, cancel, unsubscribe
//   - Twilio's default: STOP, STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT, REVOKE, OPTOUT
//   - Telnyx: STOP ALL; AWS: ARRET, OPT-OUT, REMOVE, TD; Twilio Proxy: ARRETE,
//     ARRETT; Bronto, for Norway: STOPP
//
// Start and help words are Twilio's and the CTIA's.
var (
	stopWords = []string{
		"stop", "stopall", "stop all", "quit", "end", "revoke", "opt out", "optout", "opt-out", "cancel",
		"unsubscribe", "remove", "td", "arret", "arrete", "arrett", "stopp",
	}
	startWords = []string{"start", "yes", "unstop"}
	helpWords  = []string{"help", "info"}
)

// maxWord is the longest message, in bytes, that can be a word on its own. It
// spares the folding of long texts.
const maxWord = 256

// Words are the words of a channel.
type Words struct {
	commands map[string]Command
}

// New gives the mandatory words and those that a channel adds by locale. An
// added word can't take a mandatory one away or change what it does.
func New(added []contract.Keywords) *Words {
	w := &Words{commands: map[string]Command{}}
	w.add(Stop, stopWords)
	w.add(Start, startWords)
	w.add(Help, helpWords)
	// Where locales disagree about a word, stopping wins.
	for _, k := range added {
		w.add(Stop, k.Stop)
	}
	for _, k := range added {
		w.add(Start, k.Start)
		w.add(Help, k.Help)
	}
	return w
}

func (w *Words) add(c Command, words []string) {
	for _, word := range words {
		key := fold(word)
		if _, taken := w.commands[key]; !taken && key != "" {
			w.commands[key] = c
		}
	}
}

// Command says what a message asks for. The word must be all of the message,
// but for case, accents, width, white space, characters that can't be seen, and
// punctuation around it: "¡Stop!" stops, "Does the bus stop here?" does not. What
// is no word may still be a Request.
func (w *Words) Command(body string) Command {
	body = strings.TrimFunc(body, isAround)
	if body == "" {
		return None
	}
	if len(body) <= maxWord {
		if c := w.commands[fold(body)]; c != None {
			return c
		}
	}
	if isRequest(body) {
		return Request
	}
	return None
}

// fold brings a word to the form in which words are compared.
func fold(s string) string {
	s = norm.NFKD.String(s) // takes accents and widths apart
	s = runes.Remove(runes.Predicate(isIgnored)).String(s)
	s = cases.Fold().String(s)
	s = strings.TrimFunc(s, isAround)
	return norm.NFKC.String(strings.Join(strings.Fields(s), " "))
}

// isAround is true for what may stand before or after a word.
func isAround(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.IsPunct(r) || isIgnored(r)
}

// isIgnored is true for accents once they are apart, and for characters that
// can't be seen: format characters and the fillers of Hangul and Braille.
func isIgnored(r rune) bool {
	switch r {
	case '\u115F', '\u1160', '\u2800', '\u3164', '\uFFA0':
		return true
	}
	return unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r)
}
