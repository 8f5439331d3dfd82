package migrate_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestThePrivacyNoticeIsReplaced(t *testing.T) {
	d := pgtest.New(t)
	in := pgtest.Input()
	run := func(n *contract.PrivacyNotice) (string, error) {
		in.Setup.PrivacyNotice = n
		if _, err := migrate.Run(t.Context(), slog.New(slog.DiscardHandler), d.Config(t, contract.AdminRole), in); err != nil {
			return "", err
		}
		var got string
		err := d.Admin(t).QueryRow(t.Context(), "SELECT COALESCE((SELECT concat_ws(' ', url, version, material, language) FROM sb.privacy_notice), 'none')").Scan(&got)
		return got, err
	}
	const url = "https://hotel-berlin.example/privacy"
	for _, c := range []struct {
		notice *contract.PrivacyNotice
		want   string
	}{
		{&contract.PrivacyNotice{URL: url, Version: 1, Material: 1, Language: "en"}, url + " 1 1 en"},
		{&contract.PrivacyNotice{URL: url, Version: 3, Material: 2, Language: "de"}, url + " 3 2 de"},
		{nil, "none"},
	} {
		if got, err := run(c.notice); err != nil || got != c.want {
			t.Errorf("%+v: %s (%v), want %s", c.notice, got, err, c.want)
		}
	}
	for _, n := range []contract.PrivacyNotice{
		{URL: "http://hotel-berlin.example", Version: 1, Material: 1, Language: "en"}, {URL: url + " two", Version: 1, Material: 1, Language: "en"},
		{URL: url + strings.Repeat("x", 200), Version: 1, Material: 1, Language: "en"}, {URL: url, Version: 1, Material: 2, Language: "en"},
		{URL: url, Version: 1, Language: "en"}, {URL: url, Version: 1, Material: 1, Language: "la"},
	} {
		if _, err := run(&n); err == nil || !strings.Contains(err.Error(), "privacy notice") {
			t.Errorf("%+v: %v", n, err)
		}
	}
}
