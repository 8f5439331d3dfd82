package notice_test

import (
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/notice"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

const url = "https://hotel-berlin.example/privacy"

func TestEveryLanguageHasItsLine(t *testing.T) {
	english := notice.With("", "en", url, true)
	for _, language := range contract.NoticeLanguages() {
		first, again := notice.With("Hello", language, url, false), notice.With("Hello", language, url, true)
		if first == again || language != "en" && notice.With("", language, url, true) == english {
			t.Errorf("%s: %q, %q", language, first, again)
		}
		for _, body := range []string{first, again} {
			if !strings.HasPrefix(body, "Hello\n\n") || !strings.HasSuffix(body, " "+url) || notice.Without(body) != "Hello" || notice.With(body, language, url, true) != again {
				t.Errorf("%s: %q", language, body)
			}
			if rest := strings.Trim(strings.Map(func(r rune) rune {
				if r < 128 || strings.ContainsRune("äöüÄÖÜßñÑéèùìòÇ", r) { // of GSM 03.38
					return -1
				}
				return r
			}, body), " "); rest != "" {
				t.Errorf("%s: a text message would need another alphabet for %q", language, rest)
			}
		}
	}
	for _, other := range []string{"Hello", "", "See\n\nPrivacy notice: ask us", "Privacy notice: " + url, "Hello\n\nPrivacy notice: " + url + " and more"} {
		if got := notice.Without(other); got != other {
			t.Errorf("%q became %q", other, got)
		}
	}
}

func TestANumberTellsALanguage(t *testing.T) {
	for _, c := range []struct{ kind, address, want string }{
		{contract.KindPhone, "+4930901820", "de"},
		{contract.KindWhatsApp, "4930901820", "de"},
		{contract.KindPhone, "+42361234567", "de"},
		{contract.KindPhone, "+420212345678", "en"}, // Czechia, and not Liechtenstein
		{contract.KindPhone, "+34910000000", "es"},
		{contract.KindPhone, "+5491112345678", "es"},
		{contract.KindPhone, "+12025550123", "en"},
		{contract.KindPhone, "+4", "en"},
		{contract.KindTelegram, "4930901820", "en"},
		{contract.KindWebChat, "web:user:49", "en"},
	} {
		if got := notice.Language(person.Address{Kind: c.kind, Value: c.address}, "en"); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.kind, c.address, got, c.want)
		}
	}
}
