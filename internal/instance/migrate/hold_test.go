package migrate_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// testKeys are two versions of a tenant's key.
func testKeys(t *testing.T) *addresshash.Keys {
	t.Helper()
	dir := t.TempDir()
	for version, b := range map[string]byte{"1": 'a', "2": 'b'} {
		if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+version), bytes.Repeat([]byte{b}, 32), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := addresshash.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func aliases(t *testing.T, kind, value string) migrate.Aliases {
	t.Helper()
	address, err := person.Parse(kind, value)
	if err != nil {
		t.Fatal(err)
	}
	var a migrate.Aliases
	a.Kinds, a.Hashes = person.Hashes(testKeys(t), []person.Address{address})
	return a
}

// TestHoldsArePutInForceAndReleased follows a guest whose address moves on to a new
// contact while a hold names them.
func TestHoldsArePutInForceAndReleased(t *testing.T) {
	d := pgtest.New(t)
	admin := d.Admin(t)
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	hashes, _ := testKeys(t).Hashes(contract.KindPhone, "+4915112345678")
	for _, name := range []string{"old", "new", "other"} {
		exec("INSERT INTO sb.contact (id) VALUES (md5($1)::uuid)", name)
		exec("INSERT INTO sb.conversation (id, channel, contact_id) VALUES (md5('v' || $1)::uuid, $2, md5($1)::uuid)", name, pgtest.Channel)
		exec(`INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
			SELECT gen_random_uuid(), now(), md5('v' || $1)::uuid, $2, 'in', 'guest', 'received' FROM generate_series(1, 3)`, name, pgtest.Channel)
	}
	exec("INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('phone', $1, 1, '+4915112345678', md5('old')::uuid)", hashes[1])

	in := pgtest.Input()
	in.Setup.Holds = []contract.Hold{{Name: "case-1", Subject: true}, {Name: "front", Channel: pgtest.Channel}, {Name: "nobody", Conversation: "0198c1f2-5a6b-7c8d-9e0f-112233445566"}}
	in.Aliases = map[string]migrate.Aliases{"case-1": aliases(t, contract.KindPhone, "+4915112345678")}
	result, err := migrate.Run(t.Context(), quiet, d.Config(t, contract.AdminRole), in)
	if err != nil {
		t.Fatal(err)
	}
	want := []contract.HoldMatch{
		{Hold: "case-1", Contacts: 1, Conversations: 1, Messages: 3}, {Hold: "front", Contacts: 3, Conversations: 3, Messages: 9}, {Hold: "nobody"},
	}
	if !slices.Equal(result.Holds, want) {
		t.Errorf("matched %+v, want %+v", result.Holds, want)
	}

	t.Run("who bore the address stays held when it moves on", func(t *testing.T) {
		exec("UPDATE sb.contact_address SET contact_id = md5('new')::uuid, address_hash = $1, key_version = 2", hashes[0])
		in.Aliases = nil // the Secret is gone: the hold keeps what it knows
		run(t, d, in)
		if got := texts(t, admin, "SELECT string_agg(DISTINCT n, ' ' ORDER BY n) FROM unnest(ARRAY['old', 'new', 'other']) n JOIN sb.hold_contact b ON b.contact_id = md5(n)::uuid"); got != "new old" {
			t.Errorf("held are %q", got)
		}
		if got := texts(t, admin, "SELECT string_agg(h, ' ' ORDER BY h) FROM sb.holds_of(md5('vold')::uuid, $1, now()) h", pgtest.Channel); got != "case-1 front" {
			t.Errorf("the old thread is held by %q", got)
		}
	})
	t.Run("another person takes the first one's place", func(t *testing.T) {
		in.Aliases = map[string]migrate.Aliases{"case-1": aliases(t, contract.KindPhone, "+4915187654321")}
		run(t, d, in)
		if got := texts(t, admin, "SELECT count(*)::text FROM sb.hold_contact"); got != "0" {
			t.Errorf("%s contacts are held for a person whom the hold does not name any more", got)
		}
	})
	t.Run("an expired hold holds nothing", func(t *testing.T) {
		past := time.Now().Add(-time.Minute)
		in.Setup.Holds[1].Expires = &past
		run(t, d, in)
		if got := texts(t, admin, "SELECT count(*)::text FROM sb.holds_of(md5('vold')::uuid, $1, now())", pgtest.Channel); got != "0" {
			t.Errorf("%s holds", got)
		}
	})
	t.Run("what is listed no more is released", func(t *testing.T) {
		in.Setup.Holds = nil
		run(t, d, in)
		if got := texts(t, admin, "SELECT (SELECT count(*) FROM sb.hold) || ' ' || (SELECT count(*) FROM sb.hold_alias)"); got != "0 0" {
			t.Errorf("left are %s", got)
		}
	})
}

// TestAPersonWhoCannotBeReadStopsNothingElse: one number of a pattern that is right and
// that no country has must not keep a tenant from its channels and limits.
func TestAPersonWhoCannotBeReadStopsNothingElse(t *testing.T) {
	d := pgtest.New(t)
	d.Setenv(t, contract.AdminRole)
	p := newPod(t)
	holds, keys := t.TempDir(), t.TempDir()
	t.Setenv(migrate.EnvHoldsDir, holds)
	t.Setenv(addresshash.EnvDir, keys)
	write(t, filepath.Join(keys, contract.FileHashKeyPrefix+"1"), strings.Repeat("k", 32))
	write(t, filepath.Join(holds, "bad", contract.KindPhone), "+1617555012")
	write(t, filepath.Join(holds, "good", contract.KindPhone), "+4915112345678")
	setup := pgtest.Input().Setup
	setup.Holds = []contract.Hold{{Name: "bad", Subject: true}, {Name: "good", Subject: true}}
	b, err := json.Marshal(setup)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(contract.EnvSetup, string(b))
	var log bytes.Buffer
	if err := migrate.Command(t.Context(), slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	if got := p.result(t); got.Migration == nil || len(got.Migration.Holds) != 2 {
		t.Errorf("result %+v", got)
	}
	if got := texts(t, d.Admin(t), "SELECT string_agg(DISTINCT hold, ' ') FROM sb.hold_alias"); got != "good" {
		t.Errorf("the holds with addresses are %q", got)
	}
	if !strings.Contains(log.String(), "hold bad") || !strings.Contains(log.String(), "key phone, line 1") || strings.Contains(log.String(), "617555") {
		t.Errorf("the log says %s", log.String())
	}
}

func TestHoldsThatCannotBeMeantAreRefused(t *testing.T) {
	d := pgtest.New(t)
	for name, test := range map[string]struct {
		hold contract.Hold
		says string
	}{
		"no name":         {contract.Hold{Channel: "spa"}, "no good name"},
		"names nothing":   {contract.Hold{Name: "case-1"}, "names nothing"},
		"no conversation": {contract.Hold{Name: "case-1", Conversation: "room four"}, "no UUID"},
	} {
		t.Run(name, func(t *testing.T) {
			in := pgtest.Input()
			in.Setup.Holds = []contract.Hold{test.hold}
			if _, err := migrate.Run(t.Context(), quiet, d.Config(t, contract.AdminRole), in); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want that it says %q", err, test.says)
			}
		})
	}
}
