package optout

import (
	"strings"
	"testing"
)

func TestRequestsInWordsOfTheGuestsOwn(t *testing.T) {
	words := New(nil)
	for locale, bodies := range map[string][]string{
		"en": {
			"please stop texting me", "Please, STOP texting me!!", "STOP PLEASE", "Please stop", "Hi. I checked out on Monday. Could you stop sending me messages?",
			"Don’t text me anymore", "don't contact me again.", "I do not want any more messages from you", "Take me off your list 😡", "no more texts, please",
			"I'd like to unsubscribe", "p\u200blease stop tex\u00adting me", "ｐｌｅａｓｅ ｓｔｏｐ ｔｅｘｔｉｎｇ ｍｅ", "Remove my number",
			"Thanks for everything\nplease stop texting me", "Leave me alone!",
		},
		"de": {
			"bitte keine SMS mehr", "Bitte keine Nachrichten mehr!", "Ich möchte keine SMS mehr bekommen", "Schreiben Sie mir nicht mehr.", "Hören Sie auf, mir zu schreiben",
			"ICH WÜNSCHE KEINE WEITEREN NACHRICHTEN", "Löschen Sie meine Nummer", "Keine Nachrichten mehr", "Bitte stopp",
		},
		"fr": {
			"ne m'écrivez plus", "Ne m’écrivez plus s’il vous plaît", "ARRÊTEZ DE M'ÉCRIRE", "Je ne veux plus recevoir de messages", "ne m'envoyez plus de SMS",
			"Je ne souhaite plus être contacté", "Désabonnez-moi", "Stop, merci",
		},
		"es": {
			"no me escriban más", "¡No me escriban más!", "Dejen de escribirme, por favor", "No quiero recibir más mensajes", "no me envíen más mensajes",
			"Denme de baja", "por favor, no más mensajes",
		},
	} {
		for _, body := range bodies {
			if got := words.Command(body); got != Request {
				t.Errorf("%s: %q is %q, want a request", locale, body, got)
			}
		}
	}
}

// What comes near, and asks for nothing of the kind.
func TestNearMisses(t *testing.T) {
	words := New(nil)
	for locale, bodies := range map[string][]string{
		"en": {
			"does the bus stop here", "Does the bus stop at the hotel?", "please stop by at 8", "can you stop the noise", "Can you please stop the music next door?",
			"When does the bar stop serving?", "Please don't stop texting me, I like the offers", "Why did you stop texting me?", "do not text me before 9", "Stop the taxi, please wait",
			"I never asked you to stop messaging me", "No more towels please", "No. More messages are welcome", "please cancel my booking", "End of the week is fine",
			"Is there a stop button in the lift?", "My phone died; no more charger", "We want to unsubscribe from breakfast", "The last stop please", "stop texting mechanics",
			"Please remove my number plate from the list", "STOP 12345",
		},
		"de": {
			"Hält der Bus hier?", "Ich bekomme keine SMS mehr", "Warum schreiben Sie mir nicht mehr?", "Bitte keine Handtücher mehr", "Es gab keine Nachrichten mehr",
			"Kann man den Lärm stoppen?", "Bitte keine Anrufe vor 9", "Wir haben keine Zimmer mehr gefunden",
		},
		"fr": {
			"Le bus s'arrête ici ?", "Pourquoi ne m'écrivez plus ?", "Vous ne m'écrivez plus, c'est dommage", "ne m'envoyez plus de serviettes", "Plus de café, s'il vous plaît",
			"Arrêtez le bruit s'il vous plaît", "n'arrêtez pas de m'écrire",
		},
		"es": {
			"¿El autobús para aquí?", "¿Por qué no me escriben más?", "No dejen de escribirme", "no quiero más toallas", "Más mensajes por favor", "dejen de hacer ruido",
		},
		"any": {"", " ", "...", strings.Repeat("please stop texting me ", 300)},
	} {
		for _, body := range bodies {
			if got := words.Command(body); got != None {
				t.Errorf("%s: %q is %q, want nothing", locale, body, got)
			}
		}
	}
}

// A phrase that is not written as tokens gives it would never be found.
func TestPhrasesAreWrittenAsTheyAreCompared(t *testing.T) {
	for _, l := range requestPhrases() {
		for _, list := range [][]string{l.within, l.whole, l.unless} {
			for _, p := range list {
				if got := tokens(p); got != p || strings.IndexFunc(p, endsSentence) >= 0 {
					t.Errorf("%s: %q is compared as %q", l.locale, p, got)
				}
			}
		}
	}
	if len(requestPhrases()) < 4 {
		t.Error("a locale is missing")
	}
}

// A word always wins over a phrase, and a request has no answer of its own.
func TestARequestIsNoWord(t *testing.T) {
	for _, l := range requestPhrases() {
		for _, p := range append(l.within, l.whole...) {
			if got := New(nil).Command(p); got != Request && !containsAny(p, l.unless) {
				t.Errorf("%s: %q is %q", l.locale, p, got)
			}
		}
	}
	if Answer(Request) != "" {
		t.Error("a request is answered by itself")
	}
}

func TestPhrasesAreFoundWordByWord(t *testing.T) {
	sentences := []string{"", "stop", "stop it", "do stop", "do stop it", "nonstop it", "stopped stop", "stop stopp", "nonstop stop it now", "é stop é", "éstop"}
	for _, sentence := range sentences {
		for _, words := range []string{"stop", "stop it", "é", "it", ""} {
			want := words != "" && strings.Contains(" "+sentence+" ", " "+words+" ")
			if containsWords(sentence, words) != want {
				t.Errorf("%q in %q: not %t", words, sentence, want)
			}
		}
	}
}
