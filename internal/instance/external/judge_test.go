package external

import (
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
)

func TestAServerIsJudged(t *testing.T) {
	const mine = "eu-central/hotel-berlin"
	good := facts{version: 150014, createRole: true, owner: true}
	for _, c := range []struct {
		about  string
		change func(*facts)
		class  string
		says   string
	}{
		{"good and empty", func(*facts) {}, "", ""},
		{"the oldest that serves", func(f *facts) { f.version = 150000 }, "", ""},
		{"too old", func(f *facts) { f.version = 149999 }, contract.DatabaseTooOld, "PostgreSQL 14"},
		{"too old, whatever else", func(f *facts) { *f = facts{version: 140012} }, contract.DatabaseTooOld, "15 or newer"},
		{"may make no roles", func(f *facts) { f.createRole = false }, contract.DatabaseRights, "CREATEROLE"},
		{"does not own the database", func(f *facts) { f.owner = false }, contract.DatabaseRights, "owner"},
		{"its own from before", func(f *facts) { f.ours, f.mark = true, migrate.Mark(mine) }, "", ""},
		{"another's", func(f *facts) { f.ours, f.mark = true, migrate.Mark("us-east/hotel-berlin") }, contract.DatabaseTaken, "us-east/hotel-berlin"},
		{"unmarked roles", func(f *facts) { f.ours = true }, contract.DatabaseTaken, "nobody has marked"},
	} {
		t.Run(c.about, func(t *testing.T) {
			f := good
			c.change(&f)
			r := judge(f, mine)
			if r.Class != c.class || !strings.Contains(r.Message, c.says) || r.Version != f.version {
				t.Errorf("%+v, want %q with %q", r, c.class, c.says)
			}
		})
	}
}
