package optout_test

import (
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
)

func TestAWordIsRecognisedHoweverItIsWritten(t *testing.T) {
	v := optout.NewVocabulary([]contract.Keywords{
		{Locale: "pt-BR", Stop: []string{"Sair", "parar já"}, Start: []string{"voltar"}, Help: []string{"ajuda"}},
		{Locale: "xx", Start: []string{"STOP"}, Help: []string{"quit"}}, // must not weaken a mandatory word
	})
	for body, want := range map[string]optout.Word{
		"STOP": optout.Stop, "stop": optout.Stop, "StOp": optout.Stop, "  stop \n": optout.Stop, "Stop.": optout.Stop,
		"“stop!!”": optout.Stop, "ｓｔｏｐ": optout.Stop, "st\u200bop": optout.Stop, "\ufeffSTOP": optout.Stop,
		"STOPALL": optout.Stop, "stop  all": optout.Stop, "Opt out": optout.Stop, "OPT-OUT": optout.Stop, "optout": optout.Stop,
		"quit": optout.Stop, "END": optout.Stop, "Revoke": optout.Stop, "cancel": optout.Stop, "unsubscribe": optout.Stop,
		"Arrêt": optout.Stop, "ARRETE": optout.Stop, "STOPP": optout.Stop, "remove": optout.Stop, "td": optout.Stop,
		"sair": optout.Stop, "PARAR JA": optout.Stop,
		"start": optout.Start, "Yes": optout.Start, "UNSTOP": optout.Start, "Voltar": optout.Start,
		"help": optout.Help, "Info?": optout.Help, "ajuda": optout.Help,
		"": optout.None, "!!!": optout.None, "stop by at noon": optout.None, "please stop": optout.None,
		"STOP 12345": optout.None, "nonstop": optout.None, "ok": optout.None,
	} {
		if got := v.Recognise(body); got != want {
			t.Errorf("%q is %q, want %q", body, got, want)
		}
	}
}

func TestEveryWordHasItsAnswer(t *testing.T) {
	for word, part := range map[optout.Word]string{optout.Stop: "START", optout.Start: "STOP", optout.Help: "STOP"} {
		if a := optout.Answer(word); !strings.Contains(a, part) || len(a) > 160 {
			t.Errorf("the answer to %q is %q: it must name %s and fit one text message", word, a, part)
		}
	}
	if optout.Answer(optout.None) != "" {
		t.Error("an ordinary message is answered")
	}
}

func FuzzRecognise(f *testing.F) {
	for _, s := range []string{"stop", "Arrêt!", "\xff\xfe", "ﬁn", strings.Repeat("stop", 100), "İ", "ß"} {
		f.Add(s)
	}
	v := optout.NewVocabulary(nil)
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) < 200 && v.Recognise(body) != v.Recognise(" \t"+body+" !\n") {
			t.Errorf("space and punctuation around %q change its meaning", body)
		}
	})
}
