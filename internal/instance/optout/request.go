package optout

import (
	"slices"
	"strings"
	"unicode"
)

// maxRequest is the longest message, in bytes, in which a request is looked for.
const maxRequest = 4096

// isRequest says whether a message is a wish to get no more messages. Its locale is
// not known, so those of all locales count.
func isRequest(body string) bool {
	if len(body) > maxRequest {
		return false
	}
	var sentences []string
	for _, s := range strings.FieldsFunc(body, endsSentence) {
		if s = tokens(s); s != "" {
			sentences = append(sentences, s)
		}
	}
	for _, l := range requestPhrases() {
		if len(sentences) == 1 && slices.Contains(l.whole, sentences[0]) {
			return true
		}
		for _, s := range sentences {
			if l.contains(s, l.within) && !l.contains(s, l.unless) {
				return true
			}
		}
	}
	return false
}

// endsSentence is true for what a phrase does not reach across: "No. More messages
// are welcome" asks for no end.
func endsSentence(r rune) bool {
	return strings.ContainsRune(".!?;:\n\r…¿¡。！？", r)
}

// tokens gives a sentence as folded words of letters and digits, with one blank
// between two.
func tokens(sentence string) string {
	return strings.Join(strings.FieldsFunc(fold(sentence), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ")
}

// contains says whether one of the phrases is in a sentence, as the locale writes it.
func (l phrases) contains(sentence string, phrases []string) bool {
	if l.unspaced {
		return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(sentence, p) })
	}
	return containsAny(sentence, phrases)
}

// containsAny says whether one of the phrases is in a sentence, word by word.
func containsAny(sentence string, phrases []string) bool {
	return slices.ContainsFunc(phrases, func(p string) bool { return containsWords(sentence, p) })
}

// containsWords allocates nothing: every message is looked through for every phrase.
func containsWords(sentence, words string) bool {
	for from := 0; words != ""; {
		found := strings.Index(sentence[from:], words)
		if found < 0 {
			return false
		}
		begin, end := from+found, from+found+len(words)
		if (begin == 0 || sentence[begin-1] == ' ') && (end == len(sentence) || sentence[end] == ' ') {
			return true
		}
		from = begin + 1
	}
	return false
}
