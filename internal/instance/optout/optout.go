// Package optout recognises what a guest says about being written to: STOP, START
// and HELP. It is pure: words in, a verdict out.
package optout

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Word is what a message says about consent.
type Word string

// The words, as sb.receive takes them.
const (
	None  Word = ""
	Stop  Word = "stop"
	Start Word = "start"
	Help  Word = "help"
)

// mandatory words, whatever a Channel lists. Sources: FCC 47 CFR 64.1200(a)(10) (stop, quit, end, revoke, opt out,
// cancel, unsubscribe); Twilio's default keywords (STOPALL, OPTOUT; START, YES, UNSTOP; HELP, INFO); Telnyx (STOP ALL);
// AWS (ARRET, OPT-OUT, REMOVE, TD); Twilio Proxy (ARRETE, ARRETT); Bronto (STOPP).
var mandatory = map[Word][]string{
	Stop: {
		"stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "stopall", "stop all", "optout", "opt-out",
		"remove", "td", "arret", "arrete", "arrett", "stopp",
	},
	Start: {"start", "yes", "unstop"},
	Help:  {"help", "info"},
}

// Vocabulary is the words of one channel.
type Vocabulary map[string]Word

// NewVocabulary adds a channel's words to the mandatory ones. A mandatory word
// keeps its meaning whatever the channel says of it.
func NewVocabulary(additions []contract.Keywords) Vocabulary {
	v := Vocabulary{}
	for _, k := range additions {
		// A word listed twice means the one that protects the guest more.
		v.add(Help, k.Help)
		v.add(Start, k.Start)
		v.add(Stop, k.Stop)
	}
	for word, spellings := range mandatory {
		v.add(word, spellings)
	}
	return v
}

func (v Vocabulary) add(word Word, spellings []string) {
	for _, s := range spellings {
		if folded := fold(s); folded != "" {
			v[folded] = word
		}
	}
}

// Recognise gives the word that a message consists of, or None: "STOP" and
// " Arrêt! " are words, "stop by at noon" is not.
func (v Vocabulary) Recognise(body string) Word { return v[fold(body)] }

// maxWord bounds what is looked at: no word is longer, in bytes.
const maxWord = 256

// fold makes spellings of a word equal: case, accents, width, white space,
// invisible characters and punctuation around it don't count.
func fold(s string) string {
	if len(s) > maxWord {
		return ""
	}
	// transform.Chain and its parts keep state: one for each call.
	bare := transform.Chain(width.Fold, norm.NFKD, runes.Remove(runes.In(unicode.Mn)), runes.Remove(runes.In(unicode.Cf)), norm.NFC)
	folded, _, err := transform.String(bare, s)
	if err != nil {
		return ""
	}
	folded = cases.Fold().String(folded)
	folded = strings.TrimFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	return strings.Join(strings.Fields(folded), " ")
}

// Answer is the one confirmation of a word, as Twilio words it; empty for None.
func Answer(word Word) string {
	switch word {
	case Stop:
		return "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe."
	case Start:
		return "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply."
	case Help:
		return "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
	default:
		return ""
	}
}
