// Package notice words the line that tells a guest of the tenant's privacy notice.
package notice

import (
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// words are what stands before the address: for who is told for the first time, and for who was told of an older version. All
// letters are of GSM 03.38, so that a text message is not sent in a costlier alphabet for them.
var words = map[string][2]string{
	"en": {"Privacy notice: ", "Our privacy notice has changed: "},
	"de": {"Datenschutzhinweise: ", "Unsere Datenschutzhinweise haben sich geändert: "},
	"es": {"Aviso de privacidad: ", "Nuestro aviso de privacidad ha cambiado: "},
}

// languages are those of the calling codes where most people read one of them.
var languages = map[string]string{
	"43": "de", "49": "de", "423": "de",
	"34": "es", "51": "es", "52": "es", "53": "es", "54": "es", "56": "es", "57": "es", "58": "es", "240": "es", "502": "es", "503": "es",
	"504": "es", "505": "es", "506": "es", "507": "es", "591": "es", "593": "es", "595": "es", "598": "es",
}

// gap is what separates the line from the words before it.
const gap = "\n\n"

// Language gives the one that a guest is told in: that of the number's calling code, where it tells one of ours, else fallback.
func Language(a person.Address, fallback string) string {
	if a.Kind == contract.KindPhone || a.Kind == contract.KindWhatsApp {
		digits := strings.TrimPrefix(a.Value, "+")
		for n := 2; n <= min(3, len(digits)); n++ {
			if l, found := languages[digits[:n]]; found {
				return l
			}
		}
	}
	return fallback
}

// With gives a message with the line below it, in the place of one that it may have; again says that the guest was told of an older version. A language that is not one
// of contract.NoticeLanguages is English.
func With(body, language, url string, again bool) string {
	w, found := words[language]
	if !found {
		w = words["en"]
	}
	first := w[0]
	if again {
		first = w[1]
	}
	return Without(body) + gap + first + url
}

// Without gives a message as it was before With.
func Without(body string) string {
	before, line, found := cutLast(body, gap)
	if !found {
		return body
	}
	for _, w := range words {
		for _, first := range w {
			if url, is := strings.CutPrefix(line, first); is && strings.HasPrefix(url, "https://") && !strings.ContainsAny(url, " \n") {
				return before
			}
		}
	}
	return body
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
