package optout

import (
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

func TestMandatoryWords(t *testing.T) {
	want := map[Command][]string{
		// Every list that the package's comment names, in full.
		Stop: {
			"stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe",
			"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT",
			"STOP ALL", "ARRET", "OPT-OUT", "REMOVE", "TD", "ARRETE", "ARRETT", "STOPP",
		},
		Start: {"START", "YES", "UNSTOP"},
		Help:  {"HELP", "INFO"},
	}
	hostile := []contract.Keywords{{Locale: "en", Stop: []string{"start", "help"}, Start: []string{"STOP", "quit"}, Help: []string{"Unsubscribe", "yes"}}}
	for name, words := range map[string]*Words{"none added": New(nil), "additions that would take them away": New(hostile)} {
		for c, list := range want {
			for _, word := range list {
				if got := words.Command(word); got != c {
					t.Errorf("%s: %q is %q, want %q", name, word, got, c)
				}
			}
		}
	}
}

func TestWordsInAnyDress(t *testing.T) {
	for body, want := range map[string]Command{
		"sToP":                            Stop,
		" \t Stop \r\n":                   Stop,
		"Stop.":                           Stop,
		"STOP!!!":                         Stop,
		"¡Stop!":                          Stop,
		"“STOP”":                          Stop,
		"\u00a0stop\u2003":                Stop,
		"\ufeffstop":                      Stop,
		"s\u200bt\u200do\u00adp":          Stop,
		"stop\ufe0f":                      Stop,
		"\u3164stop\u2800":                Stop,
		"ＳＴＯＰ":                            Stop,
		"𝐒𝐓𝐎𝐏":                            Stop,
		"Arrêt":                           Stop,
		"arre\u0302te\u0301":              Stop,
		"stop\n all":                      Stop,
		"Opt   Out":                       Stop,
		"opt-out.":                        Stop,
		"\u00a0 sTaRt ":                   Start,
		"Unstop":                          Start,
		"İNFO":                            Help,
		"help?":                           Help,
		"":                                None,
		" . ":                             None,
		"\u200b":                          None,
		"STOP PLEASE":                     Request,
		"STOP 12345":                      None,
		"Does the bus stop at the hotel?": None,
		"st op":                           None,
		"stop🙂":                           None,
		"Yes, please":                     None,
		"ENDE":                            None,
		strings.Repeat("stop ", 400):      None,
	} {
		if got := New(nil).Command(body); got != want {
			t.Errorf("%q is %q, want %q", body, got, want)
		}
	}
}

func TestAdditionsOfLocales(t *testing.T) {
	words := New([]contract.Keywords{
		{Locale: "de", Stop: []string{"Stopp", "Abbestellen", "Schluß"}, Start: []string{"Anmelden"}, Help: []string{"Hilfe"}},
		{Locale: "es", Stop: []string{"BAJA", " ¡alto! ", "", "!"}, Start: []string{"ALTA", "abbestellen"}},
		{Locale: "ja", Stop: []string{"停止"}},
		{Locale: "el", Stop: []string{"Διακοπή"}},
	})
	for body, want := range map[string]Command{
		"abbestellen": Stop, // a start word of another locale: stopping wins
		"SCHLUSS":     Stop,
		"schluß!":     Stop,
		"baja":        Stop,
		"Alto":        Stop,
		"停止。":         Stop,
		"ΔΙΑΚΟΠΗ":     Stop,
		"anmelden":    Start,
		"alta":        Start,
		"hilfe":       Help,
		"":            None,
		"!":           None,
		"hilf":        None,
	} {
		if got := words.Command(body); got != want {
			t.Errorf("%q is %q, want %q", body, got, want)
		}
	}
}

func TestAnswersAreTwilios(t *testing.T) {
	words := New(nil)
	for c, fragments := range map[Command][]string{
		Stop:  {"unsubscribed", "Reply START"},
		Start: {"re-subscribed", "Reply STOP"},
		Help:  {"Reply STOP"},
	} {
		answer := Answer(c)
		for _, f := range fragments {
			if !strings.Contains(answer, f) {
				t.Errorf("the answer to %s is %q, without %q", c, answer, f)
			}
		}
		if words.Command(answer) != None {
			t.Errorf("the answer to %s would itself be taken for a command by another robot", c)
		}
	}
	if Answer(None) != "" {
		t.Error("a message like any other has an answer")
	}
}

func FuzzCommand(f *testing.F) {
	for _, seed := range []string{"STOP", " arrêt! ", "\xff\xfe", "s\u200btop", "İ", "\u0130\u0307", "ﬀ", strings.Repeat("\u0300", 300)} {
		f.Add(seed)
	}
	words := New(nil)
	f.Fuzz(func(t *testing.T, body string) {
		c := words.Command(body)
		if got := words.Command("\n " + body + " \u200b."); got != c {
			t.Errorf("%q is %q, and %q with white space around it", body, c, got)
		}
		if folded := fold(body); fold(folded) != folded {
			t.Errorf("folding %q twice gives another word than once: %q, %q", body, folded, fold(folded))
		}
	})
}
